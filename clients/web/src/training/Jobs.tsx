/** The part of the page that shows the jobs: all of them at the left, the one looked at beside them. */
import { t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { jobs, jobsProblem, loadJobs } from "./jobs";
import { JobList } from "./JobList";
import { JobView } from "./JobView";

export function Jobs({ picked, onPick }: { picked: string; onPick: (job: string) => void }) {
  const list = jobs.value;
  const job = list?.find((one) => one.id === picked) ?? list?.[0];
  if (jobsProblem.value)
    return <ProblemNote problem={jobsProblem.value} scope="train" retry={loadJobs} />;
  if (!list) return <p class="empty-note">{t("loading")}</p>;
  if (!job)
    return (
      <div class="empty-note card">
        <p>{t("no_jobs")}</p>
        <p class="small">{t("no_jobs_text")}</p>
      </div>
    );
  return (
    <div class="jobs">
      <JobList jobs={list} selected={job.id} onSelect={onPick} />
      <JobView key={job.id} job={job} />
    </div>
  );
}
