/** The server's objects, as far as the pages read them. */
export interface Model {
  id: string;
  policy: string;
  stage: Stage;
  max_model_len: number;
}

export type Stage = "pretrained" | "sft" | "rm" | "ppo" | "ppo-ptx";

export interface Policy {
  id: string;
  created_at: number;
  stage: Stage;
  state: "validated" | "shadow" | "canary" | "active" | "retired" | "quarantined";
  resident: boolean;
  bytes: number;
  dtype: string;
  lineage: {
    parent: string | null;
    job: string | null;
    datasets: string[];
    reward_model: string | null;
  };
  metrics: Record<string, number>;
}

export interface Alias {
  name: string;
  policy: string;
  previous: string | null;
  version: number;
  updated_at: number;
  updated_by: string;
}

export interface AliasMove {
  id: string;
  version: number;
  policy: string;
  previous: string | null;
  reason: string | null;
  updated_at: number;
  updated_by: string;
}

export type JobStatus =
  | "validating_files" | "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";

export interface Job {
  id: string;
  created_at: number;
  finished_at: number | null;
  model: string;
  fine_tuned_model: string | null;
  status: JobStatus;
  error: { message: string | null } | null;
  training_file: string;
  validation_file: string | null;
  trained_tokens: number | null;
  method: { type: string } & Record<string, unknown>;
  seed: number;
}

export interface JobEvent {
  id: string;
  created_at: number;
  level: "info" | "warn" | "error";
  type: "message" | "metrics";
  message: string;
  data: Record<string, unknown> | null;
}

export interface Upload {
  id: string;
  filename: string;
  bytes: number;
  created_at: number;
  status: "processed" | "error";
  status_details: string | null;
  format: string | null;
  rows: number | null;
}

/** The subset of JSON Schema that plugins describe their hyperparameters with. */
export interface FieldSchema {
  type?: string | string[];
  enum?: (string | number)[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  description?: string;
  properties?: Record<string, FieldSchema>;
  required?: string[];
}

export interface Method {
  type: string;
  plugin: string;
  schema: FieldSchema;
}

export interface Me {
  user: string | null;
  role: string | null;
  scopes: string[];
  notice: { version: number | string; text: string; due: boolean; choice: "share" | "decline" | null } | null;
}
