/** Which policy answers, and whether a second one does beside it. */
import type { Signal } from "@preact/signals";
import { t } from "../i18n/i18n";
import type { Phrase } from "../i18n/catalogue";
import { conversation } from "./history";
import { blind, choices, comparing, leftModel, resolved, rightModel } from "./models";
import { mustHideNames } from "./vote";

function Picker({ of, label, id }: { of: Signal<string>; label: Phrase; id: string }) {
  return (
    <label class="field">
      <span>{t(label)}</span>
      <select id={id} value={resolved(of.value)} onChange={(e) => (of.value = e.currentTarget.value)}>
        {choices.value.map(({ name, label }) => <option key={name} value={name}>{label}</option>)}
        {!choices.value.length && <option>{t("no_models_yet")}</option>}
      </select>
    </label>
  );
}

function Switch({ of, label }: { of: Signal<boolean>; label: Phrase }) {
  return (
    <label class="switch">
      <input type="checkbox" role="switch" checked={of.value}
             onChange={(e) => (of.value = e.currentTarget.checked)} />
      <span>{t(label)}</span>
    </label>
  );
}

export function ModelPicker() {
  const hidden = mustHideNames(conversation.value);
  return (
    <section class="group" aria-label={t("policy")}>
      {hidden ? <p class="muted">{t("names_hidden")}</p> : (
        <>
          <Picker of={leftModel} label={comparing.value ? "first_policy" : "policy"} id="policy" />
          {comparing.value && <Picker of={rightModel} label="second_policy" id="policy2" />}
        </>
      )}
      <Switch of={comparing} label="side_by_side" />
      {comparing.value && <Switch of={blind} label="blind" />}
    </section>
  );
}
