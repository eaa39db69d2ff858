/** One answer: its text as it comes, then its figures and what can be done with it. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { say } from "../shell/messages";
import { Announcer } from "../text/Announcer";
import { SafeText } from "../text/SafeText";
import { continueAnswer, regenerate } from "./answer";
import { AnswerFigures } from "./AnswerFigures";
import { conversation } from "./history";
import { live } from "./live";
import { Siblings } from "./Siblings";
import { TokenView } from "./TokenView";
import type { Turn } from "./conversation";

interface Props {
  turn: Turn;
  hidden: boolean; // whose answer it is must not be seen
  inPair?: boolean;
}

function Body({ turn, text, done }: { turn: Turn; text: string; done: boolean }) {
  if (!done && !text)
    return <p class="waiting" aria-label={t("waiting")}><i /><i /><i /></p>;
  return conversation.value.mode === "chat"
    ? <SafeText text={text} done={done} />
    : <p class="plain" key={turn.id}>{text}</p>;
}

function Actions({ turn, inPair, onTokens, tokens }: {
  turn: Turn; inPair: boolean; tokens: boolean; onTokens: () => void;
}) {
  const busy = live.value.size > 0;
  const copy = () =>
    navigator.clipboard.writeText(turn.text).then(() => say(t("copied")), () => undefined);
  return (
    <span class="actions">
      {!inPair && <Siblings turn={turn} />}
      <IconButton icon="copy" label={t("copy")} onClick={() => void copy()} />
      {!inPair && (
        <IconButton icon="again" label={t("regenerate")} keys="Alt+R" disabled={busy}
                    onClick={() => void regenerate(turn)} />
      )}
      {turn.answer && turn.answer.finish !== "stop" && turn.answer.finish !== "failed" && (
        <button type="button" class="small" disabled={busy} onClick={() => void continueAnswer(turn)}>
          {t("continue")}
        </button>
      )}
      {turn.answer?.tokens && (
        <button type="button" class="small" aria-pressed={tokens} onClick={onTokens}>
          {t("tokens")}
        </button>
      )}
    </span>
  );
}

export function AnswerView({ turn, hidden, inPair = false }: Props) {
  const growing = live.value.get(turn.id);
  const [tokens, setTokens] = useState(true);
  const text = growing ? growing.text.value : turn.text;
  const drawn = growing ? undefined : turn.answer?.tokens;
  return (
    <div class="answer" data-turn={turn.id} aria-busy={!!growing}>
      {drawn && tokens ? <TokenView turn={turn} tokens={drawn} />
        : <Body turn={turn} text={text} done={!growing} />}
      <Announcer text={text} done={!growing} />
      {turn.answer?.error && !growing && <p class="problem" role="alert">{turn.answer.error}</p>}
      {!growing && turn.answer && (
        <footer>
          <AnswerFigures answer={turn.answer} hidden={hidden || inPair} />
          <Actions turn={turn} inPair={inPair} tokens={tokens} onTokens={() => setTokens(!tokens)} />
        </footer>
      )}
    </div>
  );
}
