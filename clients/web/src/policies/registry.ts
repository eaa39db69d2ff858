/** Policies and the aliases that stand for them, kept fresh by the server's events. */
import { signal } from "@preact/signals";
import { ApiError, call, get, getAll, post } from "../api/client";
import type { Alias, AliasMove, Policy } from "../api/types";
import { debounce } from "../base/wait";
import { onServerEvent } from "../state/server";

export const policies = signal<Policy[] | null>(null);
export const aliases = signal<Alias[]>([]);
export const problem = signal<ApiError | null>(null);

export async function loadRegistry(): Promise<void> {
  try {
    const [all, names] = await Promise.all([
      getAll<Policy>("/v1/policies", (p) => p.id),
      getAll<Alias>("/v1/aliases", (a) => a.name),
    ]);
    policies.value = all;
    aliases.value = names;
    problem.value = null;
  } catch (error) {
    if (error instanceof ApiError) problem.value = error;
  }
}

const loadSoon = debounce(150, () => void loadRegistry());
onServerEvent((event) => {
  if (event === "up" || event.startsWith("policy.") || event === "alias.moved") loadSoon();
});

export async function historyOf(alias: string): Promise<AliasMove[]> {
  return (await get<{ data: AliasMove[] }>(`/v1/aliases/${alias}/history?limit=50`)).data;
}

/** Lets the alias stand for this policy. Somebody else's move in between is an ApiError 412. */
export async function publish(alias: string, policy: string, reason: string): Promise<void> {
  const known = aliases.value.find((a) => a.name === alias);
  const headers: Record<string, string> =
    known ? { "if-match": `"${known.version}"` } : { "if-none-match": "*" };
  const body = { policy, ...(reason ? { reason } : {}) };
  await call("PUT", `/v1/aliases/${alias}`, { headers, body });
  await loadRegistry();
}

/** Lets the alias stand for `to`, which it has stood for before, whoever has moved it meanwhile. */
export async function rollback(alias: string, to: string): Promise<void> {
  await post(`/v1/aliases/${alias}/rollback`, { to });
  await loadRegistry();
}
