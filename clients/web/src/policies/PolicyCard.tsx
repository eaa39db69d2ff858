/** One policy: what it is, where it comes from, what was measured of it, and the way into service. */
import type { Policy } from "../api/types";
import { bytes, figure, moment, t } from "../i18n/i18n";
import { PublishForm } from "./PublishForm";

function Link({ id }: { id: string | null }) {
  return id ? <a class="mono" href={`#${id}`}>{id}</a> : <>–</>;
}

export function PolicyCard({ policy }: { policy: Policy }) {
  const { lineage } = policy;
  const measured = Object.entries(policy.metrics).filter(([, value]) => value !== null);
  return (
    <article class="card policy-card" aria-label={policy.id}>
      <header class="row wrap">
        <h2 class="mono">{policy.id}</h2>
        <span class="tag">{policy.stage}</span>
        <span class={`tag ${policy.state === "active" ? "good" : policy.state === "quarantined" ? "bad" : ""}`}>
          {policy.state}
        </span>
        {policy.resident && <span class="tag">{t("resident")}</span>}
      </header>
      <dl class="facts">
        <div><dt>{t("created")}</dt><dd>{moment(policy.created_at)}</dd></div>
        <div><dt>{t("size")}</dt><dd>{bytes(policy.bytes)} · {policy.dtype}</dd></div>
        <div><dt>{t("parent")}</dt><dd><Link id={lineage.parent} /></dd></div>
        <div><dt>{t("reward_model")}</dt><dd><Link id={lineage.reward_model} /></dd></div>
        <div>
          <dt>{t("job")}</dt>
          <dd>{lineage.job ? <a class="mono" href={`/training#${lineage.job}`}>{lineage.job}</a> : "–"}</dd>
        </div>
        <div><dt>{t("datasets")}</dt><dd>{lineage.datasets.length || "–"}</dd></div>
        {measured.map(([name, value]) => (
          <div key={name}><dt class="mono">{name}</dt><dd>{figure(value)}</dd></div>
        ))}
      </dl>
      {policy.stage !== "rm" && policy.state !== "quarantined" && <PublishForm key={policy.id} policy={policy} />}
    </article>
  );
}
