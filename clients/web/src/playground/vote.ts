/** A vote on a pair. Policies of a blind pair are shown only once it is given. A server without
 *  /v1/votes leaves the vote in this browser. */
import { ApiError, isMissing, post } from "../api/client";
import { changeTurn, shownPath, type Conversation, type Pair, type Vote } from "./conversation";
import { conversation } from "./history";
import { live } from "./live";
import { choices } from "./models";

/** Sides are called A (left) and B (right), whatever policy stands there: chance has dealt them. */
const shownLeft = "a";

export function textOf(c: Conversation, turn: string): string {
  return live.value.get(turn)?.text.peek() ?? c.turns[turn]?.text ?? "";
}

/** An answer that names a policy has told what was to be guessed. */
function namesAPolicy(text: string): boolean {
  if (/pol_[0-9a-f]{16}/.test(text)) return true;
  return choices.value.some(({ name }) => text.includes(name + "@"));
}

function change(pair: Pair, part: Partial<Pair>): void {
  const c = conversation.value;
  const now = c.pairs[pair.id];
  if (now)
    conversation.value = { ...c, pairs: { ...c.pairs, [pair.id]: { ...now, ...part } } };
}

/** Goes on from this side. */
export function choose(turn: string): void {
  const parent = conversation.value.turns[turn]?.parent;
  if (parent) conversation.value = changeTurn(conversation.value, parent, { chosen: turn });
}

/** The request behind an answer, also while it is coming; "" before the server has taken it. */
export function requestOf(c: Conversation, turn: string): string {
  return live.value.get(turn)?.requestId.value || c.turns[turn]?.answer?.requestId || "";
}

async function sendVote(pair: Pair, vote: Vote): Promise<Pair["state"]> {
  const ids = [pair.left, pair.right].map((id) => requestOf(conversation.value, id));
  try {
    await post("/v1/votes", {
      left: { request_id: ids[0] },
      right: { request_id: ids[1] },
      vote,
      blind: pair.blind,
      shown_left: shownLeft,
    });
    return "sent";
  } catch (error) {
    if (isMissing(error) || (error instanceof ApiError && [401, 403].includes(error.status)))
      return "local";
    return error instanceof ApiError && error.status === 409 ? "sent" : "failed";
  }
}

/** Votes once; the answers may still be coming. */
export async function vote(pair: Pair, value: Vote): Promise<void> {
  if (pair.vote) return;
  const c = conversation.value;
  const named = pair.blind && [pair.left, pair.right].some((id) => namesAPolicy(textOf(c, id)));
  change(pair, { vote: value, state: named ? "void" : "open" });
  if (value === "b") choose(pair.right);
  if (!named) change(pair, { state: await sendVote(pair, value) });
}

/** Does a blind pair on the screen wait for its vote? Then no policy is named anywhere. */
export function mustHideNames(c: Conversation): boolean {
  return shownPath(c).some((turn) => {
    const pair = c.pairs[turn.pair ?? ""];
    return !!pair?.blind && !pair.vote;
  });
}
