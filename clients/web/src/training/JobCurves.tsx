/** The curves of a job: the ones that tell most first, the others folded away. */
import { t } from "../i18n/i18n";
import { Chart } from "../chart/Chart";
import type { Columns } from "./columns";
import { gaps } from "./serving_gap";

/** In the order in which one wants to see them; those that a job does not have are left out. */
const first = [
  "loss", "valid_loss", "rm_score", "reward", "kl", "value_loss", "rm_accuracy", "ptx_loss",
  "tokens_per_second",
];

const measured = (columns: Columns, name: string) =>
  columns[name]?.some((value) => value !== null) ?? false;

function Curve({ columns, name }: { columns: Columns; name: string }) {
  return <Chart title={name} x={columns.step} y={columns[name] ?? []} />;
}

export function JobCurves({ columns }: { columns: Columns }) {
  const names = Object.keys(columns).filter((name) => name !== "step" && measured(columns, name));
  const main = first.filter((name) => names.includes(name));
  const others = names.filter((name) => !first.includes(name)).sort();
  const served = gaps.value.some((gap) => gap.ms !== null);
  if (!columns.step.length) return <p class="empty-note">{t("no_metrics_yet")}</p>;
  return (
    <>
      <div class="charts">
        {main.map((name) => <Curve key={name} columns={columns} name={name} />)}
        {served && (
          <Chart title={t("serving_gap")} time unit="ms" x={gaps.value.map((g) => g.at)}
                 y={gaps.value.map((g) => g.ms)} />
        )}
      </div>
      {others.length > 0 && (
        <details class="more-curves">
          <summary>{t("more_curves", { n: others.length })}</summary>
          <div class="charts">
            {others.map((name) => <Curve key={name} columns={columns} name={name} />)}
          </div>
        </details>
      )}
    </>
  );
}
