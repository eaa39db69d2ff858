/** A name: what it stands for, the way back, and all its moves. */
import { useEffect, useState } from "preact/hooks";
import type { Alias, AliasMove } from "../api/types";
import { moment, t } from "../i18n/i18n";
import { confirm, say, sayError } from "../shell/messages";
import { historyOf, policies, rollback } from "./registry";

/** What tells a policy from others, for a person: its id, its stage, its age. */
function described(id: string): string {
  const policy = policies.value?.find((p) => p.id === id);
  return policy ? `${id} (${policy.stage}, ${moment(policy.created_at)})` : id;
}

/** Names the policy that will serve, and asks the server for that one, whatever moves meanwhile. */
async function goBack(alias: Alias, to: string): Promise<void> {
  const text = t("rollback_text", {
    alias: alias.name, from: described(alias.policy), to: described(to), now: alias.policy,
  });
  if (!(await confirm(t("rollback"), text, t("rollback_to", { policy: to })))) return;
  try {
    await rollback(alias.name, to);
    say(t("published", { alias: alias.name, policy: to }));
  } catch (error) {
    sayError(error);
  }
}

function Moves({ alias, moves }: { alias: Alias; moves: AliasMove[] }) {
  return (
    <div class="table-box" tabIndex={0} role="group" aria-label={t("alias_history")}>
      <table>
        <thead>
          <tr>
            <th class="figure">{t("version")}</th><th>{t("policy")}</th><th>{t("when")}</th>
            <th>{t("by")}</th><th>{t("reason")}</th><th><span class="unseen">{t("rollback")}</span></th>
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
              <td>
                {move.policy !== alias.policy && (
                  <button type="button" class="small" onClick={() => void goBack(alias, move.policy)}>
                    {t("serve_again")}<span class="unseen"> {move.policy}</span>
                  </button>
                )}
              </td>
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
        {alias.previous && (
          <button type="button" onClick={() => void goBack(alias, alias.previous!)}>
            {t("rollback_to", { policy: alias.previous })}
          </button>
        )}
      </header>
      <details open={moves.length <= 6}>
        <summary>{t("alias_history")}</summary>
        <Moves alias={alias} moves={moves} />
      </details>
    </article>
  );
}
