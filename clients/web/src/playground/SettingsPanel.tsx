/** Everything that goes along with a request. */
import { t } from "../i18n/i18n";
import { changeSystem } from "./system";
import { conversation } from "./history";
import { ModelPicker } from "./ModelPicker";
import { change, settings, specs } from "./params";
import { PresetBar } from "./PresetBar";
import { Slider } from "./Slider";

/** Escapes, so that a stop text can hold a line end. */
const shown = (stop: string) => stop.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
const meant = (line: string) => line.replace(/\\(n|\\)/g, (_, c) => (c === "n" ? "\n" : "\\"));

function SystemPrompt() {
  return (
    <label class="field">
      <span>{t("system_prompt")}</span>
      <textarea rows={3} value={conversation.value.system} placeholder={t("system_placeholder")}
                onInput={(e) => changeSystem(e.currentTarget.value)} />
    </label>
  );
}

function CompleteTexts() {
  const { startText, restartText } = settings.value;
  return (
    <div class="two">
      <label class="field">
        <span>{t("start_text")}</span>
        <input value={shown(startText)}
               onChange={(e) => change({ startText: meant(e.currentTarget.value) })} />
      </label>
      <label class="field">
        <span>{t("restart_text")}</span>
        <input value={shown(restartText)}
               onChange={(e) => change({ restartText: meant(e.currentTarget.value) })} />
      </label>
    </div>
  );
}

function Seed() {
  const seed = settings.value.seed;
  return (
    <label class="field">
      <span class="mono">seed</span>
      <input type="number" step={1} value={seed ?? ""} placeholder={t("seed_random")}
             onChange={(e) => {
               const text = e.currentTarget.value;
               change({ seed: text === "" ? null : Math.trunc(Number(text)) });
             }} />
    </label>
  );
}

function Fine() {
  const now = settings.value;
  return (
    <details class="fine">
      <summary>{t("more_settings")}</summary>
      <Seed />
      <label class="field">
        <span>{t("stop_texts")}</span>
        <textarea rows={2} class="mono" value={now.stop.map(shown).join("\n")}
                  onChange={(e) => change({
                    stop: e.currentTarget.value.split("\n").filter(Boolean).slice(0, 16).map(meant),
                  })} />
      </label>
      <label class="field">
        <span class="mono">stop_token_ids</span>
        <input class="mono" inputMode="numeric" value={now.stopTokenIds} placeholder="0, 2"
               onChange={(e) => change({ stopTokenIds: e.currentTarget.value })} />
      </label>
      <label class="field">
        <span class="mono">logit_bias</span>
        <textarea rows={2} class="mono" value={now.logitBias} placeholder="50256: -100"
                  onChange={(e) => change({ logitBias: e.currentTarget.value })} />
      </label>
      <label class="switch">
        <input type="checkbox" role="switch" checked={now.ignoreEos}
               onChange={(e) => change({ ignoreEos: e.currentTarget.checked })} />
        <span class="mono">ignore_eos</span>
      </label>
    </details>
  );
}

export function SettingsPanel() {
  const now = settings.value;
  return (
    <div class="settings">
      <ModelPicker />
      {conversation.value.mode === "chat" ? <SystemPrompt /> : <CompleteTexts />}
      <PresetBar />
      <section class="group" aria-label={t("sampling")}>
        {specs.map((spec) => (
          <Slider key={spec.name} spec={spec} value={now.numbers[spec.name] ?? spec.off} />
        ))}
        <label class="switch">
          <input type="checkbox" role="switch" checked={now.alternatives > 0}
                 onChange={(e) => change({ alternatives: e.currentTarget.checked ? 5 : 0 })} />
          <span>{t("token_probabilities")}</span>
        </label>
      </section>
      <Fine />
    </div>
  );
}
