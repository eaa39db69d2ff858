/** All jobs, newest first; the one that is looked at is marked. */
import type { Job } from "../api/types";
import { moment, t } from "../i18n/i18n";
import { StatusTag } from "./StatusTag";

interface Props {
  jobs: Job[];
  selected: string | undefined;
  onSelect: (job: string) => void;
}

export function JobList({ jobs, selected, onSelect }: Props) {
  return (
    <ul class="job-list" aria-label={t("jobs")}>
      {jobs.map((job) => (
        <li key={job.id}>
          <button type="button" aria-pressed={job.id === selected} onClick={() => onSelect(job.id)}>
            <strong>{job.method.type}</strong>
            <StatusTag status={job.status} />
            <span class="muted small">{moment(job.created_at)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
