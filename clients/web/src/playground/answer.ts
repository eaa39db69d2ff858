/** From a turn to its answer: what the buttons of the Playground do. */
import { ApiError } from "../api/client";
import { continuation, generate, type Ask, type Piece } from "../api/generate";
import {
  addTurn, changeTurn, messagesTo, pathTo, rootId, shownPath, type Answer, type Conversation,
  type Turn,
} from "./conversation";
import { conversation } from "./history";
import { beginLive, endLive, live, type Live } from "./live";
import { blind, comparing, leftModel, resolved, rightModel } from "./models";
import { requestOptions, settings } from "./params";
import { newId } from "../base/id";
import { textOfTokens } from "./token_text";

function update(id: string, f: (c: Conversation) => Conversation): void {
  if (conversation.value.id === id) conversation.value = f(conversation.value);
}

/** What is asked for the answer to this turn. */
function askFor(c: Conversation, user: Turn): Ask {
  return c.mode === "chat" ? { messages: messagesTo(c, user.id) } : { prompt: user.text };
}

/** The figures of one answer while its pieces come in. */
class Watch {
  private readonly begun = performance.now();
  private first = 0;
  private last = 0;

  constructor(
    private readonly answer: Answer,
    private readonly growing: Live,
    private readonly before: string, // text that stood already
  ) {
    answer.tokensFrom = before.length;
  }

  take(piece: Piece): void {
    const { answer, growing } = this;
    if (piece.kind === "begin") {
      answer.requestId = piece.requestId;
      growing.requestId.value = piece.requestId;
      answer.policy = piece.policy;
      growing.policy.value = piece.policy;
    } else if (piece.kind === "text") {
      this.last = performance.now();
      this.first ||= this.last;
      answer.ttftMs ??= this.first - this.begun;
      growing.text.value += piece.text;
      growing.tokens.push(...piece.tokens);
    } else if (piece.kind === "finish") {
      answer.finish = piece.reason as Answer["finish"];
    } else {
      answer.usage = piece.usage;
      const ms = piece.decodeMs ?? this.last - this.first;
      if (ms > 0) answer.tokensPerS = (1000 * (piece.usage.completion_tokens - 1)) / ms;
    }
  }

  fail(error: unknown, signal: AbortSignal): void {
    this.answer.finish = signal.aborted ? "stopped" : "failed";
    if (signal.aborted) return;
    this.answer.error = error instanceof ApiError ? error.message : String(error);
  }

  /** The turn as it now is. */
  get outcome(): Partial<Turn> {
    const { answer, growing } = this;
    if (growing.tokens.length) answer.tokens = growing.tokens;
    return { text: growing.text.value || this.before, answer };
  }
}

/** Streams into these turns, choice i into turns[i]; each turn's text goes on from what it has. */
async function run(turns: string[], model: string, ask: (s: AbortSignal) => Ask | Promise<Ask>,
                   options: object): Promise<void> {
  const id = conversation.value.id;
  const abort = new AbortController();
  const watches = turns.map((turn) => {
    const text = conversation.value.turns[turn]?.text ?? "";
    const answer: Answer = { model, policy: "", requestId: "", finish: "running" };
    return new Watch(answer, beginLive(turn, model, text, abort), text);
  });
  try {
    const asked = await ask(abort.signal);
    const alternatives = settings.value.alternatives;
    for await (const piece of generate(model, asked, options, alternatives, abort.signal))
      if (piece.kind === "text" || piece.kind === "finish") watches[piece.index]?.take(piece);
      else watches.forEach((watch) => watch.take(piece));
  } catch (error) {
    watches.forEach((watch) => watch.fail(error, abort.signal));
  }
  turns.forEach((turn, i) => {
    const watch = watches[i];
    if (watch) update(id, (c) => changeTurn(c, turn, watch.outcome));
    endLive(turn);
  });
}

const randomSeed = () => Math.floor(Math.random() * 2 ** 31);

/** Adds `count` empty answers under a turn and streams into them. */
async function answerAlone(user: string): Promise<void> {
  const options = requestOptions(settings.value, settings.value.seed);
  const turns: string[] = [];
  let c = conversation.value;
  for (let i = 0; i < (settings.value.numbers["n"] ?? 1); i++) {
    const [next, turn] = addTurn(c, user, { role: "assistant", text: "" });
    c = next;
    turns.push(turn);
  }
  conversation.value = changeTurn(c, user, { chosen: turns[0]! });
  const ask = askFor(c, c.turns[user]!);
  await run(turns, resolved(leftModel.value), () => ask, options);
}

/** Two policies answer, from one prompt and one seed; a blind pair takes its sides by chance. One
 *  policy against itself gets two seeds, or there would be nothing to compare. */
async function answerInPair(user: string): Promise<void> {
  const seed = settings.value.seed ?? randomSeed();
  const pair = newId("pair");
  let sides = [resolved(leftModel.value), resolved(rightModel.value)];
  const optionsOf = (side: number) =>
    ({ ...requestOptions(settings.value, sides[0] === sides[1] ? seed + side : seed), n: 1 });
  if (blind.value && Math.random() < 0.5) sides = sides.reverse();
  const turns: string[] = [];
  let c = conversation.value;
  for (let i = 0; i < 2; i++) {
    const [next, turn] = addTurn(c, user, { role: "assistant", text: "", pair });
    c = next;
    turns.push(turn);
  }
  const [left, right] = turns as [string, string];
  const added = { id: pair, left, right, blind: blind.value, vote: null, state: "open" as const };
  conversation.value = changeTurn({ ...c, pairs: { ...c.pairs, [pair]: added } }, user, {
    chosen: left,
  });
  const ask = askFor(c, c.turns[user]!);
  await Promise.all(turns.map((turn, i) => run([turn], sides[i]!, () => ask, optionsOf(i))));
}

const answerTo = (user: string) =>
  comparing.value ? answerInPair(user) : answerAlone(user);

/** Says this at the end of what is on the screen, and has it answered. */
export async function send(text: string): Promise<void> {
  const c = conversation.value;
  if (!text.trim() || live.value.size) return;
  if (c.mode === "complete") return complete(text);
  const leaf = shownPath(c).at(-1)?.id ?? rootId;
  const [next, user] = addTurn(c, leaf, { role: "user", text });
  conversation.value = next;
  await answerTo(user);
}

/** Goes on from a text; the same text once more gives the next alternative. */
async function complete(text: string): Promise<void> {
  const prompt = text + settings.value.startText;
  const before = shownPath(conversation.value)[0];
  if (before?.text === prompt) return answerTo(before.id);
  const [next, user] = addTurn(conversation.value, rootId, { role: "user", text: prompt });
  conversation.value = next;
  await answerTo(user);
}

/** Another answer to the same turn. */
export async function regenerate(turn: Turn): Promise<void> {
  if (!live.value.size && turn.parent) await answerTo(turn.parent);
}

/** The user's turn in other words: a sibling, answered anew. */
export async function edit(turn: Turn, text: string): Promise<void> {
  if (live.value.size || !turn.parent) return;
  const [next, user] = addTurn(conversation.value, turn.parent, { role: "user", text });
  conversation.value = next;
  await answerTo(user);
}

/** The model goes on behind `text`, which stands in `turn` already. */
async function goOn(turn: Turn, text: string): Promise<void> {
  const c = conversation.value;
  const user = pathTo(c, turn.id).at(-2);
  if (!user) return;
  const model = turn.answer?.model || resolved(leftModel.value);
  const options = { ...requestOptions(settings.value, settings.value.seed), n: 1 };
  await run([turn.id], model, (signal) =>
    c.mode === "complete" ? { prompt: user.text + text }
    : continuation(model, messagesTo(c, user.id), text, signal), options);
}

/** After "length": the same answer, longer. */
export async function continueAnswer(turn: Turn): Promise<void> {
  if (!live.value.size) await goOn(turn, turn.text);
}

/** Cuts the answer before its token `at`, puts the alternative there, and goes on from it. */
export async function takeAlternative(turn: Turn, at: number, alternative: string): Promise<void> {
  const tokens = turn.answer?.tokens;
  if (live.value.size || !tokens || !turn.parent) return;
  const before = turn.text.slice(0, turn.answer?.tokensFrom ?? 0);
  const text = before + textOfTokens(tokens.slice(0, at).map((t) => t.text)) + alternative;
  const [next, id] = addTurn(conversation.value, turn.parent, {
    role: "assistant", text, answer: { ...turn.answer!, finish: "running" },
  });
  conversation.value = next;
  const added = next.turns[id];
  if (added) await goOn(added, text);
}
