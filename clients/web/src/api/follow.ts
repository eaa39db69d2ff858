/** A stream of events that has no end: reconnects behind its last event, for as long as the page
 *  lives, and so survives a daemon's restart. */
import { call } from "./client";
import { readEvents, type ServerEvent } from "./sse";
import { wait } from "../base/wait";

const shortest = 500;
const longest = 8000;

/** Calls on(event) for each; `connected` tells whether the stream stands. until: ends it for good when
 *  it returns true after the server has closed the stream. */
export async function follow(
  path: string,
  on: (event: ServerEvent) => void,
  signal: AbortSignal,
  connected: (yes: boolean) => void = () => undefined,
  until: () => boolean = () => false,
): Promise<void> {
  let last = "";
  let pause = shortest;
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (last) headers["last-event-id"] = last;
      const response = await call("GET", path, { headers, signal });
      if (!response.body) throw new Error("no body");
      connected(true);
      pause = shortest;
      for await (const event of readEvents(response.body)) {
        if (event.id) last = event.id;
        on(event);
      }
    } catch {
      if (signal.aborted) return;
    }
    connected(false);
    if (until()) return;
    await wait(pause * (0.75 + Math.random() / 2), signal).catch(() => undefined);
    pause = Math.min(2 * pause, longest);
  }
}
