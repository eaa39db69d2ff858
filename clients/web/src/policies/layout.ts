/** Where each policy stands in the lineage graph: generations from left to right, children near their
 *  parents. A grid; pixels are the view's. */
import type { Policy } from "../api/types";

export interface Place {
  policy: Policy;
  column: number; // generations behind the oldest known ancestor
  row: number;
}

export interface Edge {
  from: string;
  to: string;
  kind: "parent" | "reward"; // learned on, or judged by
}

/** Generations; a parent that is not in the list (any more) counts as none. */
function columnsOf(policies: Policy[]): Map<string, number> {
  const byId = new Map(policies.map((p) => [p.id, p]));
  const columns = new Map<string, number>();
  const columnOf = (id: string, seen: Set<string>): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    const policy = byId.get(id);
    if (!policy || seen.has(id)) return -1;
    seen.add(id);
    const above = [policy.lineage.parent, policy.lineage.reward_model]
      .map((other) => (other ? columnOf(other, seen) : -1));
    const column = Math.max(-1, ...above) + 1;
    columns.set(id, column);
    return column;
  };
  for (const { id } of policies) columnOf(id, new Set());
  return columns;
}

export function layout(policies: Policy[]): { places: Place[]; edges: Edge[] } {
  const known = new Set(policies.map((p) => p.id));
  const columns = columnsOf(policies);
  const oldestFirst = [...policies].sort((a, b) => a.created_at - b.created_at);
  const filled: number[] = []; // rows taken, by column
  const rows = new Map<string, number>();
  const byColumn = oldestFirst.sort((a, b) => columns.get(a.id)! - columns.get(b.id)!);
  const places = byColumn.map((policy) => {
    const column = columns.get(policy.id) ?? 0;
    const wish = rows.get(policy.lineage.parent ?? "") ?? 0;
    const row = Math.max(filled[column] ?? 0, wish);
    filled[column] = row + 1;
    rows.set(policy.id, row);
    return { policy, column, row };
  });
  const edges: Edge[] = policies.flatMap(({ id, lineage }) => [
    ...(lineage.parent && known.has(lineage.parent)
      ? [{ from: lineage.parent, to: id, kind: "parent" as const }] : []),
    ...(lineage.reward_model && known.has(lineage.reward_model)
      ? [{ from: lineage.reward_model, to: id, kind: "reward" as const }] : []),
  ]);
  return { places, edges };
}
