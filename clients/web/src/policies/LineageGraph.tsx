/** Who learned from whom: a card a policy, solid lines from parents, dashed ones from reward models. */
import type { Alias, Policy } from "../api/types";
import { moment, t } from "../i18n/i18n";
import { layout, type Edge, type Place } from "./layout";

const card = { width: 196, height: 78 };
const gap = { x: 56, y: 18 };
const left = (place: Place) => place.column * (card.width + gap.x);
const top = (place: Place) => place.row * (card.height + gap.y);

function Line({ edge, places }: { edge: Edge; places: Map<string, Place> }) {
  const from = places.get(edge.from);
  const to = places.get(edge.to);
  if (!from || !to) return null;
  const x1 = left(from) + card.width;
  const y1 = top(from) + card.height / 2;
  const x2 = left(to);
  const y2 = top(to) + card.height / 2;
  const bend = gap.x / 2;
  return <path class={edge.kind} d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} />;
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
    <div class="lineage" tabIndex={0} role="group" aria-label={t("lineage")}>
      <div class="canvas" style={{ width: `${width}px`, height: `${height}px` }}>
        <svg width={width} height={height} aria-hidden="true">
          {edges.map((edge) => <Line key={edge.from + edge.to + edge.kind} edge={edge} places={byId} />)}
        </svg>
        {places.map((place) => {
          const { policy } = place;
          const names = aliases.filter((a) => a.policy === policy.id).map((a) => a.name);
          return (
            <button type="button" key={policy.id} class={`policy ${names.length ? "serving" : ""}`}
                    aria-pressed={policy.id === selected} onClick={() => onSelect(policy.id)}
                    style={{ left: `${left(place)}px`, top: `${top(place)}px` }}>
              <span class="mono">{policy.id}</span>
              <span class="row small">
                <span class="tag">{policy.stage}</span>
                {names.map((name) => <span class="tag good" key={name}>{name}</span>)}
              </span>
              <span class="muted small">{moment(policy.created_at)}</span>
            </button>
          );
        })}
      </div>
      <p class="muted small legend-line">
        <span><i class="parent" />{t("edge_parent")}</span>
        <span><i class="reward" />{t("edge_reward")}</span>
      </p>
    </div>
  );
}
