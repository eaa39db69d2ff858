/** Where one writes: at the end of a chat, or the text that is to be completed. */
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { health } from "../state/server";
import { send } from "./answer";
import { draft } from "./context";
import { ContextMeter } from "./ContextMeter";
import { conversation } from "./history";
import { live, stopAll } from "./live";

const touch = matchMedia("(pointer: coarse)");

/** Sends the draft; a chat's field is then empty, a completion's text stays. */
export function submitDraft(): void {
  const text = draft.value;
  if (!text.trim() || live.value.size) return;
  if (conversation.value.mode === "chat") draft.value = "";
  void send(text);
}

/** Enter sends in a chat, except on touch screens, where it is a newline; Ctrl+Enter always sends. */
function onKeyDown(event: KeyboardEvent): void {
  if (event.key !== "Enter" || event.isComposing) return;
  const plainEnter = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
  const sends = conversation.value.mode === "chat" && plainEnter && !touch.matches;
  if (!sends) return; // Ctrl+Enter is the page's (keys.ts)
  event.preventDefault();
  submitDraft();
}

export function Composer() {
  const field = useRef<HTMLTextAreaElement>(null);
  const chat = conversation.value.mode === "chat";
  const busy = live.value.size > 0;
  useEffect(() => {
    if (!field.current) return;
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [draft.value, chat]);
  return (
    <form class={chat ? "composer" : "composer tall"}
          onSubmit={(e) => { e.preventDefault(); submitDraft(); }}>
      <textarea ref={field} id="draft" rows={chat ? 1 : 8} value={draft.value}
                placeholder={t(chat ? "chat_placeholder" : "complete_placeholder")}
                aria-label={t(chat ? "your_message" : "your_text")}
                onInput={(e) => (draft.value = e.currentTarget.value)} onKeyDown={onKeyDown} />
      <div class="row">
        <ContextMeter />
        <span class="spring" />
        {busy ? (
          <IconButton icon="stop" label={t("stop")} keys="Esc" class="round stop" onClick={stopAll} />
        ) : (
          <IconButton icon="send" label={t("send")} keys="Ctrl+Enter" class="round primary"
                      disabled={!draft.value.trim() || health.value === "offline"}
                      onClick={submitDraft} />
        )}
      </div>
    </form>
  );
}
