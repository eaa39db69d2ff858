/** The part of the page that shows the data sets. */
import { useEffect } from "preact/hooks";
import { t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { DatasetCard } from "./DatasetCard";
import { datasets, datasetsProblem, loadDatasets } from "./datasets";

export function Datasets() {
  useEffect(() => void loadDatasets(), []);
  if (datasetsProblem.value)
    return <ProblemNote problem={datasetsProblem.value} scope="train" retry={loadDatasets} />;
  const all = datasets.value;
  if (!all) return <p class="empty-note">{t("loading")}</p>;
  if (!all.length)
    return (
      <div class="card empty-note">
        <p>{t("no_datasets")}</p>
        <p class="small">{t("dataset_text")}</p>
      </div>
    );
  return <div class="datasets">{all.map((d) => <DatasetCard key={d.id} dataset={d} />)}</div>;
}
