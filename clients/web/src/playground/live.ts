/** Answers that are being written: their text grows here, so that only what shows it follows, and goes
 *  into the conversation when it is complete. */
import { signal, type Signal } from "@preact/signals";
import type { Token } from "../api/generate";

export interface Live {
  text: Signal<string>;
  model: string; // as asked for
  requestId: Signal<string>; // "" until the server has taken the request
  policy: Signal<string>; // likewise: what answers
  tokens: Token[];
  abort: AbortController;
}

/** By turn. */
export const live = signal<ReadonlyMap<string, Live>>(new Map());

export function beginLive(turn: string, model: string, text: string, abort: AbortController): Live {
  const begun: Live =
    { text: signal(text), model, requestId: signal(""), policy: signal(""), tokens: [], abort };
  live.value = new Map(live.value).set(turn, begun);
  return begun;
}

export function endLive(turn: string): void {
  const left = new Map(live.value);
  left.delete(turn);
  live.value = left;
}

/** Stops every answer; each keeps what it has. */
export function stopAll(): void {
  for (const { abort } of live.value.values()) abort.abort();
}
