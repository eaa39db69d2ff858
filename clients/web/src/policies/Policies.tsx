/** The page: names at the top, then the lineage, then the policy that is looked at. */
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { ProblemNote } from "../shell/ProblemNote";
import { Shell } from "../shell/Shell";
import { AliasCard } from "./AliasCard";
import { LineageGraph } from "./LineageGraph";
import { PolicyCard } from "./PolicyCard";
import { aliases, loadRegistry, policies, problem } from "./registry";

/** The policy that the address names, so that links from other pages find theirs. */
function usePicked(): [string, (id: string) => void] {
  const [picked, setPicked] = useState(location.hash.slice(1));
  useEffect(() => {
    const follow = () => setPicked(location.hash.slice(1));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return [picked, (id) => (location.hash = id)];
}

function Content() {
  const [picked, pick] = usePicked();
  const all = policies.value ?? [];
  const shown = all.find((p) => p.id === picked)
    ?? all.find((p) => p.id === aliases.value[0]?.policy) ?? all[0];
  return (
    <>
      {aliases.value.map((alias) => <AliasCard key={alias.name} alias={alias} />)}
      {all.length > 0 && (
        <section class="card" aria-label={t("lineage")}>
          <h2>{t("lineage")}</h2>
          <LineageGraph policies={all} aliases={aliases.value} selected={shown?.id} onSelect={pick} />
        </section>
      )}
      {shown && <PolicyCard policy={shown} />}
    </>
  );
}

export function Policies() {
  return (
    <Shell page="policies">
      <div class="page">
        <header><h1>{t("page_policies")}</h1></header>
        {problem.value ? <ProblemNote problem={problem.value} scope="infer" retry={loadRegistry} />
         : policies.value ? <Content />
         : <p class="empty-note">{t("loading")}</p>}
      </div>
    </Shell>
  );
}
