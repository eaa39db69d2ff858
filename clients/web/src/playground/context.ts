/** How much of the model's context the next request fills: asked of /tokenize while one types. */
import { effect, signal } from "@preact/signals";
import { tokenize } from "../api/generate";
import { debounce } from "../base/wait";
import { contextLength, health } from "../state/server";
import { messagesTo, rootId, shownPath } from "./conversation";
import { conversation } from "./history";
import { live } from "./live";
import { leftModel, resolved } from "./models";
import { settings } from "./params";

export const draft = signal<string>("");
/** Tokens of the prompt as it stands; null while unknown. */
export const promptTokens = signal<number | null>(null);

const pauseMs = 300;
let asked: AbortController | null = null;

async function count(): Promise<void> {
  asked?.abort();
  asked = new AbortController();
  const c = conversation.value;
  const model = resolved(leftModel.value);
  const leaf = shownPath(c).at(-1)?.id ?? rootId;
  try {
    const what =
      c.mode === "complete" ? { prompt: draft.value + settings.value.startText }
      : { messages: [...messagesTo(c, leaf), { role: "user" as const, content: draft.value }] };
    const { count, max_model_len } = await tokenize(model, what, asked.signal);
    promptTokens.value = count;
    if (max_model_len > 0) longest.value = max_model_len;
  } catch {
    if (!asked.signal.aborted) promptTokens.value = null;
  }
}

const longest = signal(0);
export const contextSize = () => longest.value || contextLength.value;

const countSoon = debounce(pauseMs, () => void count());

export function watchContext(): () => void {
  return effect(() => {
    void [draft.value, conversation.value, leftModel.value, settings.value.startText];
    if (health.value === "ready" && !live.value.size) countSoon();
  });
}
