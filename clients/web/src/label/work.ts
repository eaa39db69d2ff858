/** The flow of a labeler's work: take a task, do it, hand it in, take the next one. */
import { signal } from "@preact/signals";
import { ApiError } from "../api/client";
import { newId } from "../base/id";
import type { Phrase } from "../i18n/catalogue";
import { t } from "../i18n/i18n";
import { say, sayError } from "../shell/messages";
import { nextTask, submitRanking, submitSkip, type SkipReason, type Task, type TaskKind } from "./api";
import { allRated, closeTask, countTime, draft, openTask, rankingOf, task } from "./draft";
import { isComplete } from "./board";

export const problem = signal<ApiError | null>(null);
export const asking = signal(true); // a task is being fetched
export const sending = signal(false);

let ahead: { kind: TaskKind; task: Promise<Task | null> } | null = null;

/** Fetches the task after the one in hand. */
export function prefetch(kind: TaskKind): void {
  if (!task.value || ahead) return;
  const fetched = nextTask(kind, task.value.id);
  fetched.catch(() => undefined);
  ahead = { kind, task: fetched };
}

async function fetchNext(kind: TaskKind, done: string | null): Promise<Task | null> {
  const waiting = ahead?.kind === kind ? ahead.task : null;
  ahead = null;
  const early = await waiting?.catch(() => null);
  return early && early.id !== done ? early : nextTask(kind);
}

/** Opens the next task; `done` is the one just handed in. */
export async function takeNext(kind: TaskKind, done: string | null = null): Promise<void> {
  asking.value = true;
  try {
    openTask(await fetchNext(kind, done));
    problem.value = null;
  } catch (error) {
    if (error instanceof ApiError) problem.value = error;
  }
  asking.value = false;
}

/** Why a task needs no more work though it was not taken: dealt with already, in another window
 *  perhaps, or taken back by whoever wrote its prompt. */
function overBecause(error: unknown): Phrase | null {
  const status = error instanceof ApiError ? error.status : 0;
  return status === 409 ? "done_already" : status === 404 ? "task_gone" : null;
}

async function handIn(kind: TaskKind, send: () => Promise<unknown>, thanks: string): Promise<void> {
  if (sending.value) return;
  sending.value = true;
  const done = task.value?.id ?? null;
  try {
    const over = await send().then(() => null, (error) => {
      const why = overBecause(error);
      if (why) return why;
      throw error;
    });
    say(over ? t(over) : thanks, !!over);
    closeTask();
    await takeNext(kind, done);
  } catch (error) {
    sayError(error); // the draft stays; the same submission can be sent again
  }
  sending.value = false;
}

export async function submit(kind: TaskKind): Promise<void> {
  countTime();
  const given = task.value;
  const d = draft.value;
  if (!given || !d) return;
  if (!allRated(given, d)) return say(t("rate_all_first"), true);
  if (!isComplete(d.board)) return say(t("rank_all_first"), true);
  await handIn(kind, () => submitRanking(rankingOf(given, d)), t("ranking_sent"));
}

export async function skip(kind: TaskKind, reason: SkipReason, note: string): Promise<void> {
  const given = task.value;
  if (given) await handIn(kind, () => submitSkip(newId("sub"), given.id, reason, note), t("skipped"));
}
