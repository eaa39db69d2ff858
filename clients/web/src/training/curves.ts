/** The metrics of one job as columns: what is stored, then what its event stream adds. */
import { signal, type Signal } from "@preact/signals";
import { get } from "../api/client";
import { follow } from "../api/follow";
import type { JobEvent } from "../api/types";

/** A column per metric, all as long as `step`; null where a step has no figure. */
export interface Columns {
  step: number[];
  [metric: string]: (number | null)[];
}

export interface Watched {
  columns: Signal<Columns>;
  events: Signal<JobEvent[]>; // newest first
}

const mostEvents = 200;

/** columns with one more row, or with the row of that step replaced. */
function withRow(columns: Columns, row: Record<string, unknown>): Columns {
  const step = Number(row["step"]);
  if (!Number.isFinite(step)) return columns;
  const known = columns.step.indexOf(step);
  const at = known < 0 ? columns.step.length : known;
  const length = Math.max(columns.step.length, at + 1);
  const next: Columns = { step: [] };
  for (const name of new Set([...Object.keys(columns), ...Object.keys(row)])) {
    const column: (number | null)[] = [...(columns[name] ?? [])];
    while (column.length < length) column.push(null);
    if (name in row) column[at] = typeof row[name] === "number" ? (row[name] as number) : null;
    next[name] = column;
  }
  return next;
}

async function storedColumns(job: string, signal: AbortSignal): Promise<Columns> {
  let all: Columns = { step: [] };
  for (let since = 0; ; ) {
    const page = await get<{ columns: Columns; has_more: boolean }>(
      `/v1/fine_tuning/jobs/${job}/metrics?since=${since}`, signal);
    const rows = page.columns.step?.length ?? 0;
    for (let i = 0; i < rows; i++)
      all = withRow(all, Object.fromEntries(
        Object.entries(page.columns).map(([name, column]) => [name, column[i]])));
    const last = page.columns.step?.at(-1);
    if (!page.has_more || last === undefined) return all;
    since = last;
  }
}

/** Watches a job until the signal aborts. Its stream tells everything from the start again, so the
 *  stored columns only bring the picture at once; rows that come twice change nothing. */
export function watchJob(job: string, isOver: () => boolean, abort: AbortSignal): Watched {
  const watched: Watched = { columns: signal({ step: [] }), events: signal([]) };
  const seen = new Set<string>();
  const take = (event: JobEvent) => {
    if (seen.has(event.id)) return;
    seen.add(event.id);
    if (event.type === "metrics" && event.data)
      watched.columns.value = withRow(watched.columns.value, event.data);
    else watched.events.value = [event, ...watched.events.value].slice(0, mostEvents);
  };
  const begin = async () => {
    try {
      watched.columns.value = await storedColumns(job, abort);
    } catch {
      // the stream brings them too
    }
    await follow(`/v1/fine_tuning/jobs/${job}/events`,
                 (event) => take(JSON.parse(event.data)), abort, undefined, isOver);
  };
  void begin();
  return watched;
}
