import type { JobStatus } from "../api/types";
import { t } from "../i18n/i18n";

const kinds: Partial<Record<JobStatus, string>> = {
  running: "busy", succeeded: "good", failed: "bad",
};

export function StatusTag({ status }: { status: JobStatus }) {
  return <span class={`tag ${kinds[status] ?? ""}`}>{t(`job_${status}`)}</span>;
}
