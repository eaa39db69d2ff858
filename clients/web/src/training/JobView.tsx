/** One job: what it is, what can be done with it, its curves and what it has told. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Job, JobEvent } from "../api/types";
import { figure, moment, number, t } from "../i18n/i18n";
import { confirm, sayError } from "../shell/messages";
import { watchJob } from "./curves";
import { JobCurves } from "./JobCurves";
import { act, actionsOf, isOver, type JobAction } from "./jobs";
import { StatusTag } from "./StatusTag";

async function perform(job: Job, action: JobAction): Promise<void> {
  if (action === "cancel" &&
      !(await confirm(t("job_cancel"), t("job_cancel_text"), t("job_cancel")))) return;
  try {
    await act(job.id, action);
  } catch (error) {
    sayError(error);
  }
}

interface Progress { done: number; total: number; trained_tokens: number }

function Facts({ job }: { job: Job & { progress?: Progress } }) {
  const tokens = job.trained_tokens ?? job.progress?.trained_tokens; // null while it runs, as OpenAI has it
  return (
    <dl class="facts">
      <div><dt>{t("job_model")}</dt><dd class="mono">{job.model}</dd></div>
      <div><dt>{t("job_file")}</dt><dd class="mono">{job.training_file}</dd></div>
      {tokens !== undefined && <div><dt>{t("job_tokens")}</dt><dd>{number(tokens)}</dd></div>}
      {job.fine_tuned_model && (
        <div>
          <dt>{t("job_result")}</dt>
          <dd><a class="mono" href={`/policies#${job.fine_tuned_model}`}>{job.fine_tuned_model}</a></dd>
        </div>
      )}
      {job.progress && !isOver(job) && (
        <div class="wide">
          <dt>{t("job_progress", { done: number(job.progress.done), total: number(job.progress.total) })}</dt>
          <dd>
            <progress max={job.progress.total} value={job.progress.done} aria-label={t("job_progress",
              { done: number(job.progress.done), total: number(job.progress.total) })} />
          </dd>
        </div>
      )}
    </dl>
  );
}

function Hyperparameters({ job }: { job: Job }) {
  const own = job.method[job.method.type] as { hyperparameters?: Record<string, unknown> } | undefined;
  const rows = Object.entries(own?.hyperparameters ?? {});
  if (!rows.length) return null;
  return (
    <details>
      <summary>{t("hyperparameters")}</summary>
      <dl class="facts small">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt class="mono">{name}</dt>
            <dd>{typeof value === "number" ? figure(value) : String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function Told({ events }: { events: JobEvent[] }) {
  return (
    <details open>
      <summary>{t("job_events")}</summary>
      <ul class="events" tabIndex={0} aria-label={t("job_events")}>
        {events.map((event) => (
          <li key={event.id} class={event.level}>
            <span class="muted small">{moment(event.created_at)}</span> {event.message}
          </li>
        ))}
      </ul>
    </details>
  );
}

export function JobView({ job }: { job: Job }) {
  const latest = useRef(job);
  latest.current = job;
  const abort = useMemo(() => new AbortController(), [job.id]);
  const watched = useMemo(
    () => watchJob(job.id, () => isOver(latest.current), abort.signal), [job.id]);
  useEffect(() => () => abort.abort(), [abort]);
  return (
    <article class="card job" aria-label={`${job.method.type} ${job.id}`}>
      <header>
        <h2>{job.method.type}</h2>
        <StatusTag status={job.status} />
        <span class="mono muted small">{job.id}</span>
        <span class="spring" />
        {actionsOf(job).map((action) => (
          <button type="button" key={action} class={action === "cancel" ? "danger" : ""}
                  onClick={() => void perform(job, action)}>{t(`job_${action}`)}</button>
        ))}
      </header>
      {job.error?.message && <p class="problem">{job.error.message}</p>}
      <Facts job={job} />
      <JobCurves columns={watched.columns.value} />
      <Hyperparameters job={job} />
      <Told events={watched.events.value} />
    </article>
  );
}
