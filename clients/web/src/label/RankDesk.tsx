/** One ranking task on the screen: rate, then rank, then hand in. */
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { HelpDialog } from "../shell/HelpDialog";
import { IconButton } from "../shell/IconButton";
import { ProblemNote } from "../shell/ProblemNote";
import { holds } from "../state/me";
import { onServerEvent } from "../state/server";
import type { Task, TaskKind } from "./api";
import { isComplete } from "./board";
import { allRated, change, draft, goToStep, task, undo, watchTime, type Draft } from "./draft";
import { keyHelp, listenForKeys } from "./keys";
import { OutputText } from "./OutputText";
import { RankBoard } from "./RankBoard";
import { RateStep } from "./RateStep";
import { SkipDialog } from "./SkipDialog";
import { asking, prefetch, problem, sending, skip, submit, takeNext } from "./work";

/** From rating to ranking, or from ranking to the server. */
function forward(kind: TaskKind): void {
  if (draft.value?.step !== "rate") return void submit(kind);
  goToStep("rank");
  prefetch(kind);
}

function Steps({ task: given, draft: d, kind }: { task: Task; draft: Draft; kind: TaskKind }) {
  const last = d.step === "rank";
  const ready = allRated(given, d) && (!last || isComplete(d.board));
  return (
    <footer class="steps">
      {last && <button type="button" onClick={() => goToStep("rate")}>{t("back_to_rating")}</button>}
      {last && (
        <IconButton icon="again" label={t("keys_undo")} keys="u" disabled={!d.undo.length} onClick={undo} />
      )}
      {last && (
        <input value={d.comment} maxLength={1000} placeholder={t("comment")} aria-label={t("comment")}
               onInput={(e) => change({ comment: e.currentTarget.value })} />
      )}
      <span class="spring" />
      <button type="button" class="primary" disabled={!ready || sending.value}
              onClick={() => forward(kind)}>
        {t(last ? "submit_ranking" : "go_to_ranking")}
      </button>
    </footer>
  );
}

function Head({ task: now, draft: d, onSkip, onHelp }: {
  task: Task; draft: Draft; onSkip: () => void; onHelp: () => void;
}) {
  return (
    <header class="row wrap">
      <h2>{t(d.step === "rate" ? "step_rate" : "step_rank")}</h2>
      <span class="tag">{t(`criterion_${now.criterion_mode}`)}</span>
      <span class="muted small">{t("guideline", { version: now.guideline_version })}</span>
      <span class="spring" />
      <button type="button" onClick={onSkip}>{t("skip_task")}</button>
      <IconButton icon="help" label={t("help")} keys="?" onClick={onHelp} />
    </header>
  );
}

export function RankDesk({ kind }: { kind: TaskKind }) {
  const [at, goTo] = useState(0);
  const [scale, setScale] = useState(0);
  const setAt = (place: number) => { goTo(place); setScale(0); };
  const [focus, setFocus] = useState<string | null>(null);
  const [open, setOpen] = useState<"skip" | "help" | null>(null);
  const now = useRef({ at, scale, focus });
  now.current = { at, scale, focus };
  useEffect(() => void takeNext(kind), [kind]);
  useEffect(() => onServerEvent((event) => {
    if (event === "up" && problem.value) void takeNext(kind);
  }), [kind]);
  useEffect(watchTime, []);
  useEffect(() => { setAt(0); setFocus(null); }, [task.value?.id]);
  useEffect(() => listenForKeys({
    at: () => now.current.at,
    goTo: setAt,
    scale: () => now.current.scale,
    useScale: (place) => { now.current.scale = place; setScale(place); },
    focus: () => now.current.focus,
    focusOn: (card) => { now.current.focus = card; setFocus(card); },
    skip: () => setOpen("skip"),
    help: () => setOpen("help"),
    forward: () => forward(kind),
  }), [kind]);
  const given = task.value;
  const d = draft.value;
  if (problem.value)
    return <ProblemNote problem={problem.value} scope={kind === "eval" ? "label:eval" : "label:rank"}
                        retry={() => takeNext(kind)} />;
  if (!given || !d)
    return (
      <div class="card empty-note">
        <p>{t(asking.value ? "loading" : "no_tasks")}</p>
        {!asking.value && holds("train") && (
          <p class="muted small">{t("tasks_are_made", { part: t("part_tasks") })}</p>
        )}
        {!asking.value && <button type="button" onClick={() => void takeNext(kind)}>{t("reload")}</button>}
      </div>
    );
  return (
    <div class="desk">
      <Head task={given} draft={d} onSkip={() => setOpen("skip")} onHelp={() => setOpen("help")} />
      <section class="card prompt" aria-label={t("prompt")}>
        <h3 class="muted small">{t("prompt")}</h3>
        <OutputText text={given.prompt} />
      </section>
      {d.step === "rate" ? <RateStep task={given} draft={d} at={at} onAt={setAt} scale={scale} onScale={setScale} />
        : <RankBoard task={given} draft={d} focus={focus} onFocus={setFocus} />}
      <Steps task={given} draft={d} kind={kind} />
      <SkipDialog open={open === "skip"} onClose={() => setOpen(null)}
                  onSkip={(reason, note) => void skip(kind, reason, note)} />
      <HelpDialog open={open === "help"} onClose={() => setOpen(null)} 
                  keys={keyHelp(given.criterion_mode)} />
    </div>
  );
}
