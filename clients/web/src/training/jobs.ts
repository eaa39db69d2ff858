/** The jobs of the server, kept fresh by its events. */
import { signal } from "@preact/signals";
import { ApiError, get, getAll, post } from "../api/client";
import type { Job, Method, Upload } from "../api/types";
import { debounce } from "../base/wait";
import { onServerEvent } from "../state/server";

export const jobs = signal<Job[] | null>(null);
/** Why there are none: the server's words, or a key that may not see them. */
export const jobsProblem = signal<ApiError | null>(null);
export const methods = signal<Method[]>([]);
export const files = signal<Upload[]>([]);

export async function loadJobs(): Promise<void> {
  try {
    jobs.value = (await get<{ data: Job[] }>("/v1/fine_tuning/jobs?limit=100")).data;
    jobsProblem.value = null;
  } catch (error) {
    if (error instanceof ApiError) jobsProblem.value = error;
  }
}

export async function loadChoices(): Promise<void> {
  try {
    methods.value = (await get<{ data: Method[] }>("/v1/fine_tuning/methods")).data;
    files.value = await getAll<Upload>("/v1/files", (f) => f.id);
  } catch {
    // loadJobs tells about a missing scope
  }
}

const loadSoon = debounce(150, () => void loadJobs());

onServerEvent((event) => {
  if (event === "up") {
    loadSoon();
    void loadChoices();
  } else if (event === "job.status") loadSoon();
});

export type JobAction = "pause" | "resume" | "cancel";

export async function act(job: string, action: JobAction): Promise<void> {
  await post(`/v1/fine_tuning/jobs/${job}/${action}`);
  await loadJobs();
}

/** What can be done with a job in this state. */
export function actionsOf(job: Job): JobAction[] {
  switch (job.status) {
    case "running": return ["pause", "cancel"];
    case "paused": return ["resume", "cancel"];
    case "queued": case "validating_files": return ["cancel"];
    default: return [];
  }
}

export const isOver = (job: Job) => ["succeeded", "failed", "cancelled"].includes(job.status);
