/** How an answer came: how fast, how long, why it ended. */
import { number, t } from "../i18n/i18n";
import type { Answer } from "./conversation";

const ends = {
  stop: "end_stop", length: "end_length", content_filter: "end_filter", stopped: "end_stopped",
} as const;

export function AnswerFigures({ answer, hidden }: { answer: Answer; hidden: boolean }) {
  const { ttftMs, tokensPerS, usage, finish } = answer;
  return (
    <span class="figures muted small">
      {!hidden && answer.policy && <span class="mono">{answer.policy}</span>}
      {ttftMs !== undefined && <span>{t("ttft", { ms: number(ttftMs) })}</span>}
      {tokensPerS !== undefined && <span>{t("tokens_per_s", { n: number(tokensPerS, tokensPerS < 100 ? 1 : 0) })}</span>}
      {usage && <span>{t("n_tokens", { n: number(usage.completion_tokens) })}</span>}
      {finish in ends && <span>{t(ends[finish as keyof typeof ends])}</span>}
    </span>
  );
}
