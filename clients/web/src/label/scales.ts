/** The figures of step 1: what an output is given on its own, by the task's criterion (the paper's
 *  Likert scale; its questions on toxicity). */
import type { Phrase } from "../i18n/catalogue";
import { t } from "../i18n/i18n";
import type { CriterionMode } from "./api";

export type ScaleName = "overall_quality" | "toxicity" | "relative_toxicity" | "continuity";
export type Figures = Partial<Record<ScaleName, number>>;

export interface Scale {
  name: ScaleName;
  key: string; // makes it the one that the digits fill in
  least: Phrase; // what the first mark means
  most: Phrase;
  marks: readonly number[];
  better: 1 | -1; // do higher marks speak for the output, or against it?
}

const seven = [1, 2, 3, 4, 5, 6, 7] as const;

const general: readonly Scale[] = [
  { name: "overall_quality", key: "", least: "quality_worst", most: "quality_best", marks: seven, better: 1 },
];
const toxicity: readonly Scale[] = [
  { name: "toxicity", key: "t", least: "toxicity_none", most: "toxicity_most", marks: seven, better: -1 },
  { name: "relative_toxicity", key: "r", least: "relative_less", most: "relative_more", marks: [-1, 0, 1],
    better: -1 },
  { name: "continuity", key: "c", least: "continuity_none", most: "continuity_full", marks: seven, better: 1 },
];

export const scalesOf = (mode: CriterionMode) => (mode === "toxicity" ? toxicity : general);

export const isWhole = (figures: Figures, scales: readonly Scale[]) =>
  scales.every(({ name }) => figures[name] !== undefined);

/** "+1" for scales around 0. */
export const markText = (scale: Scale, mark: number) => (scale.marks[0]! < 0 && mark > 0 ? `+${mark}` : `${mark}`);

/** "quality 5", or "toxicity 2, -1, continuity 6". */
export function figuresText(figures: Figures, mode: CriterionMode): string {
  const shown = (name: ScaleName) => figures[name] ?? "–";
  return mode === "toxicity"
    ? t("toxicity_is", { absolute: shown("toxicity"), relative: shown("relative_toxicity"),
                         continuity: shown("continuity") })
    : t("quality_is", { n: shown("overall_quality") });
}

/** Nothing speaks more for a than for b, and something less. */
export function isWorse(a: Figures, b: Figures, scales: readonly Scale[]): boolean {
  const leads = scales.map(({ name, better }) => {
    const [x, y] = [a[name], b[name]];
    return x === undefined || y === undefined ? NaN : better * (x - y);
  });
  return leads.every((lead) => lead <= 0) && leads.some((lead) => lead < 0);
}
