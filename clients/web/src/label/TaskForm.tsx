/** Researchers make tasks here: from captured prompts or a file, with outputs of chosen policies. */
import { useState } from "preact/hooks";
import { figure, t } from "../i18n/i18n";
import { say, sayError } from "../shell/messages";
import { models } from "../state/server";
import { createTasks, type NewTasks, type TaskKind } from "./api";

const kinds: TaskKind[] = ["rank", "eval", "demo"];

/** The first figure of the reply tells how many tasks were made. */
function countOf(reply: Record<string, unknown>): string {
  const count = Object.values(reply).find((value) => typeof value === "number");
  return typeof count === "number" ? figure(count) : "";
}

export function TaskForm() {
  const [tasks, setTasks] = useState<NewTasks>({
    kind: "rank", source: "captured", policies: [], k: 4, overlap: 1, gold: false,
  });
  const set = (part: Partial<NewTasks>) => setTasks((now) => ({ ...now, ...part }));
  const submit = async () => {
    try {
      const { k, policies, ...others } = tasks;
      const outputs = tasks.kind === "demo" ? { policies: [] } : {
        policies: policies.length ? policies : models.value.slice(0, 1).map((m) => m.id),
        ...(k ? { k } : {}),
      };
      say(t("tasks_made", { n: countOf(await createTasks({ ...others, ...outputs })) }));
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <form class="desk card" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <h2>{t("new_tasks")}</h2>
      <div class="two">
        <label class="field">
          <span>{t("task_kind")}</span>
          <select value={tasks.kind} onChange={(e) => set({ kind: e.currentTarget.value as TaskKind })}>
            {kinds.map((kind) => <option key={kind} value={kind}>{t(`kind_${kind}`)}</option>)}
          </select>
        </label>
        <label class="field">
          <span>{t("task_source")}</span>
          <input required value={tasks.source} pattern="captured|file-.+"
                 onInput={(e) => set({ source: e.currentTarget.value })} />
        </label>
        <label class="field">
          <span>{t("task_policies")}</span>
          <input value={tasks.policies.join(" ")} placeholder={models.value[0]?.id ?? ""}
                 onInput={(e) => set({ policies: e.currentTarget.value.split(/[\s,]+/).filter(Boolean) })} />
        </label>
        <label class="field">
          <span>{t("task_k")}</span>
          <input type="number" min={4} max={9} value={tasks.k}
                 onInput={(e) => set({ k: Number(e.currentTarget.value) })} />
        </label>
        <label class="field">
          <span>{t("task_overlap")}</span>
          <input type="number" min={1} max={9} value={tasks.overlap}
                 onInput={(e) => set({ overlap: Number(e.currentTarget.value) })} />
        </label>
        <label class="switch">
          <input type="checkbox" checked={tasks.gold ?? false}
                 onChange={(e) => set({ gold: e.currentTarget.checked })} />
          <span>{t("task_gold")}</span>
        </label>
      </div>
      <div class="row end"><button type="submit" class="primary">{t("make_tasks")}</button></div>
    </form>
  );
}
