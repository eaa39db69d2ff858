/** Step 1: each output alone, before it is compared: overall quality, then what is to be marked. */
import { t } from "../i18n/i18n";
import type { Task } from "./api";
import { rate, type Draft } from "./draft";
import { FlagRow } from "./FlagRow";
import { flagSpecs } from "./flags";
import { OutputText } from "./OutputText";

const marks = [1, 2, 3, 4, 5, 6, 7];

interface Props {
  task: Task;
  draft: Draft;
  at: number;
  onAt: (at: number) => void;
}

function Quality({ output, quality }: { output: string; quality: number | null }) {
  return (
    <div class="likert" role="radiogroup" aria-label={t("overall_quality")}>
      <span class="muted small">{t("quality_worst")}</span>
      {marks.map((mark) => (
        <button type="button" role="radio" key={mark} aria-checked={mark === quality}
                onClick={() => rate(output, { quality: mark })}>{mark}</button>
      ))}
      <span class="muted small">{t("quality_best")}</span>
    </div>
  );
}

export function RateStep({ task, draft, at, onAt }: Props) {
  const output = task.outputs[at];
  const rating = output && draft.ratings[output.id];
  if (!output || !rating) return null;
  return (
    <section class="rate" aria-label={t("step_rate")}>
      <div class="dots" role="group" aria-label={t("outputs")}>
        {task.outputs.map(({ id }, i) => (
          <button type="button" key={id} aria-pressed={i === at} onClick={() => onAt(i)}
                  class={draft.ratings[id]?.quality ? "done" : ""}
                  aria-label={t("output_n", { n: i + 1 })}>{i + 1}</button>
        ))}
      </div>
      <article class="card"><OutputText text={output.text} /></article>
      <div class="card marks">
        <h3>{t("overall_quality")}</h3>
        <Quality output={output.id} quality={rating.quality} />
        <div class="flags">
          {flagSpecs.map((spec) => (
            <FlagRow key={spec.name} spec={spec} output={output.id}
                     value={rating.flags[spec.name] ?? null}
                     onChange={(value) => rate(output.id, { flags: { ...rating.flags, [spec.name]: value } })} />
          ))}
        </div>
      </div>
    </section>
  );
}
