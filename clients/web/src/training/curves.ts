/** The metrics and messages of one job: what is stored, then what its event stream adds. */
import { signal, type Signal } from "@preact/signals";
import { get } from "../api/client";
import { follow } from "../api/follow";
import type { JobEvent } from "../api/types";
import { Table, type Columns } from "./columns";

export interface Watched {
  columns: Signal<Columns>;
  events: Signal<JobEvent[]>; // newest first
}

const mostEvents = 200;
const pauseMs = 200; // between two pictures

async function readStored(job: string, table: Table, signal: AbortSignal): Promise<void> {
  for (let since = 0; ; ) {
    const page = await get<{ columns: Columns; has_more: boolean }>(
      `/v1/fine_tuning/jobs/${job}/metrics?since=${since}`, signal);
    const steps = page.columns.step ?? [];
    steps.forEach((_, i) => table.add(Object.fromEntries(
      Object.entries(page.columns).map(([name, column]) => [name, column[i]]))));
    const last = steps.at(-1);
    if (!page.has_more || last === undefined) return;
    since = last;
  }
}

/** Watches a job until the signal aborts. Its stream tells everything from the start again, so the
 *  stored columns only bring the picture at once; rows that come twice change nothing. */
export function watchJob(job: string, isOver: () => boolean, abort: AbortSignal): Watched {
  const watched: Watched = { columns: signal({ step: [] }), events: signal([]) };
  const table = new Table();
  const seen = new Set<string>();
  let told: JobEvent[] = [];
  let timer = 0;
  const show = () => {
    timer = 0;
    watched.columns.value = table.snapshot();
    watched.events.value = told;
  };
  const showSoon = () => {
    if (!timer && !abort.aborted) timer = window.setTimeout(show, pauseMs);
  };
  const take = (event: JobEvent) => {
    if (seen.has(event.id)) return;
    seen.add(event.id);
    if (event.type === "metrics" && event.data) table.add(event.data);
    else told = [event, ...told].slice(0, mostEvents);
    showSoon();
  };
  abort.addEventListener("abort", () => clearTimeout(timer));
  void readStored(job, table, abort).then(showSoon, () => undefined); // the stream brings them too
  void follow(`/v1/fine_tuning/jobs/${job}/events`, abort,
              { on: (event) => take(JSON.parse(event.data)), isOver });
  return watched;
}
