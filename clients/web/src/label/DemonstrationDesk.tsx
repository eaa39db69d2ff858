/** Writing demonstrations: a prompt of one's own or one that is waiting, and the answer it deserves. */
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { generate } from "../api/generate";
import { newId } from "../base/id";
import { load, save } from "../base/storage";
import { t } from "../i18n/i18n";
import { say, sayError } from "../shell/messages";
import { models } from "../state/server";
import { categories, nextTask, promptKinds, submitDemonstration, type Demonstration } from "./api";
import { newFewShot, promptOf, type FewShot } from "./few_shot";
import { FewShotFields } from "./FewShotFields";

const slot = "label.demonstration";

/** A demonstration, and what helps to write its prompt and stays here. */
interface Draft extends Demonstration {
  few_shot?: FewShot;
  use_case?: string;
}

const empty = (): Draft => ({
  submission_id: newId("sub"), prompt_kind: "plain", prompt: "", category: "generation",
  completion: "", source: "written",
});

const draft = signal<Draft>(load(slot, null) ?? empty());

/** Each change is saved at once: a tab that closes behind it loses nothing. */
function openDraft(now: Draft): void {
  draft.value = now;
  save(slot, now);
}

const changeDraft = (part: Partial<Draft>) => openDraft({ ...draft.value, ...part });

/** The prompt of a waiting task, or nothing where there is none. */
async function waitingPrompt(): Promise<Partial<Draft> | null> {
  const task = await nextTask("demo");
  return task && { task_id: task.id, prompt: task.prompt };
}

/** A first version by the model, to be improved. */
async function firstVersion(prompt: string): Promise<Pick<Demonstration, "completion" | "base_request_id">> {
  let completion = "";
  let base_request_id = "";
  const messages = [{ role: "user" as const, content: prompt }];
  const never = new AbortController().signal;
  for await (const piece of generate(models.value[0]?.id ?? "instruct", { messages },
                                     { max_tokens: 512 }, 0, never))
    if (piece.kind === "begin") base_request_id = piece.requestId;
    else if (piece.kind === "text") completion += piece.text;
  return { completion, base_request_id };
}

/** The prompt of a few-shot demonstration is what its parts make. */
const ofParts = (few_shot: FewShot) => ({ few_shot, prompt: promptOf(few_shot) });

function setKind(demo: Draft, prompt_kind: Draft["prompt_kind"]): void {
  if (prompt_kind === "few_shot") changeDraft({ prompt_kind, ...ofParts(demo.few_shot ?? newFewShot()) });
  else changeDraft({ prompt_kind, ...(demo.prompt_kind === "few_shot" ? { prompt: "" } : {}) });
}

function Selects({ demo }: { demo: Draft }) {
  return (
    <div class="two">
      <label class="field">
        <span>{t("prompt_kind")}</span>
        <select value={demo.prompt_kind} disabled={!!demo.task_id}
                onChange={(e) => setKind(demo, e.currentTarget.value as Draft["prompt_kind"])}>
          {promptKinds.map((kind) => <option key={kind} value={kind}>{t(`prompt_${kind}`)}</option>)}
        </select>
        {!demo.task_id && <small>{t(`prompt_${demo.prompt_kind}_text`)}</small>}
      </label>
      <label class="field">
        <span>{t("category")}</span>
        <select value={demo.category}
                onChange={(e) => changeDraft({ category: e.currentTarget.value as Draft["category"] })}>
          {categories.map((category) => <option key={category} value={category}>{category}</option>)}
        </select>
      </label>
    </div>
  );
}

function Prompt({ demo }: { demo: Draft }) {
  const parts = demo.task_id ? undefined : demo.prompt_kind === "few_shot" && demo.few_shot;
  return (
    <>
      {parts && <FewShotFields parts={parts} onChange={(now) => changeDraft(ofParts(now))} />}
      {!demo.task_id && demo.prompt_kind === "user_based" && (
        <label class="field">
          <span>{t("use_case")}</span>
          <textarea rows={2} value={demo.use_case ?? ""}
                    onInput={(e) => changeDraft({ use_case: e.currentTarget.value })} />
        </label>
      )}
      <label class="field">
        <span>{t("prompt")}</span>
        <textarea rows={5} required readOnly={!!demo.task_id || !!parts} value={demo.prompt}
                  onInput={(e) => changeDraft({ prompt: e.currentTarget.value })} />
      </label>
    </>
  );
}

/** What goes to the server of a draft. */
function sent({ few_shot: _, use_case: __, ...demo }: Draft): Demonstration {
  return demo;
}

export function DemonstrationDesk() {
  const demo = draft.value;
  const [busy, setBusy] = useState(false);
  const doing = async (work: () => Promise<void>) => {
    setBusy(true);
    await work().catch(sayError);
    setBusy(false);
  };
  const takeWaiting = () => doing(async () => {
    const waiting = await waitingPrompt();
    if (waiting) openDraft({ ...empty(), ...waiting });
    else say(t("no_tasks"));
  });
  const improve = () => doing(async () => changeDraft({ ...(await firstVersion(demo.prompt)), source: "edited" }));
  const submit = () => doing(async () => {
    const taken = await submitDemonstration(sent(demo)).then(() => true, (error) => {
      if (error instanceof ApiError && error.status === 409) return false;
      throw error;
    });
    openDraft(empty());
    say(t(taken ? "demonstration_sent" : "done_already"), !taken);
  });
  return (
    <form class="desk card" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <header class="row wrap">
        <h2>{t("demonstration")}</h2>
        <span class="spring" />
        <button type="button" disabled={busy} onClick={() => void takeWaiting()}>{t("take_waiting")}</button>
      </header>
      <Selects demo={demo} />
      <Prompt demo={demo} />
      <label class="field">
        <span>{t("answer")}</span>
        <textarea rows={9} required value={demo.completion}
                  onInput={(e) => changeDraft({ completion: e.currentTarget.value })} />
      </label>
      <div class="row wrap">
        <button type="button" disabled={busy || !demo.prompt.trim()} onClick={() => void improve()}>
          {t("first_version")}
        </button>
        <span class="muted small">{t(demo.source === "edited" ? "source_edited" : "source_written")}</span>
        <span class="spring" />
        <button type="submit" class="primary" disabled={busy}>{t("submit_demonstration")}</button>
      </div>
    </form>
  );
}
