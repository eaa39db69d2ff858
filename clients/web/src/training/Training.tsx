/** The page: jobs with their curves, and the data sets they learn from. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Shell } from "../shell/Shell";
import { Datasets } from "./Datasets";
import { jobs } from "./jobs";
import { Jobs } from "./Jobs";
import { NewDataset } from "./NewDataset";
import { NewJob } from "./NewJob";
import { watchServing } from "./serving_gap";

const dataPart = "datasets"; // of the address; anything else is a job's id

export function Training() {
  const [place, setPlace] = useState(location.hash.slice(1));
  const [open, setOpen] = useState<"job" | "dataset" | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    void watchServing(abort.signal);
    return () => abort.abort();
  }, []);
  const go = (to: string) => {
    setPlace(to);
    history.replaceState(null, "", `#${to}`);
  };
  const data = place === dataPart;
  return (
    <Shell page="training">
      <div class="page">
        <header>
          <h1>{t("page_training")}</h1>
          <div class="chips" role="group" aria-label={t("page_training")}>
            <button type="button" class="chip" aria-pressed={!data} onClick={() => go("")}>{t("jobs")}</button>
            <button type="button" class="chip" aria-pressed={data} onClick={() => go(dataPart)}>
              {t("datasets")}
            </button>
          </div>
          <span class="spring" />
          {jobs.value && (
            <button type="button" class="primary" onClick={() => setOpen(data ? "dataset" : "job")}>
              {t(data ? "new_dataset" : "new_job")}
            </button>
          )}
        </header>
        {data ? <Datasets /> : <Jobs picked={place} onPick={go} />}
      </div>
      <NewJob open={open === "job"} onClose={() => setOpen(null)} onStarted={go} />
      <NewDataset open={open === "dataset"} onClose={() => setOpen(null)} />
    </Shell>
  );
}
