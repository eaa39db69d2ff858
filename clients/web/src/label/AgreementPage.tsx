/** How far labelers agree, and how they did on gold items: the server's figures, as tables. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError, get } from "../api/client";
import { figure, moment, t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";

type Cell = string | number | boolean | null | undefined | object;
type Row = Record<string, Cell>;

const report = signal<Row | null>(null);
const problem = signal<ApiError | null>(null);

/** The paper asks for at least this much with the researchers (HUMAN.md §1). */
const goldLeast = 0.75;

async function load(): Promise<void> {
  try {
    report.value = await get<Row>("/v1/labels/agreement");
    problem.value = null;
  } catch (error) {
    if (error instanceof ApiError) problem.value = error;
  }
}

const isTime = (name: string) => name.endsWith("_at") || name === "since" || name === "until";

function shown(name: string, cell: Cell): string {
  if (Array.isArray(cell)) return cell.map((one) => shown(name, one)).join(" – ");
  if (cell === null || cell === undefined) return "–";
  if (typeof cell === "number") return isTime(name) ? moment(cell) : figure(cell);
  if (typeof cell === "object")
    return Object.entries(cell).map(([key, value]) => `${key} ${shown(key, value)}`).join(", ");
  return String(cell);
}

const isAlarm = (name: string, cell: Cell) =>
  name.startsWith("gold") && typeof cell === "number" && cell <= 1 && cell < goldLeast;

function Table({ name, rows }: { name: string; rows: Row[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return (
    <section class="card">
      <h2>{name}</h2>
      <div class="table-box" tabIndex={0} role="group" aria-label={name}>
        <table>
          <thead><tr>{columns.map((column) => <th key={column}>{column}</th>)}</tr></thead>
          <tbody>
            {rows.map((row, i) => (
              <tr key={i}>
                {columns.map((column) => (
                  <td key={column}>
                    {shown(column, row[column])}
                    {isAlarm(column, row[column]) && <> <span class="tag bad">{t("gold_low")}</span></>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const isTable = (cell: Cell): cell is Row[] =>
  Array.isArray(cell) && cell.every((one) => typeof one === "object" && one !== null);

export function AgreementPage() {
  useEffect(() => void load(), []);
  if (problem.value) return <ProblemNote problem={problem.value} scope="train" retry={load} />;
  if (!report.value) return <p class="empty-note">{t("loading")}</p>;
  const entries = Object.entries(report.value).filter(([name]) => name !== "object");
  const facts = entries.filter(([, cell]) => !isTable(cell));
  return (
    <div class="desk">
      {facts.length > 0 && (
        <dl class="card facts">
          {facts.map(([name, cell]) => <div key={name}><dt>{name}</dt><dd>{shown(name, cell)}</dd></div>)}
        </dl>
      )}
      {entries.map(([name, cell]) =>
        isTable(cell) && cell.length > 0 && <Table key={name} name={name} rows={cell} />)}
      <p class="muted small">{t("agreement_paper")}</p>
    </div>
  );
}
