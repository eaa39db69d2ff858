/** Which policy answers: one name, or two of them side by side. */
import { computed, signal } from "@preact/signals";
import { getAll } from "../api/client";
import type { Policy } from "../api/types";
import { load, save } from "../base/storage";
import { models, onServerEvent } from "../state/server";

/** Asked for by name: an alias, or pol_…; "" is the server's default. */
export const leftModel = signal<string>(load<string>("model", ""));
export const rightModel = signal<string>(load<string>("model2", ""));
export const comparing = signal<boolean>(load<boolean>("comparing", false));
export const blind = signal<boolean>(load<boolean>("blind", false));

leftModel.subscribe((name) => save("model", name));
rightModel.subscribe((name) => save("model2", name));
comparing.subscribe((on) => save("comparing", on));
blind.subscribe((on) => save("blind", on));

const policies = signal<Policy[]>([]);

export async function loadPolicies(): Promise<void> {
  try {
    policies.value = await getAll<Policy>("/v1/policies", (p) => p.id);
  } catch {
    policies.value = [];
  }
}
onServerEvent((event) => {
  if (event === "up" || event.startsWith("policy.") || event === "alias.moved")
    void loadPolicies();
});

export interface Choice {
  name: string;
  label: string;
}

/** Names that can answer now: aliases first, then resident policies. */
export const choices = computed<Choice[]>(() => [
  ...models.value.map((m) => ({ name: m.id, label: `${m.id} · ${m.stage}` })),
  ...policies.value
    .filter((p) => p.resident && p.stage !== "rm")
    .map((p) => ({ name: p.id, label: `${p.id} · ${p.stage}` })),
]);

/** What a choice means today; the first alias stands for none, and for one that is gone. */
export function resolved(choice: string): string {
  const known = choices.value;
  return known.some((c) => c.name === choice) ? choice : (known[0]?.name ?? (choice || "instruct"));
}
