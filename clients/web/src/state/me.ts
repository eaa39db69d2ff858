/** Who the server takes this page's key for, and the notice about what is kept. */
import { signal } from "@preact/signals";
import { call, get, isMissing } from "../api/client";
import type { Me } from "../api/types";
import { language } from "../i18n/i18n";
import { onServerEvent } from "./server";

export const me = signal<Me | null>(null);
/** The server has no such route: a version without the human side. Nothing is kept there. */
export const meMissing = signal(false);

/** Does the key open what asks for this scope? One that ends in a colon stands for any of those below it.
 *  Where the server does not tell: yes. */
export function holds(scope: string): boolean {
  return me.value?.scopes?.some((one) =>
    one === scope || one === "admin" || (scope.endsWith(":") && one.startsWith(scope))) ?? true;
}

let asked = 0;

/** Of several requests under way only the newest may answer: an older one could bring the notice in a
 *  language that is no longer the page's. */
export async function loadMe(): Promise<void> {
  const turn = ++asked;
  try {
    const now = await get<Me>(`/v1/me?language=${language.peek()}`);
    if (turn === asked) me.value = now;
  } catch (error) {
    if (turn !== asked) return;
    me.value = null;
    meMissing.value = isMissing(error);
  }
}

/** Reads who one is: again when the notice is to be read in another language, and, while it is not known,
 *  whenever the server is there again. */
export function watchMe(): void {
  language.subscribe(() => void loadMe());
  onServerEvent((event) => {
    if (event === "up" && !me.value) void loadMe();
  });
}

export async function setConsent(choice: "share" | "decline"): Promise<void> {
  const version = me.value?.notice?.version;
  await call("PUT", "/v1/me/consent", { body: { notice_version: version, choice } });
  sessionStorage.setItem("instructd.noticed", String(version));
  await loadMe();
}

/** The notice recurs in each session, also for those who have chosen before. */
export function noticeIsDue(): boolean {
  const notice = me.value?.notice;
  return !!notice && (notice.due || sessionStorage.getItem("instructd.noticed") === null);
}

export async function deleteMyData(): Promise<void> {
  await call("DELETE", "/v1/me/data");
  await loadMe();
}
