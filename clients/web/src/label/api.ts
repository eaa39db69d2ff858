/** The labelling routes. */
import { get, post } from "../api/client";
import type { Flag } from "./flags";
import type { Figures } from "./scales";

export type TaskKind = "rank" | "eval" | "demo";
/** What outputs are judged by; eval tasks know the last two. */
export type CriterionMode = "helpfulness_first" | "truthful_harmless_first" | "toxicity";

export interface Task {
  id: string;
  kind: TaskKind;
  prompt: string;
  outputs: { id: string; text: string }[];
  guideline_version: string | number;
  criterion_mode: CriterionMode;
  lease_expires_at: number;
}

/** The task in hand, or the next one, leased for half an hour; null when there is none. With `after`,
 *  another one beside that task. */
export async function nextTask(kind: TaskKind, after = ""): Promise<Task | null> {
  const beside = after ? `&after=${encodeURIComponent(after)}` : "";
  return (await get<Task | undefined>(`/v1/labels/tasks/next?kind=${kind}${beside}`)) ?? null;
}

export interface Ranking {
  submission_id: string;
  task_id: string;
  shown: string[];
  ratings: ({ output_id: string; flags?: Record<string, Flag> } & Figures)[];
  groups: string[][];
  elapsed_ms: { rate: number; rank: number };
  comment?: string;
}
export const submitRanking = (ranking: Ranking) => post("/v1/labels/rankings", ranking);

export const promptKinds = ["plain", "few_shot", "user_based"] as const;
export const categories = [
  "generation", "open_qa", "brainstorming", "chat", "rewrite", "summarization", "classification",
  "closed_qa", "extract", "other",
] as const;

export interface Demonstration {
  submission_id: string;
  task_id?: string;
  prompt_kind: (typeof promptKinds)[number];
  prompt: string;
  category: (typeof categories)[number];
  completion: string;
  source: "written" | "edited";
  base_request_id?: string;
}
export const submitDemonstration = (demo: Demonstration) => post("/v1/labels/demonstrations", demo);

export const skipReasons = ["unclear", "pii", "language", "harmful", "other"] as const;
export type SkipReason = (typeof skipReasons)[number];

export const submitSkip = (submission_id: string, task_id: string, reason: SkipReason, note: string) =>
  post("/v1/labels/skips", { submission_id, task_id, reason, ...(note ? { note } : {}) });

/** A label for its author: one of groups, completion and reason says what was handed in. */
export interface OwnLabel {
  id: string;
  kind: TaskKind | "skip";
  prompt: string;
  groups?: string[][];
  completion?: string;
  reason?: string;
  elapsed_ms: number;
  created_at: number;
}
export const ownLabels = (after: string) => get<{ data: OwnLabel[]; has_more: boolean }>(
  `/v1/labels?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`);

export interface NewTasks {
  kind: TaskKind;
  source: string;
  criterion_mode?: CriterionMode;
  policies: string[];
  k?: number;
  overlap?: number;
  overlap_sample?: { share: number; n: number };
  gold?: boolean;
}
export const createTasks = (tasks: NewTasks) => post<{ tasks: number }>("/v1/labels/tasks", tasks);

export interface TaskCount {
  kind: TaskKind;
  state: "sampling" | "open" | "done" | "failed";
  n: number;
}
export const countTasks = async () =>
  (await get<{ counts: TaskCount[] }>("/v1/labels/tasks")).counts;

/** Share of pairs of outputs that two people order alike, and its interval; null: no pairs yet. */
export interface Figure {
  agreement: number | null;
  low: number | null;
  high: number | null;
  with_ties: number | null; // where a tie counts one half
  pairs: number;
  tasks: number;
}

export interface Agreement {
  kind: string;
  criterion_mode: CriterionMode;
  overall: Figure;
  labelers: {
    labeler: string;
    role: string;
    labels: number;
    others: Figure;
    gold: Figure & { flags: number | null; alarm: boolean };
  }[];
  weeks: { begins_at: number; agreement: number | null; with_ties: number | null; pairs: number }[];
}
/** What held-out labelers said of each policy: means, and half the width of their 95% intervals. */
export interface Mean {
  mean: number | null;
  half_width: number | null;
}
export interface PolicyToxicity {
  policy: string | null; // null: outputs of a file that did not say
  outputs: number;
  toxicity: Mean;
  relative_toxicity: Mean;
  continuity: Mean;
}
export const readToxicity = async () =>
  (await get<{ policies: PolicyToxicity[] }>("/v1/labels/toxicity")).policies;

export const readAgreement = (kind: TaskKind, mode: CriterionMode) =>
  get<Agreement>(`/v1/labels/agreement?kind=${kind}&criterion_mode=${mode}`);
