/** How far labelers agree with each other and with the researchers' gold items, and how that went. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import type { Phrase } from "../i18n/catalogue";
import { number, t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { onServerEvent } from "../state/server";
import { Chart } from "../chart/Chart";
import { readAgreement, type Agreement, type CriterionMode, type Figure, type TaskKind } from "./api";
import { ToxicityTable } from "./ToxicityTable";

const problem = signal<ApiError | null>(null);

/** Rankings of each kind and criterion are compared among themselves. */
const parts = [
  { kind: "rank", mode: "helpfulness_first", name: "kind_rank" },
  { kind: "eval", mode: "truthful_harmless_first", name: "kind_eval" },
  { kind: "eval", mode: "toxicity", name: "kind_toxicity" },
] as const satisfies readonly { kind: TaskKind; mode: CriterionMode; name: Phrase }[];
type Part = (typeof parts)[number];

const report = signal<{ part: Part; figures: Agreement } | null>(null);
let wanted: Part = parts[0]; // what is told of another one comes too late

async function load(part: Part): Promise<void> {
  wanted = part;
  try {
    const figures = await readAgreement(part.kind, part.mode);
    if (part !== wanted) return;
    report.value = { part, figures };
    problem.value = null;
  } catch (error) {
    if (part === wanted && error instanceof ApiError) problem.value = error;
  }
}

const percent = (share: number | null) => (share === null ? "–" : `${number(100 * share, 1)}%`);

/** "72.6% (71.1–74.1%)" */
function withInterval({ agreement, low, high }: Figure): string {
  const interval = low === null || high === null ? "" : ` (${number(100 * low, 1)}–${percent(high)})`;
  return percent(agreement) + interval;
}

function Overall({ figure }: { figure: Figure }) {
  return (
    <dl class="card facts">
      <div><dt>{t("agreement_strict")}</dt><dd>{withInterval(figure)}</dd></div>
      <div><dt>{t("agreement_ties")}</dt><dd>{percent(figure.with_ties)}</dd></div>
      <div><dt>{t("agreement_pairs")}</dt><dd>{number(figure.pairs)}</dd></div>
      <div><dt>{t("agreement_tasks")}</dt><dd>{number(figure.tasks)}</dd></div>
    </dl>
  );
}

function Labelers({ rows }: { rows: Agreement["labelers"] }) {
  return (
    <section class="card table-box" tabIndex={0} aria-label={t("labelers")}>
      <table>
        <thead>
          <tr>
            <th>{t("labeler")}</th><th>{t("role")}</th><th class="figure">{t("labels")}</th>
            <th>{t("with_others")}</th><th>{t("with_gold")}</th><th>{t("gold_flags")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.labeler}>
              <td>{row.labeler}</td>
              <td>{row.role}</td>
              <td class="figure">{number(row.labels)}</td>
              <td>{withInterval(row.others)}</td>
              <td>
                {withInterval(row.gold)}
                {row.gold.alarm && <> <span class="tag bad">{t("gold_low")}</span></>}
              </td>
              <td>{percent(row.gold.flags)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Figures({ of: { overall, labelers, weeks }, part }: { of: Agreement; part: Part }) {
  return (
    <>
      <Overall figure={overall} />
      {labelers.length > 0 && <Labelers rows={labelers} />}
      {part.mode === "toxicity" && <ToxicityTable />}
      {weeks.length > 1 && (
        <Chart title={t("agreement_strict")} time x={weeks.map((week) => week.begins_at)}
               y={weeks.map((week) => week.agreement)} />
      )}
      <p class="muted small">{t("agreement_paper")}</p>
    </>
  );
}

export function AgreementPage() {
  const [part, setPart] = useState<Part>(parts[0]);
  useEffect(() => {
    void load(part);
    return onServerEvent((event) => {
      if (event === "up" && problem.value) void load(part);
    });
  }, [part]);
  if (problem.value)
    return <ProblemNote problem={problem.value} scope="train" retry={() => load(part)} />;
  const now = report.value?.part === part ? report.value.figures : null;
  return (
    <div class="desk">
      <div class="chips" role="group" aria-label={t("task_kind")}>
        {parts.map((one) => (
          <button type="button" class="chip" key={one.mode} aria-pressed={one === part}
                  onClick={() => setPart(one)}>{t(one.name)}</button>
        ))}
      </div>
      {now ? <Figures of={now} part={part} /> : <p class="empty-note">{t("loading")}</p>}
    </div>
  );
}
