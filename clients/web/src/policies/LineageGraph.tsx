/** Who learned from whom: a card a policy, solid lines from parents, dashed ones from reward models; and
 *  the same as a table. */
import type { Alias, Policy } from "../api/types";
import { moment, t } from "../i18n/i18n";
import { layout, type Edge, type Place } from "./layout";

const card = { width: 196, height: 78 };
const gap = { x: 60, y: 22 };
const arrow = 6;
const left = (place: Place) => place.column * (card.width + gap.x);
const top = (place: Place) => place.row * (card.height + gap.y);

function Line({ edge, places }: { edge: Edge; places: Map<string, Place> }) {
  const from = places.get(edge.from);
  const to = places.get(edge.to);
  if (!from || !to) return null;
  const below = from.row > to.row ? 1 : -1;
  const middle = top(to) + card.height / 2;
  const x1 = left(from) + card.width;
  const y1 = top(from) + card.height / 2;
  const x2 = left(to) - arrow;
  const judges = edge.kind === "reward";
  const y2 = judges ? middle + below * card.height / 4 : middle; // two lines' ends stay apart
  // Behind the first gap a parent's line has its child's row to itself; a reward model's line keeps to
  // the space between two rows.
  const lane = judges && to.column - from.column > 1 ? middle + below * (card.height + gap.y) / 2 : y2;
  const curve = (x: number, y: number, toY: number) =>
    `C${x + gap.x / 2} ${y} ${x + gap.x / 2 - arrow} ${toY} ${x + gap.x - arrow} ${toY}`;
  const last = left(to) - gap.x;
  const end = lane === y2 ? `H${x2}` : `H${last}${curve(last, lane, y2)}`;
  return <path class={edge.kind} marker-end="url(#tip)" d={`M${x1} ${y1}${curve(x1, y1, lane)}${end}`} />;
}

function Names({ of, aliases }: { of: Policy; aliases: Alias[] }) {
  return <>{aliases.filter((a) => a.policy === of.id)
    .map((a) => <span class="tag good" key={a.name}>{a.name}</span>)}</>;
}

function AsTable({ policies, aliases }: { policies: Policy[]; aliases: Alias[] }) {
  const link = (id: string | null) => (id ? <a class="mono" href={`#${id}`}>{id}</a> : "–");
  return (
    <details>
      <summary>{t("as_table")}</summary>
      <div class="table-box" tabIndex={0} role="group" aria-label={t("lineage")}>
        <table>
          <thead>
            <tr>
              <th>{t("policy")}</th><th>{t("stage")}</th><th>{t("parent")}</th>
              <th>{t("reward_model")}</th><th>{t("serves_as")}</th><th>{t("created")}</th>
            </tr>
          </thead>
          <tbody>
            {policies.map((policy) => (
              <tr key={policy.id}>
                <td>{link(policy.id)}</td>
                <td>{policy.stage}</td>
                <td>{link(policy.lineage.parent)}</td>
                <td>{link(policy.lineage.reward_model)}</td>
                <td><Names of={policy} aliases={aliases} /></td>
                <td>{moment(policy.created_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

interface Props {
  policies: Policy[];
  aliases: Alias[];
  selected: string | undefined;
  onSelect: (id: string) => void;
}

export function LineageGraph({ policies, aliases, selected, onSelect }: Props) {
  const { places, edges } = layout(policies);
  const byId = new Map(places.map((place) => [place.policy.id, place]));
  const width = Math.max(...places.map(left)) + card.width;
  const height = Math.max(...places.map(top)) + card.height;
  return (
    <>
      <div class="lineage" tabIndex={0} role="group" aria-label={t("lineage")}>
        <div class="canvas" style={{ width: `${width}px`, height: `${height}px` }}>
          <svg width={width} height={height} aria-hidden="true">
            <marker id="tip" viewBox="0 0 6 8" refY="4" markerWidth="6" markerHeight="8"
                    markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L6 4L0 8z" /></marker>
            {edges.map((edge) => <Line key={edge.from + edge.to + edge.kind} edge={edge} places={byId} />)}
          </svg>
          {places.map((place) => {
            const { policy } = place;
            const serves = aliases.some((a) => a.policy === policy.id);
            return (
              <button type="button" key={policy.id} class={`policy ${serves ? "serving" : ""}`}
                      aria-pressed={policy.id === selected} onClick={() => onSelect(policy.id)}
                      style={{ left: `${left(place)}px`, top: `${top(place)}px` }}>
                <span class="mono">{policy.id}</span>
                <span class="row small">
                  <span class="tag">{policy.stage}</span>
                  <Names of={policy} aliases={aliases} />
                </span>
                <span class="muted small">{moment(policy.created_at)}</span>
              </button>
            );
          })}
        </div>
      </div>
      <p class="muted small legend-line">
        <span><i class="parent" />{t("edge_parent")}</span>
        <span><i class="reward" />{t("edge_reward")}</span>
      </p>
      <AsTable policies={policies} aliases={aliases} />
    </>
  );
}
