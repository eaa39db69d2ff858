/** The tokens of an answer with their probabilities: a shade and a figure each, since colour alone says
 *  nothing to many. Choosing another token goes on from there. */
import { useState } from "preact/hooks";
import type { Token } from "../api/generate";
import { number, t } from "../i18n/i18n";
import { takeAlternative } from "./answer";
import type { Turn } from "./conversation";
import { live } from "./live";
import { isText } from "./token_text";

const percent = (logprob: number) => `${number(100 * Math.exp(logprob), 1)}%`;

/** 0 (sure) … 4 (a surprise), the shades of the style sheet. */
function shade(logprob: number): number {
  const p = Math.exp(logprob);
  return p > 0.9 ? 0 : p > 0.6 ? 1 : p > 0.3 ? 2 : p > 0.1 ? 3 : 4;
}

/** White space that would not be seen. */
const visible = (text: string) => text.replace(/\n/g, "↵").replace(/\t/g, "⇥");

interface AlternativesProps {
  turn: Turn;
  at: number;
  token: Token;
}

function Alternatives({ turn, at, token }: AlternativesProps) {
  const busy = live.value.size > 0;
  return (
    <div class="alternatives" role="group" aria-label={t("alternatives")}>
      <p class="muted small">{t("alternatives_text")}</p>
      <ul>
        {token.top.slice(0, 6).map((other) => {
          const same = other.text === token.text;
          return (
            <li key={other.text}>
              <button type="button" disabled={busy || same || !isText(other.text)}
                      onClick={() => void takeAlternative(turn, at, other.text)}>
                <span class="mono">{visible(other.text) || "∅"}</span>
                <span class="bar"><progress max={1} value={Math.exp(other.logprob)}
                      aria-label={percent(other.logprob)} /></span>
                <span class="figure">{percent(other.logprob)}</span>
                {same && <span class="muted">{t("drawn")}</span>}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** Left and right walk over the tokens; one of them is a stop of the Tab key. */
function walk(event: KeyboardEvent): void {
  const by = event.key === "ArrowRight" ? "nextElementSibling"
    : event.key === "ArrowLeft" ? "previousElementSibling" : null;
  const to = by && (event.target as Element)[by];
  if (!(to instanceof HTMLButtonElement)) return;
  event.preventDefault();
  to.focus();
}

export function TokenView({ turn, tokens }: { turn: Turn; tokens: Token[] }) {
  const [at, setAt] = useState<number | null>(null);
  const picked = at === null ? undefined : tokens[at];
  return (
    <div class="tokens">
      <p class="token-text" onKeyDown={walk}>
        <span class="before">{turn.text.slice(0, turn.answer?.tokensFrom ?? 0)}</span>
        {tokens.map((token, i) => [
          <button type="button" key={i} class={`token shade-${shade(token.logprob)}`}
                  tabIndex={i === (at ?? 0) ? 0 : -1} aria-pressed={i === at}
                  title={`${token.text.trim()} ${percent(token.logprob)}`}
                  onClick={() => setAt(i === at ? null : i)}>
            {visible(token.text)}
            <sub>{number(100 * Math.exp(token.logprob))}</sub>
          </button>,
          token.text.replace(/[^\n]/g, ""), // the line ends themselves
        ])}
      </p>
      {picked && at !== null && <Alternatives turn={turn} at={at} token={picked} />}
      <p class="legend muted small" aria-hidden="true">
        {["> 90%", "> 60%", "> 30%", "> 10%", "≤ 10%"].map((text, i) => (
          <span key={i}><i class={`shade-${i}`} />{text}</span>
        ))}
      </p>
    </div>
  );
}
