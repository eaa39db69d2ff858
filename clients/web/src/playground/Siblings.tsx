/** Which of several alternatives is shown, as 2/3, and the way to the others. */
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { siblingsOf, stepSibling, type Turn } from "./conversation";
import { conversation } from "./history";
import { live } from "./live";

export function Siblings({ turn }: { turn: Turn }) {
  const { index, all } = siblingsOf(conversation.value, turn);
  if (all.length < 2) return null;
  const busy = live.value.size > 0;
  const step = (by: number) => (conversation.value = stepSibling(conversation.value, turn, by));
  return (
    <span class="siblings" role="group" aria-label={t("branches")}>
      <IconButton icon="left" label={t("branch_before")} keys="Alt+[" disabled={busy || index <= 0}
                  onClick={() => step(-1)} />
      <span class="small">{index + 1}/{all.length}</span>
      <IconButton icon="right" label={t("branch_after")} keys="Alt+]"
                  disabled={busy || index >= all.length - 1} onClick={() => step(1)} />
    </span>
  );
}
