/** A name: what it stands for, the way back, and all its moves. */
import { useEffect, useState } from "preact/hooks";
import type { Alias, AliasMove } from "../api/types";
import { moment, t } from "../i18n/i18n";
import { confirm, say, sayError } from "../shell/messages";
import { historyOf, rollback } from "./registry";

async function goBack(alias: Alias): Promise<void> {
  const text = t("publish_text", { alias: alias.name, from: alias.policy, to: alias.previous ?? "" });
  if (!(await confirm(t("rollback"), text, t("rollback")))) return;
  try {
    await rollback(alias.name, "");
    say(t("published", { alias: alias.name, policy: alias.previous ?? "" }));
  } catch (error) {
    sayError(error);
  }
}

function Moves({ moves }: { moves: AliasMove[] }) {
  return (
    <div class="table-box" tabIndex={0} role="group" aria-label={t("alias_history")}>
      <table>
        <thead>
          <tr>
            <th class="figure">{t("version")}</th><th>{t("policy")}</th><th>{t("when")}</th>
            <th>{t("by")}</th><th>{t("reason")}</th>
          </tr>
        </thead>
        <tbody>
          {moves.map((move) => (
            <tr key={move.id}>
              <td class="figure">{move.version}</td>
              <td><a class="mono" href={`#${move.policy}`}>{move.policy}</a></td>
              <td>{moment(move.updated_at)}</td>
              <td>{move.updated_by}</td>
              <td>{move.reason ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function AliasCard({ alias }: { alias: Alias }) {
  const [moves, setMoves] = useState<AliasMove[]>([]);
  useEffect(() => {
    historyOf(alias.name).then(setMoves, () => setMoves([]));
  }, [alias.name, alias.version]);
  return (
    <article class="card alias" aria-label={alias.name}>
      <header class="row wrap">
        <h2>{alias.name}</h2>
        <span aria-hidden="true">→</span>
        <a class="mono" href={`#${alias.policy}`}>{alias.policy}</a>
        <span class="spring" />
        <button type="button" disabled={!alias.previous} onClick={() => void goBack(alias)}>
          {t("rollback")}
        </button>
      </header>
      <details open={moves.length <= 6}>
        <summary>{t("alias_history")}</summary>
        <Moves moves={moves} />
      </details>
    </article>
  );
}
