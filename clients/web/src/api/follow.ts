/** A stream of events that has no end: reconnects behind its last event, for as long as the page
 *  lives, and so survives a daemon's restart. A hidden page lets its streams go and takes them up again
 *  when it is looked at: browsers grant six connections to a server, to all tabs together. */
import { call } from "./client";
import { readEvents, type ServerEvent } from "./sse";
import { wait } from "../base/wait";

const shortest = 500;
const longest = 8000;

export interface Follower {
  on: (event: ServerEvent) => void;
  /** Does the stream stand? Not told of a page that is hidden. */
  connected?: (yes: boolean) => void;
  /** Asked after the server has ended the stream: is that the end of it? */
  isOver?: () => boolean;
}

/** Resolves while the page is seen. */
function seen(): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}

/** Aborts when the page is hidden, or with `outer`; `release` ends the watching. */
function whileSeen(outer: AbortSignal): { signal: AbortSignal; release: () => void } {
  const inner = new AbortController();
  const stop = () => inner.abort();
  const look = () => document.hidden && stop();
  outer.addEventListener("abort", stop);
  document.addEventListener("visibilitychange", look);
  const release = () => {
    outer.removeEventListener("abort", stop);
    document.removeEventListener("visibilitychange", look);
  };
  return { signal: inner.signal, release };
}

/** One connection, from `last` on, until it ends in any way; the id of the last event. */
async function readOnce(path: string, last: string, signal: AbortSignal, follower: Follower,
                        stands: () => void): Promise<string> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (last) headers["last-event-id"] = last;
  try {
    const response = await call("GET", path, { headers, signal });
    if (!response.body) return last;
    stands();
    for await (const event of readEvents(response.body)) {
      if (event.id) last = event.id;
      follower.on(event);
    }
  } catch {
    // it is tried again
  }
  return last;
}

export async function follow(path: string, signal: AbortSignal, follower: Follower): Promise<void> {
  let last = "";
  let pause = shortest;
  while (!signal.aborted) {
    await seen();
    const { signal: now, release } = whileSeen(signal);
    last = await readOnce(path, last, now, follower, () => {
      follower.connected?.(true);
      pause = shortest;
    });
    release();
    if (now.aborted) continue;
    follower.connected?.(false);
    if (follower.isOver?.()) return;
    await wait(pause * (0.75 + Math.random() / 2), signal).catch(() => undefined);
    pause = Math.min(2 * pause, longest);
  }
}
