/** A conversation as a tree: each turn keeps its alternatives as siblings, and `chosen` marks the way
 *  from the root that is on the screen. Values are never changed in place; each function gives the new
 *  conversation. A conversation of mode "complete" has prompts as user turns, all children of the root. */
import type { Message, Token, Usage } from "../api/generate";
import { newId } from "../base/id";

export type Mode = "chat" | "complete";
export type Finish = "stop" | "length" | "content_filter" | "stopped" | "failed" | "running";
export type Vote = "a" | "b" | "tie" | "both_bad";

/** How an answer came about. */
export interface Answer {
  model: string; // as asked for
  policy: string; // as answered: pol_…
  requestId: string;
  finish: Finish;
  error?: string;
  ttftMs?: number;
  tokensPerS?: number;
  usage?: Usage;
  tokens?: Token[]; // with log-probabilities, if they were asked for; not kept in history
  tokensFrom?: number; // characters of the text before tokens[0]
}

export interface Turn {
  id: string;
  parent: string | null;
  role: "root" | "user" | "assistant";
  text: string;
  children: string[];
  chosen: string | null;
  answer?: Answer;
  pair?: string;
}

/** Two answers to one prompt, side by side. */
export interface Pair {
  id: string;
  left: string; // turns
  right: string;
  blind: boolean;
  vote: Vote | null;
  state: "open" | "sent" | "local" | "void" | "failed"; // what became of the vote
}

export interface Conversation {
  id: string;
  mode: Mode;
  system: string;
  turns: Record<string, Turn>;
  pairs: Record<string, Pair>;
  changedAt: number;
}

export const rootId = "root";

export function newConversation(mode: Mode, system = ""): Conversation {
  const root: Turn = {
    id: rootId, parent: null, role: "root", text: "", children: [], chosen: null,
  };
  return { id: newId("conv"), mode, system, turns: { root }, pairs: {}, changedAt: Date.now() };
}

export function changeTurn(c: Conversation, id: string, change: Partial<Turn>): Conversation {
  const turn = c.turns[id];
  if (!turn) return c;
  return { ...c, changedAt: Date.now(), turns: { ...c.turns, [id]: { ...turn, ...change } } };
}

/** Adds a turn under parent and makes it the chosen one. */
export function addTurn(
  c: Conversation,
  parent: string,
  turn: Pick<Turn, "role" | "text"> & Partial<Pick<Turn, "answer" | "pair">>,
): [Conversation, string] {
  const id = newId("turn");
  const full: Turn = { id, parent, children: [], chosen: null, ...turn };
  const children = [...(c.turns[parent]?.children ?? []), id];
  const linked = changeTurn(c, parent, { children, chosen: id });
  return [{ ...linked, turns: { ...linked.turns, [id]: full } }, id];
}

/** The turns on the screen, from the first below the root. */
export function shownPath(c: Conversation): Turn[] {
  const path: Turn[] = [];
  for (let at = c.turns[rootId]; at?.chosen; ) {
    at = c.turns[at.chosen];
    if (at) path.push(at);
  }
  return path;
}

/** From the first turn to this one. */
export function pathTo(c: Conversation, id: string): Turn[] {
  const path: Turn[] = [];
  for (let at = c.turns[id]; at && at.role !== "root"; at = c.turns[at.parent ?? ""]) path.push(at);
  return path.reverse();
}

export function messagesTo(c: Conversation, id: string): Message[] {
  const said = pathTo(c, id).map((turn) => ({
    role: turn.role as "user" | "assistant",
    content: turn.text,
  }));
  return c.system.trim() ? [{ role: "system", content: c.system }, ...said] : said;
}

/** Where this turn stands among those it can be exchanged for; a pair counts as one. */
export function siblingsOf(c: Conversation, turn: Turn): { index: number; all: string[] } {
  const children = c.turns[turn.parent ?? ""]?.children ?? [];
  const all = children.filter((id) => {
    const pair = c.pairs[c.turns[id]?.pair ?? ""];
    return !pair || pair.left === id;
  });
  const self = c.pairs[turn.pair ?? ""]?.left ?? turn.id;
  return { index: all.indexOf(self), all };
}

/** Shows the sibling that stands `by` places further. */
export function stepSibling(c: Conversation, turn: Turn, by: number): Conversation {
  const { index, all } = siblingsOf(c, turn);
  const to = all[index + by];
  return to && turn.parent ? changeTurn(c, turn.parent, { chosen: to }) : c;
}

/** The first words of the conversation. */
export function titleOf(c: Conversation): string {
  const first = c.turns[c.turns[rootId]?.children[0] ?? ""];
  return first?.text.trim().replace(/\s+/g, " ").slice(0, 60) ?? "";
}
