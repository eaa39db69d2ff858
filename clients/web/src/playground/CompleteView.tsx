/** The text that a model went on from is the composer's; this is what it wrote behind it. */
import { t } from "../i18n/i18n";
import { AnswerView } from "./AnswerView";
import { shownPath } from "./conversation";
import { draft } from "./context";
import { conversation } from "./history";
import { live } from "./live";
import { PairView } from "./PairView";
import { settings } from "./params";

export function CompleteView() {
  const c = conversation.value;
  const [user, answer] = shownPath(c);
  if (!user || !answer) return null;
  const pair = c.pairs[answer.pair ?? ""];
  const keep = () => {
    draft.value = user.text + answer.text + settings.value.restartText;
    document.getElementById("draft")?.focus();
  };
  return (
    <section class="completion" aria-label={t("completion")}>
      {pair ? <PairView pair={pair} /> : <AnswerView turn={answer} hidden={false} />}
      {!live.value.size && answer.text && (
        <button type="button" onClick={keep}>{t("keep_and_go_on")}</button>
      )}
    </section>
  );
}
