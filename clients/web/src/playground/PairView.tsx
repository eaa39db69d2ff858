/** Two answers side by side, and the vote on them. */
import { t } from "../i18n/i18n";
import type { Phrase } from "../i18n/catalogue";
import { AnswerView } from "./AnswerView";
import type { Pair, Turn, Vote } from "./conversation";
import { regenerate } from "./answer";
import { conversation } from "./history";
import { live } from "./live";
import { Siblings } from "./Siblings";
import { choose, requestOf, vote } from "./vote";
import { IconButton } from "../shell/IconButton";

const votes: { vote: Vote; label: Phrase }[] = [
  { vote: "a", label: "vote_a" },
  { vote: "tie", label: "vote_tie" },
  { vote: "both_bad", label: "vote_both_bad" },
  { vote: "b", label: "vote_b" },
];

const outcomes = {
  open: "vote_sending", sent: "vote_sent", local: "vote_local", void: "vote_void",
  failed: "vote_failed",
} as const;

function Side({ turn, name, hidden, chosen }: {
  turn: Turn; name: string; hidden: boolean; chosen: boolean;
}) {
  const growing = live.value.get(turn.id); // a vote may come, and be answered, before the end
  return (
    <section class={chosen ? "side chosen" : "side"} aria-label={name}>
      <header>
        <strong>{name}</strong>
        {!hidden && (
          <span class="mono small">
            {growing ? `${growing.model} ${growing.policy.value}` : `${turn.answer?.model} ${turn.answer?.policy}`}
          </span>
        )}
      </header>
      <AnswerView turn={turn} hidden={hidden} inPair />
      {!chosen && !hidden && !live.value.size && (
        <button type="button" class="small" onClick={() => choose(turn.id)}>
          {t("go_on_from_this")}
        </button>
      )}
    </section>
  );
}

export function PairView({ pair }: { pair: Pair }) {
  const c = conversation.value;
  const left = c.turns[pair.left];
  const right = c.turns[pair.right];
  if (!left || !right) return null;
  const hidden = pair.blind && !pair.vote;
  const canVote = !!requestOf(c, left.id) && !!requestOf(c, right.id) && !pair.vote;
  const chosen = c.turns[left.parent ?? ""]?.chosen;
  return (
    <div class="pair">
      <div class="sides">
        <Side turn={left} name="A" hidden={hidden} chosen={chosen === left.id} />
        <Side turn={right} name="B" hidden={hidden} chosen={chosen === right.id} />
      </div>
      <div class="vote" role="group" aria-label={t("vote")}>
        {votes.map(({ vote: value, label }) => (
          <button type="button" key={value} disabled={!canVote} aria-pressed={pair.vote === value}
                  onClick={() => void vote(pair, value)}>{t(label)}</button>
        ))}
        <Siblings turn={left} />
        <IconButton icon="again" label={t("regenerate")} keys="Alt+R" disabled={live.value.size > 0}
                    onClick={() => void regenerate(left)} />
      </div>
      {pair.vote && <p class="muted small" role="status">{t(outcomes[pair.state])}</p>}
    </div>
  );
}
