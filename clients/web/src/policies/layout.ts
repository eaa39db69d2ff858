/** Where each policy stands in the lineage graph: generations from left to right, children near their
 *  parents, reward models below what they judge. A grid; pixels are the view's. */
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

/** In the order in which they choose their rows: reward models last, since what speaks stands in the
 *  rows of its parents, and what only judges goes below. */
function inOrder(policies: Policy[], columns: Map<string, number>): Policy[] {
  const late = (p: Policy) => (p.stage === "rm" ? 1 : 0);
  return [...policies].sort((a, b) =>
    late(a) - late(b) || columns.get(a.id)! - columns.get(b.id)! || a.created_at - b.created_at);
}

export function layout(policies: Policy[]): { places: Place[]; edges: Edge[] } {
  const columns = columnsOf(policies);
  const taken = new Set<string>();
  const rows = new Map<string, number>();
  const places = inOrder(policies, columns).map((policy) => {
    const column = columns.get(policy.id)!;
    const parent = policy.lineage.parent ?? "";
    const begin = Math.min(column, (columns.get(parent) ?? column - 1) + 1);
    // The cells between parent and child stay free: their line runs through them.
    const cells = (row: number) =>
      Array.from({ length: column - begin + 1 }, (_, i) => `${begin + i}:${row}`);
    let row = rows.get(parent) ?? 0;
    while (cells(row).some((cell) => taken.has(cell))) row++;
    for (const cell of cells(row)) taken.add(cell);
    rows.set(policy.id, row);
    return { policy, column, row };
  });
  const edges: Edge[] = policies.flatMap(({ id, lineage }) => [
    ...(lineage.parent && columns.has(lineage.parent)
      ? [{ from: lineage.parent, to: id, kind: "parent" as const }] : []),
    ...(lineage.reward_model && columns.has(lineage.reward_model)
      ? [{ from: lineage.reward_model, to: id, kind: "reward" as const }] : []),
  ]);
  return { places, edges };
}
