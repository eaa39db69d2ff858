/** The page: jobs at the left, the one that is looked at beside them. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { Shell } from "../shell/Shell";
import { jobs, jobsProblem, loadJobs } from "./jobs";
import { JobList } from "./JobList";
import { JobView } from "./JobView";
import { NewJob } from "./NewJob";
import { watchServing } from "./serving_gap";

export function Training() {
  const [picked, setPicked] = useState(location.hash.slice(1));
  const [starting, setStarting] = useState(false);
  useEffect(() => {
    const abort = new AbortController();
    void watchServing(abort.signal);
    return () => abort.abort();
  }, []);
  const pick = (job: string) => {
    setPicked(job);
    history.replaceState(null, "", `#${job}`);
  };
  const list = jobs.value;
  const job = list?.find((one) => one.id === picked) ?? list?.[0];
  return (
    <Shell page="training">
      <div class="page">
        <header>
          <h1>{t("page_training")}</h1>
          <span class="spring" />
          {list && (
            <button type="button" class="primary" onClick={() => setStarting(true)}>{t("new_job")}</button>
          )}
        </header>
        {jobsProblem.value ? <ProblemNote problem={jobsProblem.value} scope="train" retry={loadJobs} />
         : !list ? <p class="empty-note">{t("loading")}</p>
         : !job ? (
           <div class="empty-note card">
             <p>{t("no_jobs")}</p>
             <p class="small">{t("no_jobs_text")}</p>
           </div>
         ) : (
           <div class="jobs">
             <JobList jobs={list} selected={job.id} onSelect={pick} />
             <JobView key={job.id} job={job} />
           </div>
         )}
      </div>
      <NewJob open={starting} onClose={() => setStarting(false)} onStarted={pick} />
    </Shell>
  );
}
