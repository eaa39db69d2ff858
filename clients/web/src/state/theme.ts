/** Light, dark, or as the system says. The choice stands in the root's data-theme. */
import { effect, signal } from "@preact/signals";
import { load, save } from "../base/storage";

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>(load<Theme>("theme", "system"));

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(dark.matches);
dark.addEventListener("change", () => (systemIsDark.value = dark.matches));

effect(() => {
  const now = theme.value === "system" ? (systemIsDark.value ? "dark" : "light") : theme.value;
  document.documentElement.dataset["theme"] = now;
  save("theme", theme.value);
});

export function toggleTheme(): void {
  theme.value = document.documentElement.dataset["theme"] === "dark" ? "light" : "dark";
}
