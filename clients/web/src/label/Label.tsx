/** The page: the parts of the desk that one's key opens. */
import { useState } from "preact/hooks";
import type { Phrase } from "../i18n/catalogue";
import { t } from "../i18n/i18n";
import { Shell } from "../shell/Shell";
import { holds, me } from "../state/me";
import { AgreementPage } from "./AgreementPage";
import { DemonstrationDesk } from "./DemonstrationDesk";
import { OwnLabels } from "./OwnLabels";
import { RankDesk } from "./RankDesk";
import { TaskForm } from "./TaskForm";

const parts = [
  { id: "rank", name: "part_rank", scope: "label:rank", view: () => <RankDesk kind="rank" /> },
  { id: "eval", name: "part_eval", scope: "label:eval", view: () => <RankDesk kind="eval" /> },
  { id: "demo", name: "part_demo", scope: "label:demo", view: () => <DemonstrationDesk /> },
  { id: "mine", name: "part_mine", scope: "label:", view: () => <OwnLabels /> },
  { id: "agreement", name: "part_agreement", scope: "train", view: () => <AgreementPage /> },
  { id: "tasks", name: "part_tasks", scope: "train", view: () => <TaskForm /> },
] as const satisfies readonly { id: string; name: Phrase; scope: string; view: () => unknown }[];

/** What held-out labelers must not see, whatever their scopes: it would teach them. */
const forTraining: readonly string[] = ["rank", "demo"];

/** Parts that the key's scopes and role open; all of them where the server does not tell. */
function openParts() {
  const heldOut = me.value?.role === "heldout";
  const open = parts.filter(({ id, scope }) =>
    holds(scope) && !(heldOut && forTraining.includes(id)));
  return open.length ? open : parts;
}

export function Label() {
  const [picked, setPicked] = useState<string>(location.hash.slice(1));
  const open = openParts();
  const part = open.find(({ id }) => id === picked) ?? open[0]!;
  const pick = (id: string) => {
    setPicked(id);
    history.replaceState(null, "", `#${id}`);
  };
  return (
    <Shell page="label">
      <div class="page narrow">
        <header>
          <h1>{t("page_label")}</h1>
          <span class="spring" />
          <div class="tabs" role="group" aria-label={t("page_label")}>
            {open.map(({ id, name }) => (
              <button type="button" key={id} class="chip" aria-pressed={id === part.id}
                      onClick={() => pick(id)}>{t(name)}</button>
            ))}
          </div>
        </header>
        <div key={part.id}>{part.view()}</div>
      </div>
    </Shell>
  );
}
