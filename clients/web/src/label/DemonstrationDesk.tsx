/** Writing demonstrations: a prompt of one's own or one that is waiting, and the answer it deserves. */
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api/client";
import { generate } from "../api/generate";
import { newId } from "../base/id";
import { forget, load, save } from "../base/storage";
import { t } from "../i18n/i18n";
import { say, sayError } from "../shell/messages";
import { models } from "../state/server";
import { categories, nextTask, promptKinds, submitDemonstration, type Demonstration } from "./api";

const slot = "label.demonstration";

const empty = (): Demonstration => ({
  submission_id: newId("sub"), prompt_kind: "plain", prompt: "", category: "generation",
  completion: "", source: "written",
});

/** The prompt of a waiting task, or nothing where there is none. */
async function waitingPrompt(): Promise<Partial<Demonstration> | null> {
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

function Selects({ demo, set }: { demo: Demonstration; set: (part: Partial<Demonstration>) => void }) {
  return (
    <div class="two">
      <label class="field">
        <span>{t("prompt_kind")}</span>
        <select value={demo.prompt_kind} disabled={!!demo.task_id}
                onChange={(e) => set({ prompt_kind: e.currentTarget.value as Demonstration["prompt_kind"] })}>
          {promptKinds.map((kind) => <option key={kind} value={kind}>{t(`prompt_${kind}`)}</option>)}
        </select>
      </label>
      <label class="field">
        <span>{t("category")}</span>
        <select value={demo.category}
                onChange={(e) => set({ category: e.currentTarget.value as Demonstration["category"] })}>
          {categories.map((category) => <option key={category} value={category}>{category}</option>)}
        </select>
      </label>
    </div>
  );
}

export function DemonstrationDesk() {
  const [demo, setDemo] = useState<Demonstration>(() => load(slot, null) ?? empty());
  const [busy, setBusy] = useState(false);
  const set = (part: Partial<Demonstration>) => setDemo((now) => ({ ...now, ...part }));
  useEffect(() => void save(slot, demo), [demo]);
  const doing = async (work: () => Promise<void>) => {
    setBusy(true);
    await work().catch(sayError);
    setBusy(false);
  };
  const takeWaiting = () => doing(async () => {
    const waiting = await waitingPrompt();
    if (waiting) setDemo({ ...empty(), ...waiting });
    else say(t("no_tasks"));
  });
  const improve = () => doing(async () => set({ ...(await firstVersion(demo.prompt)), source: "edited" }));
  const submit = () => doing(async () => {
    await submitDemonstration(demo).catch((error) => {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    });
    forget(slot);
    setDemo(empty());
    say(t("demonstration_sent"));
  });
  return (
    <form class="desk card" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <header class="row wrap">
        <h2>{t("demonstration")}</h2>
        <span class="spring" />
        <button type="button" disabled={busy} onClick={() => void takeWaiting()}>{t("take_waiting")}</button>
      </header>
      <Selects demo={demo} set={set} />
      <label class="field">
        <span>{t("prompt")}</span>
        <textarea rows={5} required readOnly={!!demo.task_id} value={demo.prompt}
                  onInput={(e) => set({ prompt: e.currentTarget.value })} />
      </label>
      <label class="field">
        <span>{t("answer")}</span>
        <textarea rows={9} required value={demo.completion}
                  onInput={(e) => set({ completion: e.currentTarget.value })} />
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
