/** What stands there before anything was said: a few ways to begin. */
import { t } from "../i18n/i18n";
import type { Phrase } from "../i18n/catalogue";
import { draft } from "./context";
import { conversation } from "./history";

const ideas: Record<"chat" | "complete", Phrase[]> = {
  chat: ["idea_sky", "idea_letter", "idea_list"],
  complete: ["idea_story", "idea_table"],
};

export function Welcome() {
  const mode = conversation.value.mode;
  const take = (idea: Phrase) => {
    draft.value = t(idea);
    document.getElementById("draft")?.focus();
  };
  return (
    <div class="welcome">
      <h1>{t(mode === "chat" ? "welcome_chat" : "welcome_complete")}</h1>
      <p class="muted">{t(mode === "chat" ? "welcome_chat_text" : "welcome_complete_text")}</p>
      <div class="ideas">
        {ideas[mode].map((idea) => (
          <button type="button" key={idea} onClick={() => take(idea)}>{t(idea)}</button>
        ))}
      </div>
    </div>
  );
}
