/** Former conversations, and what one can do with all of them. */
import { download, pickJson } from "../base/storage";
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { confirm, say, sayError } from "../shell/messages";
import { titleOf } from "./conversation";
import { conversation, exported, importFile, kept, open, remove, removeAll, startNew } from "./history";
import { live } from "./live";

async function importPicked(): Promise<void> {
  try {
    const file = await pickJson();
    if (file !== null && !importFile(file)) say(t("import_not_ours"), true);
  } catch (error) {
    sayError(error);
  }
}

async function clear(): Promise<void> {
  if (await confirm(t("history_clear"), t("history_clear_text"), t("delete"))) removeAll();
}

export function HistoryPanel() {
  const busy = live.value.size > 0;
  return (
    <div class="history">
      <button type="button" class="new" disabled={busy}
              onClick={() => startNew(conversation.value.mode)}>
        + {t("new_conversation")}
      </button>
      <ul>
        {kept.value.map((c) => (
          <li key={c.id} class={c.id === conversation.value.id ? "current" : ""}>
            <button type="button" disabled={busy} onClick={() => open(c.id)}
                    aria-current={c.id === conversation.value.id ? "true" : undefined}>
              {titleOf(c) || t("untitled")}
            </button>
            <IconButton icon="trash" label={`${t("delete")}: ${titleOf(c)}`} disabled={busy}
                        onClick={() => remove(c.id)} />
          </li>
        ))}
      </ul>
      {!kept.value.length && <p class="muted small">{t("history_empty")}</p>}
      <p class="muted small">{t("history_where")}</p>
      <div class="row wrap">
        <button type="button" class="link" onClick={() => download("instructd-playground.json", exported())}>
          {t("export")}
        </button>
        <button type="button" class="link" onClick={() => void importPicked()}>{t("import")}</button>
        {kept.value.length > 0 && (
          <button type="button" class="link" onClick={() => void clear()}>{t("history_clear")}</button>
        )}
      </div>
    </div>
  );
}
