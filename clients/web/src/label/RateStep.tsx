/** Step 1: each output alone, before it is compared: its figures, then what is to be marked. */
import { t } from "../i18n/i18n";
import type { Task } from "./api";
import { rate, type Draft } from "./draft";
import { FlagRow } from "./FlagRow";
import { flagSpecs, type Rating } from "./flags";
import { OutputText } from "./OutputText";
import { isWhole, markText, scalesOf, type Scale } from "./scales";

interface Props {
  task: Task;
  draft: Draft;
  at: number;
  onAt: (at: number) => void;
  scale: number; // the one that the digits fill in
  onScale: (scale: number) => void;
}

/** One row of marks. `active`: digits go here. */
function Likert({ scale, output, rating, active, onPick }: {
  scale: Scale; output: string; rating: Rating; active: boolean; onPick: () => void;
}) {
  const pick = (mark: number) => {
    onPick();
    rate(output, { figures: { ...rating.figures, [scale.name]: mark } });
  };
  return (
    <div class={active ? "likert active" : "likert"} role="radiogroup" aria-label={t(scale.name)}>
      <span class="muted small">{t(scale.least)}</span>
      {scale.marks.map((mark) => (
        <button type="button" role="radio" key={mark} aria-checked={mark === rating.figures[scale.name]}
                onClick={() => pick(mark)}>{markText(scale, mark)}</button>
      ))}
      <span class="muted small">{t(scale.most)}</span>
    </div>
  );
}

function Flags({ output, rating }: { output: string; rating: Rating }) {
  return (
    <div class="flags">
      {flagSpecs.map((spec) => (
        <FlagRow key={spec.name} spec={spec} output={output} value={rating.flags[spec.name] ?? null}
                 onChange={(value) => rate(output, { flags: { ...rating.flags, [spec.name]: value } })} />
      ))}
    </div>
  );
}

export function RateStep({ task, draft, at, onAt, scale, onScale }: Props) {
  const output = task.outputs[at];
  const rating = output && draft.ratings[output.id];
  if (!output || !rating) return null;
  const scales = scalesOf(task.criterion_mode);
  return (
    <section class="rate" aria-label={t("step_rate")}>
      <div class="dots" role="group" aria-label={t("outputs")}>
        {task.outputs.map(({ id }, i) => (
          <button type="button" key={id} aria-pressed={i === at} onClick={() => onAt(i)}
                  class={isWhole(draft.ratings[id]?.figures ?? {}, scales) ? "done" : ""}
                  aria-label={t("output_n", { n: i + 1 })}>{i + 1}</button>
        ))}
      </div>
      <article class="card"><OutputText text={output.text} /></article>
      <div class="card marks">
        {scales.map((one, i) => (
          <div key={one.name}>
            <h3>{t(one.name)}</h3>
            <Likert scale={one} output={output.id} rating={rating} active={scales.length > 1 && i === scale}
                    onPick={() => onScale(i)} />
          </div>
        ))}
        {task.criterion_mode !== "toxicity" && <Flags output={output.id} rating={rating} />}
      </div>
    </section>
  );
}
