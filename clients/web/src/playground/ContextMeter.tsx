/** Tokens of the prompt, and how much of the context they and the answer would fill. */
import { number, t } from "../i18n/i18n";
import { contextSize, promptTokens } from "./context";
import { settings } from "./params";

const tight = 0.9;

export function ContextMeter() {
  const tokens = promptTokens.value;
  const size = contextSize();
  if (tokens === null || !size) return <span class="meter muted">&nbsp;</span>;
  const share = tokens / size;
  const wanted = settings.value.numbers["max_tokens"] ?? 0;
  const tooLong = tokens + wanted > size;
  return (
    <span class={share >= tight || tooLong ? "meter warn" : "meter muted"}>
      <meter min={0} max={size} high={tight * size} value={tokens} aria-label={t("context_fill")} />
      <span>{t("context_tokens", { tokens: number(tokens), size: number(size) })}</span>
      {share >= tight ? <strong>{t("context_nearly_full")}</strong>
       : tooLong && <strong>{t("context_answer_cut")}</strong>}
    </span>
  );
}
