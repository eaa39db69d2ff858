/** The conversation on the screen; follows its end while one is there. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import { AnswerView } from "./AnswerView";
import { shownPath, type Turn } from "./conversation";
import { conversation } from "./history";
import { live } from "./live";
import { PairView } from "./PairView";
import { UserTurn } from "./UserTurn";

function OneTurn({ turn }: { turn: Turn }) {
  const pair = conversation.value.pairs[turn.pair ?? ""];
  return turn.role === "user" ? <UserTurn turn={turn} />
    : pair ? <PairView pair={pair} />
    : <AnswerView turn={turn} hidden={false} />;
}

const near = 80; // pixels from the end that still count as being there

export function ChatView() {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const turns = shownPath(conversation.value);
  const follow = () => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useLayoutEffect(follow);
  useEffect(() => {
    if (!box.current) return;
    const watch = new MutationObserver(follow);
    watch.observe(box.current, { childList: true, subtree: true, characterData: true });
    return () => watch.disconnect();
  }, []);
  useEffect(() => void (atEnd.current = true), [conversation.value.id, live.value.size]);
  const onScroll = () => {
    const b = box.current;
    if (b) atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < near;
  };
  return (
    <div class="chat" ref={box} onScroll={onScroll} role="log" aria-live="off" tabIndex={0}
         aria-label={t("conversation")}>
      {turns.map((turn) => <OneTurn key={turn.pair ?? turn.id} turn={turn} />)}
    </div>
  );
}
