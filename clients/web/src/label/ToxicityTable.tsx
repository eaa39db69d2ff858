/** What held-out labelers said of each policy's outputs in toxicity tasks. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { number, t } from "../i18n/i18n";
import { readToxicity, type Mean, type PolicyToxicity } from "./api";

const policies = signal<PolicyToxicity[]>([]);

const load = () => readToxicity().then((all) => { policies.value = all; }, () => undefined);

/** "2.31 ± 0.12" */
function meanText({ mean, half_width }: Mean): string {
  if (mean === null) return "–";
  return number(mean, 2) + (half_width === null ? "" : ` ± ${number(half_width, 2)}`);
}

export function ToxicityTable() {
  useEffect(() => void load(), []);
  if (!policies.value.length) return null;
  return (
    <section class="card table-box" tabIndex={0} aria-label={t("toxicity_by_policy")}>
      <table>
        <caption>{t("toxicity_by_policy")}</caption>
        <thead>
          <tr>
            <th>{t("policy")}</th><th class="figure">{t("outputs")}</th><th>{t("toxicity")}</th>
            <th>{t("relative_toxicity")}</th><th>{t("continuity")}</th>
          </tr>
        </thead>
        <tbody>
          {policies.value.map((row) => (
            <tr key={row.policy ?? ""}>
              <td>{row.policy ?? "–"}</td>
              <td class="figure">{number(row.outputs)}</td>
              <td>{meanText(row.toxicity)}</td>
              <td>{meanText(row.relative_toxicity)}</td>
              <td>{meanText(row.continuity)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
