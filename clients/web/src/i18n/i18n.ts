/** Words in the reader's language, from the one catalogue. */
import { signal } from "@preact/signals";
import { catalogue, type Phrase } from "./catalogue";
import { load, save } from "../base/storage";

export type Language = "en" | "de";
export const languages: Language[] = ["en", "de"];

function preferred(): Language {
  const saved = load<string>("language", "");
  return (saved || navigator.language).startsWith("de") ? "de" : "en";
}

export const language = signal<Language>(preferred());
document.documentElement.lang = language.value;

export function setLanguage(to: Language): void {
  language.value = to;
  document.documentElement.lang = to;
  save("language", to);
}

/** The phrase, with {name}s replaced. Reading it in a component follows the language. */
export function t(phrase: Phrase, values: Record<string, string | number> = {}): string {
  const text = catalogue[phrase][language.value === "en" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

export function number(value: number, digits = 0): string {
  return value.toLocaleString(language.value, {
    maximumFractionDigits: digits,
    minimumFractionDigits: 0,
  });
}

/** Four significant digits at most, for figures of any size. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return value.toLocaleString(language.value, { maximumSignificantDigits: 4 });
}

export function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(language.value, {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

export function bytes(n: number): string {
  for (const unit of ["B", "KiB", "MiB"]) {
    if (n < 1024) return `${number(n, n < 10 ? 1 : 0)} ${unit}`;
    n /= 1024;
  }
  return `${number(n, 1)} GiB`;
}
