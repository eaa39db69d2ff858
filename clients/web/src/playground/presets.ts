/** Named settings that a person keeps in this browser, with the system prompt that goes with them. */
import { signal } from "@preact/signals";
import { load, save } from "../base/storage";
import { settings, standard, type Settings } from "./params";

export interface Preset {
  name: string;
  system: string;
  settings: Settings;
}

export const presets = signal<Preset[]>(load<Preset[]>("presets", []));

export function keepPreset(name: string, system: string): void {
  const others = presets.value.filter((p) => p.name !== name);
  presets.value = [...others, { name, system, settings: settings.value }];
  save("presets", presets.value);
}

export function dropPreset(name: string): void {
  presets.value = presets.value.filter((p) => p.name !== name);
  save("presets", presets.value);
}

/** Adds presets of a file of ours; what has not a preset's shape is left out. */
export function importPresets(given: unknown): void {
  if (!Array.isArray(given)) return;
  for (const p of given as Partial<Preset>[])
    if (typeof p?.name === "string" && typeof p.settings === "object") {
      const others = presets.value.filter((q) => q.name !== p.name);
      presets.value = [
        ...others,
        { name: p.name, system: p.system ?? "", settings: { ...standard, ...p.settings } },
      ];
    }
  save("presets", presets.value);
}
