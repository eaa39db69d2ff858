/** What a labeler has done of a task so far. Every change is saved in the browser under the task's id,
 *  with the submission's id in it: a reload finds it again, and a submit that is repeated is the same
 *  submission to the server. */
import { signal } from "@preact/signals";
import { forget, load, save } from "../base/storage";
import { newId } from "../base/id";
import { groupsOf, newBoard, type Board } from "./board";
import { newRating, type Rating } from "./flags";
import type { Ranking, Task } from "./api";
import { isWhole, scalesOf } from "./scales";

export type Step = "rate" | "rank";

export interface Draft {
  submission: string;
  step: Step;
  ratings: Record<string, Rating>;
  board: Board;
  undo: Board[];
  elapsed: Record<Step, number>; // ms
  comment: string;
}

const mostUndo = 100;
const slot = (task: string) => `label.draft.${task}`;

export const task = signal<Task | null>(null);
export const draft = signal<Draft | null>(null);

function newDraft(given: Task): Draft {
  const ids = given.outputs.map((output) => output.id);
  return {
    submission: newId("sub"),
    step: "rate",
    ratings: Object.fromEntries(ids.map((id) => [id, newRating()])),
    board: newBoard(ids),
    undo: [],
    elapsed: { rate: 0, rank: 0 },
    comment: "",
  };
}

/** Opens the task, with the draft that this browser may have of it. */
export function openTask(given: Task | null): void {
  countedUntil = performance.now();
  task.value = given;
  draft.value = given && load<Draft | null>(slot(given.id), null) || (given && newDraft(given));
}

export function closeTask(): void {
  if (task.value) forget(slot(task.value.id));
  openTask(null);
}

export function change(part: Partial<Draft>): void {
  if (!draft.value || !task.value) return;
  draft.value = { ...draft.value, ...part };
  save(slot(task.value.id), draft.value);
}

/** From rating to ranking or back; the time so far belongs to the step that ends. */
export function goToStep(step: Step): void {
  countTime();
  change({ step });
}

export function rate(output: string, part: Partial<Rating>): void {
  const ratings = draft.value?.ratings;
  const now = ratings?.[output];
  if (now) change({ ratings: { ...ratings, [output]: { ...now, ...part } } });
}

/** Puts the board as it is on the undo stack, and the new one in its place. */
export function changeBoard(board: Board): void {
  const now = draft.value;
  if (now && board !== now.board) change({ board, undo: [...now.undo, now.board].slice(-mostUndo) });
}

export function undo(): void {
  const now = draft.value;
  const before = now?.undo.at(-1);
  if (now && before) change({ board: before, undo: now.undo.slice(0, -1) });
}

export const allRated = (given: Task, d: Draft) =>
  Object.values(d.ratings).every((r) => isWhole(r.figures, scalesOf(given.criterion_mode)));

export function rankingOf(given: Task, d: Draft): Ranking {
  return {
    submission_id: d.submission,
    task_id: given.id,
    shown: given.outputs.map((output) => output.id),
    ratings: given.outputs.map(({ id }) => ({
      output_id: id,
      ...d.ratings[id]?.figures,
      ...(given.criterion_mode === "toxicity" ? {} : { flags: d.ratings[id]?.flags ?? {} }),
    })),
    groups: groupsOf(d.board),
    elapsed_ms: { rate: Math.round(d.elapsed.rate), rank: Math.round(d.elapsed.rank) },
    ...(d.comment.trim() ? { comment: d.comment.trim() } : {}),
  };
}

let countedUntil = 0;
let seen = true; // the page, since countedUntil
const mostMs = 604_800_000; // of a step, as the server takes it

/** Adds the time since it was last called to the step that is open, if the page was seen. */
export function countTime(): void {
  const now = performance.now();
  const d = draft.value;
  if (d && seen) {
    const ms = Math.min(mostMs, d.elapsed[d.step] + now - countedUntil);
    change({ elapsed: { ...d.elapsed, [d.step]: ms } });
  }
  countedUntil = now;
}

/** Counts the time of the step that is open, while the page is seen; returns the way to stop. */
export function watchTime(): () => void {
  const everyMs = 1000;
  const look = () => {
    countTime();
    seen = !document.hidden;
  };
  countedUntil = performance.now();
  seen = !document.hidden;
  document.addEventListener("visibilitychange", look);
  const timer = setInterval(countTime, everyMs);
  return () => {
    document.removeEventListener("visibilitychange", look);
    clearInterval(timer);
  };
}
