/** The Playground's keys. */
import { t } from "../i18n/i18n";
import type { KeyHelp } from "../shell/HelpDialog";
import { regenerate } from "./answer";
import { submitDraft } from "./Composer";
import { shownPath, siblingsOf, stepSibling, type Turn } from "./conversation";
import { conversation } from "./history";
import { live, stopAll } from "./live";

export const keyHelp = (): KeyHelp[] => [
  { keys: "Ctrl Enter", does: t("send") },
  { keys: "Esc", does: t("stop") },
  { keys: "Alt R", does: t("regenerate") },
  { keys: "Alt [", does: t("branch_before") },
  { keys: "Alt ]", does: t("branch_after") },
  { keys: "Alt P", does: t("choose_policy") },
  { keys: "Alt H", does: t("help") },
];

const lastAnswer = () => shownPath(conversation.value).findLast((turn) => turn.role === "assistant");

/** The last turn of the screen that has alternatives. */
function lastBranching(): Turn | undefined {
  const c = conversation.value;
  return shownPath(c).findLast((turn) => siblingsOf(c, turn).all.length > 1);
}

function step(by: number): void {
  const turn = lastBranching();
  if (turn && !live.value.size) conversation.value = stepSibling(conversation.value, turn, by);
}

const codes: Record<string, (toggleHelp: () => void, showSettings: () => void) => void> = {
  KeyR: () => { const turn = lastAnswer(); if (turn) void regenerate(turn); },
  BracketLeft: () => step(-1),
  BracketRight: () => step(1),
  KeyP: (_, showSettings) => {
    showSettings();
    requestAnimationFrame(() => document.getElementById("policy")?.focus());
  },
  KeyH: (toggleHelp) => toggleHelp(),
};

/** Listens for the page's life; returns the way to stop. */
export function listenForKeys(toggleHelp: () => void, showSettings: () => void): () => void {
  const onKey = (event: KeyboardEvent) => {
    const inEditor = (event.target as Element | null)?.closest(".editing");
    if (event.key === "Escape" && live.value.size) stopAll();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !inEditor) submitDraft();
    else if (event.altKey && !event.ctrlKey && !event.metaKey && codes[event.code])
      codes[event.code]!(toggleHelp, showSettings);
    else return;
    event.preventDefault();
  };
  addEventListener("keydown", onKey);
  return () => removeEventListener("keydown", onKey);
}
