/** What training costs those who are being served: the mean pause between two tokens, read off the
 *  server's histogram every two seconds. */
import { signal } from "@preact/signals";
import { call } from "../api/client";
import { wait } from "../base/wait";

/** The last minutes, a point every two seconds; gap null when nothing was served. */
export const gaps = signal<{ at: number; ms: number | null }[]>([]);

const everyMs = 2000;
const most = 150;
const name = "instructd_inter_token_latency_seconds";

async function read(): Promise<{ sum: number; count: number }> {
  const text = await (await call("GET", "/metrics")).text();
  const figureOf = (what: string) =>
    Number(new RegExp(`^${name}_${what}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1] ?? NaN);
  return { sum: figureOf("sum"), count: figureOf("count") };
}

export async function watchServing(abort: AbortSignal): Promise<void> {
  let before: { sum: number; count: number } | null = null;
  while (!abort.aborted) {
    try {
      const now = await read();
      const served = before ? now.count - before.count : 0;
      const ms = before && served > 0 ? (1000 * (now.sum - before.sum)) / served : null;
      gaps.value = [...gaps.value, { at: Date.now() / 1000, ms }].slice(-most);
      before = now;
    } catch {
      before = null;
    }
    await wait(everyMs, abort).catch(() => undefined);
  }
}
