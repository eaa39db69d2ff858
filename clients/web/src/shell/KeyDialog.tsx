/** Whose key this tab uses: entered here, or brought by the address's #key=…. It stays in the tab. */
import { useState } from "preact/hooks";
import { currentKey, setKey } from "../base/key";
import { t } from "../i18n/i18n";
import { me } from "../state/me";
import { Dialog } from "./Dialog";

export function KeyDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [text, setText] = useState("");
  const use = (key: string) => {
    setKey(key);
    location.reload();
  };
  return (
    <Dialog title={t("key_title")} open={open} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); if (text.trim()) use(text.trim()); }}>
        <p class="muted">{t("key_text")}</p>
        {me.value && (
          <p>{t("key_is", { user: me.value.user ?? "–", scopes: me.value.scopes.join(", ") || "–" })}</p>
        )}
        <label class="field">
          <span>{t("key_label")}</span>
          <input type="password" autocomplete="off" value={text} placeholder="sk-inst-…"
                 onInput={(e) => setText(e.currentTarget.value)} />
        </label>
        <div class="row end">
          {currentKey() && (
            <button type="button" onClick={() => use("")}>{t("key_forget")}</button>
          )}
          <button type="submit" class="primary" disabled={!text.trim()}>{t("key_use")}</button>
        </div>
      </form>
    </Dialog>
  );
}
