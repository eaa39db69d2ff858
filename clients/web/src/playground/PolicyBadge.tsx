/** What answers now, and that it is another policy than a moment ago. */
import { signal } from "@preact/signals";
import { t } from "../i18n/i18n";
import { lastMove, models } from "../state/server";
import { conversation } from "./history";
import { choices, leftModel, resolved } from "./models";
import { mustHideNames } from "./vote";

const seen = signal<object | null>(null); // the move that the reader has put away

export function PolicyBadge() {
  if (mustHideNames(conversation.value))
    return <span class="badge"><span class="dot" />{t("policy_hidden")}</span>;
  const name = resolved(leftModel.value);
  const model = models.value.find((m) => m.id === name);
  const policy = model?.policy ?? (name.startsWith("pol_") ? name : null);
  if (!policy) return null;
  const stage = model?.stage ?? choices.value.find((c) => c.name === name)?.label.split(" · ")[1];
  return (
    <a class="badge" href={`/policies#${policy}`} title={t("lineage")}>
      <span class="dot" />
      <span class="mono">{model ? `${model.id}@${policy}` : policy}</span>
      {stage && <span class="stage">{stage}</span>}
    </a>
  );
}

export function MoveNote() {
  const move = lastMove.value;
  if (!move || move === seen.value || mustHideNames(conversation.value)) return null;
  return (
    <div class="note" role="status">
      <span>{t("alias_moved", { alias: move.alias, policy: move.to })}</span>
      <a href={`/policies#${move.to}`}>{t("lineage")}</a>
      <button type="button" class="link" onClick={() => (seen.value = move)}>{t("all_right")}</button>
    </div>
  );
}
