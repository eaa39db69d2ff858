/** The sampling fields of a request: one table, from which sliders, requests and code are made. */
import { signal } from "@preact/signals";
import type { Phrase } from "../i18n/catalogue";
import { load, save } from "../base/storage";

export interface ParamSpec {
  name: string;
  min: number;
  max: number; // of the slider; the field beside it takes up to `most`
  most: number;
  step: number;
  off: number; // the server's default, which is not sent
  help: Phrase;
}

/** In the order of the panel; ranges are the server's. */
export const specs: readonly ParamSpec[] = [
  { name: "temperature", min: 0, max: 2, most: 2, step: 0.05, off: 1, help: "help_temperature" },
  { name: "max_tokens", min: 1, max: 2048, most: 1048576, step: 1, off: -1, help: "help_max_tokens" },
  { name: "top_p", min: 0.01, max: 1, most: 1, step: 0.01, off: 1, help: "help_top_p" },
  { name: "top_k", min: 0, max: 200, most: 1048576, step: 1, off: 0, help: "help_top_k" },
  { name: "min_p", min: 0, max: 1, most: 1, step: 0.01, off: 0, help: "help_min_p" },
  { name: "presence_penalty", min: -2, max: 2, most: 2, step: 0.1, off: 0, help: "help_presence" },
  { name: "frequency_penalty", min: -2, max: 2, most: 2, step: 0.1, off: 0, help: "help_frequency" },
  { name: "min_tokens", min: 0, max: 256, most: 1048576, step: 1, off: 0, help: "help_min_tokens" },
  { name: "n", min: 1, max: 8, most: 16, step: 1, off: 1, help: "help_n" },
];

export interface Settings {
  numbers: Record<string, number>;
  seed: number | null; // null: another one each time
  stop: string[];
  stopTokenIds: string; // numbers with anything between them
  logitBias: string; // lines "id: bias"
  ignoreEos: boolean;
  alternatives: number; // 0: no token probabilities
  startText: string; // of complete mode: put behind the prompt
  restartText: string; // and behind the answer, when one goes on
}

export const builtInPresets: { name: Phrase; numbers: Record<string, number> }[] = [
  { name: "preset_balanced", numbers: { temperature: 0.7, top_p: 0.95 } },
  { name: "preset_exact", numbers: { temperature: 0 } },
  { name: "preset_free", numbers: { temperature: 1.1, min_p: 0.05 } },
];

const plain = Object.fromEntries(specs.map((s) => [s.name, s.off]));

export const standard: Settings = {
  numbers: { ...plain, max_tokens: 512, ...builtInPresets[0]!.numbers },
  seed: null,
  stop: [],
  stopTokenIds: "",
  logitBias: "",
  ignoreEos: false,
  alternatives: 0,
  startText: "",
  restartText: "",
};

export const settings = signal<Settings>({ ...standard, ...load<Partial<Settings>>("settings", {}) });
settings.subscribe((now) => save("settings", now));

export function change(part: Partial<Settings>): void {
  settings.value = { ...settings.value, ...part };
}

export function setNumber(name: string, value: number): void {
  change({ numbers: { ...settings.value.numbers, [name]: value } });
}

/** Numbers of a preset over the server's defaults; what a preset does not name is off. */
export function applyNumbers(numbers: Record<string, number>): void {
  const max_tokens = settings.value.numbers["max_tokens"]!;
  change({ numbers: { ...plain, max_tokens, ...numbers } });
}

/** {"50256": -100} out of "50256: -100" lines; lines that are not of that form are left out. */
function biasesOf(text: string): Record<string, number> {
  const biases: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const found = /^\s*(\d+)\s*[:=]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(line);
    if (found) biases[found[1]!] = Number(found[2]);
  }
  return biases;
}

const mostStopIds = 64;

const idsOf = (text: string) => [...new Set(text.match(/\d+/g)?.map(Number))].slice(0, mostStopIds);

/** The fields of a request; what is at the server's default is left out. */
export function requestOptions(now: Settings, seed: number | null) {
  const options: Record<string, unknown> = {};
  for (const spec of specs) {
    const value = now.numbers[spec.name] ?? spec.off;
    if (value !== spec.off) options[spec.name] = value;
  }
  if (seed !== null) options["seed"] = seed;
  if (now.stop.length) options["stop"] = now.stop;
  const stopIds = idsOf(now.stopTokenIds);
  if (stopIds.length) options["stop_token_ids"] = stopIds;
  if (now.ignoreEos) options["ignore_eos"] = true;
  const biases = biasesOf(now.logitBias);
  if (Object.keys(biases).length) options["logit_bias"] = biases;
  return options;
}
