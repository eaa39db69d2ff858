/** The parts of a few-shot prompt, to be filled in. */
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { changePair, withoutPair, withPair, type FewShot } from "./few_shot";

interface Props {
  parts: FewShot;
  onChange: (parts: FewShot) => void;
}

function Pair({ parts, at, onChange }: Props & { at: number }) {
  const { query, response } = parts.pairs[at]!;
  return (
    <div class="example" role="group" aria-label={t("example_n", { n: at + 1 })}>
      <div class="two">
        <label class="field">
          <span>{t("query")} {at + 1}</span>
          <textarea rows={2} value={query}
                    onInput={(e) => onChange(changePair(parts, at, { query: e.currentTarget.value }))} />
        </label>
        <label class="field">
          <span>{t("response")} {at + 1}</span>
          <textarea rows={2} value={response}
                    onInput={(e) => onChange(changePair(parts, at, { response: e.currentTarget.value }))} />
        </label>
      </div>
      <IconButton icon="trash" label={`${t("delete")}: ${t("example_n", { n: at + 1 })}`}
                  disabled={parts.pairs.length < 2} onClick={() => onChange(withoutPair(parts, at))} />
    </div>
  );
}

export function FewShotFields({ parts, onChange }: Props) {
  return (
    <>
      <label class="field">
        <span>{t("instruction")}</span>
        <textarea rows={2} required value={parts.instruction}
                  onInput={(e) => onChange({ ...parts, instruction: e.currentTarget.value })} />
      </label>
      {parts.pairs.map((_, i) => <Pair key={i} at={i} parts={parts} onChange={onChange} />)}
      <button type="button" class="link" onClick={() => onChange(withPair(parts))}>
        + {t("example_more")}
      </button>
      <label class="field">
        <span>{t("open_query")}</span>
        <textarea rows={2} required value={parts.query}
                  onInput={(e) => onChange({ ...parts, query: e.currentTarget.value })} />
      </label>
    </>
  );
}
