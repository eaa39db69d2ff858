/** Researchers make tasks here: from captured prompts or a file, with outputs of chosen policies. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { figure, t } from "../i18n/i18n";
import { say, sayError } from "../shell/messages";
import { models } from "../state/server";
import { countTasks, createTasks, type NewTasks, type TaskCount } from "./api";

/** What may be asked for: a kind, or eval tasks by another criterion. */
const asks = ["rank", "eval", "toxicity", "demo"] as const;
type Ask = (typeof asks)[number];

const kindOf = (ask: Ask): Pick<NewTasks, "kind" | "criterion_mode"> =>
  ask === "toxicity" ? { kind: "eval", criterion_mode: "toxicity" } : { kind: ask };

const counts = signal<TaskCount[]>([]);
const loadCounts = () => countTasks().then((all) => { counts.value = all; }, () => undefined);

function Counts() {
  useEffect(() => void loadCounts(), []);
  if (!counts.value.length) return null;
  return (
    <dl class="facts">
      {counts.value.map(({ kind, state, n }) => (
        <div key={kind + state}><dt>{t(`kind_${kind}`)}: {t(`state_${state}`)}</dt><dd>{figure(n)}</dd></div>
      ))}
    </dl>
  );
}

export function TaskForm() {
  const [ask, setAsk] = useState<Ask>("rank");
  const [tasks, setTasks] = useState<Omit<NewTasks, "kind">>({
    source: "captured", policies: [], k: 4, overlap: 1, gold: false,
  });
  const [sample, setSample] = useState({ share: 0.1, n: 3 }); // of tasks, for agreement
  const set = (part: Partial<typeof tasks>) => setTasks((now) => ({ ...now, ...part }));
  const submit = async () => {
    try {
      const { k, policies, ...others } = tasks;
      const outputs = ask === "demo" ? { policies: [] } : {
        policies: policies.length ? policies : models.value.slice(0, 1).map((m) => m.id),
        ...(k ? { k } : {}),
      };
      const more = sample.share > 0 && sample.n > (tasks.overlap ?? 1) ? { overlap_sample: sample } : {};
      const made = await createTasks({ ...others, ...outputs, ...more, ...kindOf(ask) });
      say(t("tasks_made", { n: figure(made.tasks) }));
      await loadCounts();
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <form class="desk card" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <h2>{t("new_tasks")}</h2>
      <Counts />
      <div class="two">
        <label class="field">
          <span>{t("task_kind")}</span>
          <select value={ask} onChange={(e) => setAsk(e.currentTarget.value as Ask)}>
            {asks.map((one) => <option key={one} value={one}>{t(`kind_${one}`)}</option>)}
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
        <label class="field">
          <span>{t("overlap_share")}</span>
          <input type="number" min={0} max={1} step={0.05} value={sample.share}
                 onInput={(e) => setSample({ ...sample, share: Number(e.currentTarget.value) })} />
        </label>
        <label class="field">
          <span>{t("overlap_n")}</span>
          <input type="number" min={1} max={9} value={sample.n}
                 onInput={(e) => setSample({ ...sample, n: Number(e.currentTarget.value) })} />
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
