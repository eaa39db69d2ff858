/** The conversations of this browser: one is open, the others wait in localStorage. Nothing of them
 *  is ever sent anywhere but as the prompt of a request. */
import { signal } from "@preact/signals";
import { load, save } from "../base/storage";
import { debounce } from "../base/wait";
import { newConversation, rootId, type Conversation, type Mode } from "./conversation";
import { importPresets, presets } from "./presets";

const most = 200;

export const kept = signal<Conversation[]>(load<Conversation[]>("history", []));
export const conversation = signal<Conversation>(
  kept.value[0] ?? newConversation(load<Mode>("mode", "chat")),
);

/** Token probabilities are large, and worth little tomorrow. */
function withoutTokens(c: Conversation): Conversation {
  const turns = Object.fromEntries(
    Object.entries(c.turns).map(([id, turn]) => {
      if (!turn.answer?.tokens) return [id, turn];
      const { tokens: _, ...answer } = turn.answer;
      return [id, { ...turn, answer }];
    }),
  );
  return { ...c, turns };
}

/** Saves as many of the newest as the browser takes. */
function saveKept(): void {
  let list = kept.value.slice(0, most).map(withoutTokens);
  while (!save("history", list) && list.length > 1)
    list = list.slice(0, Math.floor(list.length / 2));
}

const saveSoon = debounce(400, saveKept);
addEventListener("pagehide", saveKept);

conversation.subscribe((now) => {
  save("mode", now.mode);
  if (!now.turns[rootId]?.children.length) return;
  kept.value = [now, ...kept.peek().filter((c) => c.id !== now.id)];
  saveSoon();
});

export function open(id: string): void {
  const found = kept.value.find((c) => c.id === id);
  if (found) conversation.value = found;
}

export function startNew(mode: Mode): void {
  conversation.value = newConversation(mode, conversation.value.system);
}

export function remove(id: string): void {
  kept.value = kept.value.filter((c) => c.id !== id);
  saveKept();
  if (conversation.value.id === id) startNew(conversation.value.mode);
}

export function removeAll(): void {
  kept.value = [];
  saveKept();
  startNew(conversation.value.mode);
}

export function exported(): object {
  return { instructd: 1, presets: presets.value, history: kept.value.map(withoutTokens) };
}

function isConversation(c: Partial<Conversation> | null): c is Conversation {
  return (
    typeof c?.id === "string" && typeof c.turns === "object" && !!c.turns[rootId] &&
    typeof c.pairs === "object" && (c.mode === "chat" || c.mode === "complete")
  );
}

/** Adds what an exported file holds; false when it is not one. */
export function importFile(given: unknown): boolean {
  const file = given as { history?: unknown; presets?: unknown } | null;
  if (!Array.isArray(file?.history)) return false;
  const found = file.history.filter(isConversation);
  const ids = new Set(found.map((c) => c.id));
  kept.value = [...found, ...kept.value.filter((c) => !ids.has(c.id))];
  importPresets(file.presets);
  saveKept();
  return true;
}
