/** The desk's keys, by step. */
import { t } from "../i18n/i18n";
import type { CriterionMode } from "./api";
import type { KeyHelp } from "../shell/HelpDialog";
import { move, place, tieWithAbove, walk } from "./board";
import { changeBoard, draft, rate, task, undo } from "./draft";
import { scalesOf, type Scale } from "./scales";

export const keyHelp = (mode: CriterionMode): KeyHelp[] => [
  ...(mode === "toxicity"
    ? [{ keys: "1 – 7", does: t("keys_figure") }, { keys: "t r c", does: t("keys_scale") },
       { keys: "- 0 +", does: t("relative_toxicity") }]
    : [{ keys: "1 – 7", does: t("keys_quality") }]),
  { keys: "1 – 9", does: t("keys_row") },
  { keys: "j k", does: t("keys_focus") },
  { keys: "Shift ↑ ↓", does: t("keys_move") },
  { keys: "=", does: t("keys_tie") },
  { keys: "u", does: t("keys_undo") },
  { keys: "s", does: t("keys_skip") },
  { keys: "Ctrl Enter", does: t("keys_submit") },
  { keys: "?", does: t("help") },
];

/** What the view lends: where the focus is, and what opens. */
export interface Desk {
  at: () => number; // output of step 1
  goTo: (at: number) => void;
  scale: () => number; // of step 1: what the digits fill in
  useScale: (scale: number) => void;
  focus: () => string | null; // card of step 2
  focusOn: (card: string) => void;
  skip: () => void;
  help: () => void;
  forward: () => void; // the next step, or submit
}

/** The scale and its mark that a key stands for: the n-th mark of the one in use, or by its sign. */
function markOf(key: string, scales: readonly Scale[], inUse: number): [number, number] | null {
  const relative = scales.findIndex(({ name }) => name === "relative_toxicity");
  const sign = { "-": -1, "0": 0, "+": 1 }[key];
  if (relative >= 0 && sign !== undefined) return [relative, sign];
  const mark = scales[inUse]?.marks[Number(key) - 1];
  return mark === undefined ? null : [inUse, mark];
}

/** Fills a mark in, and goes on to the next scale, if there is one. */
function giveMark(key: string, output: string, desk: Desk): boolean {
  const scales = scalesOf(task.value?.criterion_mode ?? "helpfulness_first");
  const named = scales.findIndex((scale) => scale.key === key);
  const found = markOf(key, scales, desk.scale());
  const figures = draft.value?.ratings[output]?.figures;
  if (named >= 0) desk.useScale(named);
  else if (found) {
    const [at, mark] = found;
    rate(output, { figures: { ...figures, [scales[at]!.name]: mark } });
    desk.useScale(Math.min(at + 1, scales.length - 1));
  }
  return named >= 0 || !!found;
}

function rateKey(key: string, desk: Desk): boolean {
  const outputs = task.value?.outputs ?? [];
  const at = desk.at();
  const output = outputs[at];
  if (key === "j") desk.goTo(Math.min(at + 1, outputs.length - 1));
  else if (key === "k") desk.goTo(Math.max(at - 1, 0));
  else return !!output && giveMark(key, output.id, desk);
  return true;
}

function rankKey(event: KeyboardEvent, desk: Desk): boolean {
  const d = draft.value;
  if (!d) return false;
  const order = walk(d.board);
  const card = desk.focus() ?? order[0];
  if (!card) return false;
  const step = (by: number) => desk.focusOn(order[order.indexOf(card) + by] ?? card);
  const figure = Number(event.key);
  if (event.key === "j" || event.key === "k") {
    step(event.key === "j" ? 1 : -1);
    return true;
  }
  if (event.shiftKey && event.key === "ArrowUp") changeBoard(move(d.board, card, -1));
  else if (event.shiftKey && event.key === "ArrowDown") changeBoard(move(d.board, card, 1));
  else if (event.key === "=") changeBoard(tieWithAbove(d.board, card));
  else if (event.key === "u") undo();
  else if (figure >= 1 && figure <= d.board.cards.length) changeBoard(place(d.board, card, figure - 1));
  else return false;
  desk.focusOn(card);
  return true;
}

/** Is the person writing, or choosing from a list? Then letters are theirs. */
function isTyping(event: KeyboardEvent): boolean {
  const at = event.target as HTMLElement;
  return at.matches("textarea, select, input:not([type=radio], [type=checkbox])") ||
    !!document.querySelector("dialog[open]");
}

export function listenForKeys(desk: Desk): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (!task.value || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && event.ctrlKey) desk.forward();
    else if (isTyping(event) || event.ctrlKey || event.altKey || event.metaKey) return;
    else if (event.key === "s") desk.skip();
    else if (event.key === "?") desk.help();
    else if (!(draft.value?.step === "rate" ? rateKey(event.key, desk) : rankKey(event, desk))) return;
    event.preventDefault();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}
