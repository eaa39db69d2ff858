/** Why a part of a page has nothing to show, and what can be done about it. */
import type { ApiError } from "../api/client";
import { t } from "../i18n/i18n";

interface Props {
  problem: ApiError;
  scope: string; // of the key that this part needs
  retry: () => Promise<void>;
}

export function ProblemNote({ problem, scope, retry }: Props) {
  const text =
    problem.status === 401 || problem.status === 403 ? t("needs_key", { scope })
    : problem.status === 404 ? t("not_offered")
    : problem.message;
  return (
    <div class="card empty-note" role="status">
      <p>{text}</p>
      <button type="button" onClick={() => void retry()}>{t("reload")}</button>
    </div>
  );
}
