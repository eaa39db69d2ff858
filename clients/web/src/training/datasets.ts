/** Data sets: what people gave here, made into files that jobs take. */
import { signal } from "@preact/signals";
import { ApiError, call, getAll, post } from "../api/client";
import { onServerEvent } from "../state/server";
import { loadChoices } from "./jobs";

export const kinds = ["sft", "rm", "ppo", "eval", "toxicity"] as const;
export type DatasetKind = (typeof kinds)[number];
const parts = ["train", "valid", "test"] as const;
type Part = (typeof parts)[number];

export interface Stage {
  stage: string;
  in?: number;
  out?: number;
  kinds?: Record<string, number>; // of personal data, in the stage "pii"
}

export interface Dataset {
  id: string;
  name: string;
  kind: DatasetKind;
  created_at: number;
  stale: boolean; // somebody has had rows of it deleted
  counts: Record<Part, number>;
  files: Record<Part, string | null>;
  manifest: { stages?: Stage[] };
}

export const datasets = signal<Dataset[] | null>(null);
export const datasetsProblem = signal<ApiError | null>(null);

export async function loadDatasets(): Promise<void> {
  try {
    datasets.value = await getAll<Dataset>("/v1/datasets", (d) => d.id);
    datasetsProblem.value = null;
  } catch (error) {
    if (error instanceof ApiError) datasetsProblem.value = error;
  }
}
onServerEvent((event) => {
  if (event === "up") void loadDatasets();
});

export interface NewDataset {
  name: string;
  kind: DatasetKind;
  fractions: Record<Part, number>;
  cap_per_user: number;
  salt: string;
  seed: number;
}

export async function buildDataset(wanted: NewDataset): Promise<Dataset> {
  const made = await post<Dataset>("/v1/datasets", wanted);
  await Promise.all([loadDatasets(), loadChoices()]);
  return made;
}

export const partsOf = (d: Dataset) => parts.filter((part) => d.counts[part] > 0);

/** Formats that a kind can leave in. */
export const formatsOf: Record<DatasetKind, string[]> = {
  sft: ["instructd", "trl_sft", "openai_sft"],
  rm: ["instructd", "trl_reward", "openai_dpo", "axolotl_rm", "axolotl_kway", "oasst"],
  ppo: ["instructd", "trl_prompts"],
  eval: ["instructd", "axolotl_kway", "oasst"],
  toxicity: ["instructd", "axolotl_kway"],
};

export async function exportDataset(d: Dataset, format: string): Promise<Blob> {
  const response = await call("GET", `/v1/datasets/${d.id}/export?format=${format}`);
  return response.blob();
}
