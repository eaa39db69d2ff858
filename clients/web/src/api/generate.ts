/** Text from a model: one streamed request, as pieces that know which choice they belong to. */
import { ApiError, call, post } from "./client";
import { readEvents } from "./sse";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** What is asked: a text to go on from (or its token ids), or a conversation. */
export type Ask = { prompt: string | number[] } | { messages: Message[] };

export interface Alternative {
  text: string;
  logprob: number;
}

/** A drawn token. `text` may be "bytes:\xf0…" where the token is no whole text of its own. */
export interface Token extends Alternative {
  top: Alternative[]; // the likeliest, best first
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
}

export type Piece =
  | { kind: "begin"; requestId: string; policy: string }
  | { kind: "text"; index: number; text: string; tokens: Token[]; model: string }
  | { kind: "finish"; index: number; reason: string }
  | { kind: "usage"; usage: Usage; decodeMs: number | null };

const byLogprob = (a: Alternative, b: Alternative) => b.logprob - a.logprob;

interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
}

interface ChatLogprobs {
  content: { token: string; logprob: number; top_logprobs: { token: string; logprob: number }[] }[];
}

function tokensOf(logprobs: Partial<CompletionLogprobs & ChatLogprobs> | null): Token[] {
  if (logprobs?.content)
    return logprobs.content.map((t) => ({
      text: t.token,
      logprob: t.logprob,
      top: t.top_logprobs.map((a) => ({ text: a.token, logprob: a.logprob })).sort(byLogprob),
    }));
  return (logprobs?.tokens ?? []).map((text, i) => ({
    text,
    logprob: logprobs?.token_logprobs?.[i] ?? 0,
    top: Object.entries(logprobs?.top_logprobs?.[i] ?? {})
      .map(([text, logprob]) => ({ text, logprob }))
      .sort(byLogprob),
  }));
}

function* piecesOf(chunk: any): Generator<Piece> {
  for (const choice of chunk.choices) {
    const text: string = choice.text ?? choice.delta?.content ?? "";
    const tokens = tokensOf(choice.logprobs);
    if (text || tokens.length)
      yield { kind: "text", index: choice.index, text, tokens, model: chunk.model };
    if (choice.finish_reason)
      yield { kind: "finish", index: choice.index, reason: choice.finish_reason };
  }
  if (chunk.usage)
    yield { kind: "usage", usage: chunk.usage, decodeMs: chunk.timings?.decode_ms ?? null };
}

/** The body of the request, as "view code" shows it too. `alternatives` 0: no log-probabilities. */
export function requestBody(model: string, ask: Ask, options: object, alternatives: number) {
  const logprobs =
    alternatives === 0 ? {}
    : "messages" in ask ? { logprobs: true, top_logprobs: alternatives }
    : { logprobs: alternatives };
  return { model, ...ask, ...options, ...logprobs };
}

export function pathOf(ask: Ask): string {
  return "messages" in ask ? "/v1/chat/completions" : "/v1/completions";
}

/** Streams an answer; aborting the signal closes the connection, and that stops the engine. Throws
 *  ApiError, also for a stream that breaks off, or the abort's reason. */
export async function* generate(
  model: string,
  ask: Ask,
  options: object,
  alternatives: number,
  signal: AbortSignal,
): AsyncGenerator<Piece, void> {
  const body = {
    ...requestBody(model, ask, options, alternatives),
    stream: true,
    stream_options: { include_usage: true },
    return_timings: true,
  };
  const response = await call("POST", pathOf(ask), { body, signal });
  yield {
    kind: "begin",
    requestId: response.headers.get("x-request-id") ?? "",
    policy: response.headers.get("x-instructd-policy") ?? "",
  };
  if (!response.body) throw new ApiError(0, "the answer has no body");
  for await (const event of readEvents(response.body)) {
    if (event.data === "[DONE]") return;
    const chunk = JSON.parse(event.data);
    if (chunk.error) throw new ApiError(500, chunk.error.message, chunk.error.code);
    yield* piecesOf(chunk);
  }
  throw new ApiError(0, "the answer broke off");
}

export interface Tokenized {
  tokens: number[];
  count: number;
  max_model_len: number;
}

export const tokenize = (
  model: string,
  what: { prompt?: string; messages?: Message[]; content?: string; add_special_tokens?: boolean },
  signal?: AbortSignal,
) => post<Tokenized>("/tokenize", { model, ...what }, signal);

/** A conversation whose last answer has begun, as the ids of a prompt: the model goes on inside it. */
export async function continuation(
  model: string,
  messages: Message[],
  begun: string,
  signal: AbortSignal,
): Promise<Ask> {
  const before = await tokenize(model, { messages }, signal);
  const inside = await tokenize(
    model,
    { prompt: begun, add_special_tokens: false, ...{ parse_special: false } },
    signal,
  );
  return { prompt: [...before.tokens, ...inside.tokens] };
}
