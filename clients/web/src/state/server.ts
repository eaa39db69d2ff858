/** What the server is doing: is it there, which names does it answer to, what has just moved. Every
 *  page watches; a server that goes away and comes back is found again without a reload. */
import { computed, signal } from "@preact/signals";
import { ApiError, call, get } from "../api/client";
import { follow } from "../api/follow";
import type { ServerEvent } from "../api/sse";
import type { Model } from "../api/types";
import { wait } from "../base/wait";

export type Health = "unknown" | "ready" | "loading" | "draining" | "offline";
export const health = signal<Health>("unknown");
export const models = signal<Model[]>([]);

/** An alias that has moved since the page was opened. */
export interface Move {
  alias: string;
  from: string | null;
  to: string;
}
export const lastMove = signal<Move | null>(null);

/** The longest context among the served names; 0 while unknown. */
export const contextLength = computed(() =>
  models.value.reduce((most, m) => Math.max(most, m.max_model_len), 0),
);

type Listener = (event: string, data: Record<string, any>) => void;
const listeners = new Set<Listener>();

/** Calls back for each event of the server (alias.moved, job.status, …), and with "up" when it has
 *  become ready or its events flow again: then what one knows of it may be old. Returns the way to
 *  stop. */
export function onServerEvent(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(event: string, data: Record<string, any>): void {
  for (const listener of listeners) listener(event, data);
}

async function askHealth(): Promise<Health> {
  try {
    await call("GET", "/ready");
    return "ready";
  } catch (error) {
    const code = error instanceof ApiError ? error.code : null;
    return code === "not_ready" ? "loading" : code === "draining" ? "draining" : "offline";
  }
}

export async function loadModels(): Promise<void> {
  try {
    models.value = (await get<{ data: Model[] }>("/v1/models?limit=100")).data;
  } catch {
    // Without models the page says what `health` says; a 401 asks for a key.
  }
}

const restMs = 10_000;
const pollMs = 1_000;

async function watchHealth(): Promise<never> {
  for (;;) {
    const now = await askHealth();
    const isUp = now === "ready" && health.value !== "ready";
    if (isUp || (now === "ready" && !models.value.length)) await loadModels();
    health.value = now;
    if (isUp) tell("up", {});
    await wait(now === "ready" ? restMs : pollMs);
  }
}

function onEvent({ event, data }: ServerEvent): void {
  const said = JSON.parse(data || "{}");
  if (event === "alias.moved") {
    const before = models.value.find((m) => m.id === said.name);
    if (before && before.policy !== said.policy)
      lastMove.value = { alias: said.name, from: before.policy, to: said.policy };
    void loadModels();
  }
  tell(event === "lost" ? "up" : event, said); // more happened than the server remembers
}

let watching = false;

export function watchServer(): void {
  if (watching) return;
  watching = true;
  void watchHealth();
  void follow("/v1/events?topics=policy,alias,job", new AbortController().signal, {
    on: onEvent,
    connected: (yes) => {
      if (yes) tell("up", {});
      else void askHealth().then((now) => (health.value = now));
    },
  });
}
