/** Settings by name: three that come along, and one's own. */
import { t } from "../i18n/i18n";
import { IconButton } from "../shell/IconButton";
import { confirm } from "../shell/messages";
import { conversation } from "./history";
import { applyNumbers, builtInPresets, settings } from "./params";
import { dropPreset, keepPreset, presets, type Preset } from "./presets";
import { changeSystem } from "./system";

function use(preset: Preset): void {
  settings.value = preset.settings;
  changeSystem(preset.system);
}

function keep(form: HTMLFormElement): void {
  const name = String(new FormData(form).get("name") ?? "").trim();
  if (!name) return;
  keepPreset(name, conversation.value.system);
  form.reset();
}

async function drop(name: string): Promise<void> {
  if (await confirm(t("preset_drop"), name, t("delete"))) dropPreset(name);
}

export function PresetBar() {
  return (
    <section class="group presets" aria-label={t("presets")}>
      <div class="chips">
        {builtInPresets.map(({ name, numbers }) => (
          <button type="button" class="chip" key={name} onClick={() => applyNumbers(numbers)}>
            {t(name)}
          </button>
        ))}
        {presets.value.map((preset) => (
          <span class="chip own" key={preset.name}>
            <button type="button" onClick={() => use(preset)}>{preset.name}</button>
            <IconButton icon="close" label={`${t("preset_drop")}: ${preset.name}`}
                        onClick={() => void drop(preset.name)} />
          </span>
        ))}
      </div>
      <details class="fine">
        <summary>{t("preset_keep")}</summary>
        <form class="row" onSubmit={(e) => { e.preventDefault(); keep(e.currentTarget); }}>
          <input name="name" maxLength={40} aria-label={t("preset_name")} placeholder={t("preset_name")} />
          <button type="submit">{t("save")}</button>
        </form>
      </details>
    </section>
  );
}
