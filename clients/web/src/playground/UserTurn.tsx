/** What the person said, and a way to say it otherwise. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { edit } from "./answer";
import type { Turn } from "./conversation";
import { live } from "./live";
import { Siblings } from "./Siblings";

export function UserTurn({ turn }: { turn: Turn }) {
  const [text, setText] = useState<string | null>(null);
  const send = () => {
    setText(null);
    void edit(turn, text ?? turn.text);
  };
  if (text !== null)
    return (
      <form class="user editing" onSubmit={(e) => { e.preventDefault(); send(); }}>
        <textarea rows={4} value={text} aria-label={t("edit")} autofocus
                  onInput={(e) => setText(e.currentTarget.value)}
                  onKeyDown={(e) => { if (e.key === "Enter" && e.ctrlKey) send(); }} />
        <div class="row end">
          <button type="button" onClick={() => setText(null)}>{t("cancel")}</button>
          <button type="submit" class="primary">{t("send")}</button>
        </div>
      </form>
    );
  return (
    <div class="user">
      <p class="plain">{turn.text}</p>
      <span class="actions">
        <Siblings turn={turn} />
        <IconButton icon="edit" label={t("edit")} disabled={live.value.size > 0}
                    onClick={() => setText(turn.text)} />
      </span>
    </div>
  );
}
