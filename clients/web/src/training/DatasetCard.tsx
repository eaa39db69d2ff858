/** One data set: what is in it, what each stage left out, and the ways to take it along. */
import { saveFile } from "../base/storage";
import { moment, number, t } from "../i18n/i18n";
import { sayError } from "../shell/messages";
import { exportDataset, formatsOf, partsOf, type Dataset, type Stage } from "./datasets";

async function take(dataset: Dataset, format: string): Promise<void> {
  try {
    saveFile(`${dataset.name || dataset.id}.${format}.jsonl`, await exportDataset(dataset, format));
  } catch (error) {
    sayError(error);
  }
}

const found = (kinds: Record<string, number>) =>
  Object.entries(kinds).map(([kind, n]) => `${kind} ${n}`).join(", ");

function Stages({ stages }: { stages: Stage[] }) {
  const counted = stages.filter((stage) => stage.out !== undefined);
  return (
    <table>
      <thead>
        <tr>
          <th>{t("stage")}</th><th class="figure">{t("rows_before")}</th>
          <th class="figure">{t("rows_after")}</th><th>{t("left_out_for")}</th>
        </tr>
      </thead>
      <tbody>
        {counted.map((stage) => (
          <tr key={stage.stage}>
            <td class="mono">{stage.stage}</td>
            <td class="figure">{stage.in === undefined ? "–" : number(stage.in)}</td>
            <td class="figure">{number(stage.out ?? 0)}</td>
            <td>{(stage.kinds && found(stage.kinds)) || "–"}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function DatasetCard({ dataset }: { dataset: Dataset }) {
  const stages = dataset.manifest.stages ?? [];
  return (
    <article class="card dataset" aria-label={dataset.name}>
      <header class="row wrap">
        <h2>{dataset.name}</h2>
        <span class="tag">{dataset.kind}</span>
        {dataset.stale && <span class="tag busy">{t("stale")}</span>}
        <span class="mono muted small">{dataset.id}</span>
        <span class="spring" />
        <span class="muted small">{moment(dataset.created_at)}</span>
      </header>
      {dataset.stale && <p class="small">{t("stale_text")}</p>}
      <dl class="facts">
        {partsOf(dataset).map((part) => (
          <div key={part}>
            <dt>{part}</dt>
            <dd>{t("n_rows", { n: number(dataset.counts[part]) })}</dd>
            <dd class="mono small">{dataset.files[part]}</dd>
          </div>
        ))}
      </dl>
      {stages.length > 0 && (
        <details>
          <summary>{t("stages")}</summary>
          <div class="table-box" tabIndex={0} role="group" aria-label={t("stages")}>
            <Stages stages={stages} />
          </div>
        </details>
      )}
      <div class="chips" role="group" aria-label={t("export")}>
        <span class="muted small">{t("export")}</span>
        {formatsOf[dataset.kind].map((format) => (
          <button type="button" class="chip" key={format} onClick={() => void take(dataset, format)}>
            {format}
          </button>
        ))}
      </div>
    </article>
  );
}
