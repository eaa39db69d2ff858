/** One number: a slider for feeling one's way, a field for saying it. */
import { t } from "../i18n/i18n";
import type { ParamSpec } from "./params";
import { setNumber, settings } from "./params";

export function Slider({ spec, value }: { spec: ParamSpec; value: number }) {
  const id = `param-${spec.name}`;
  const take = (text: string) => {
    const given = Number(text);
    if (text.trim() === "" || !Number.isFinite(given)) return;
    const whole = spec.step >= 1 ? Math.round(given) : given;
    setNumber(spec.name, Math.min(spec.most, Math.max(spec.min, whole)));
  };
  /** What was typed, as it is taken; a field that shows anything else would promise what is not sent. */
  const settle = (field: HTMLInputElement) => {
    take(field.value);
    field.value = String(settings.value.numbers[spec.name] ?? spec.off);
  };
  return (
    <div class="slider">
      <label for={id} class="mono">{spec.name}</label>
      <input id={id} type="number" min={spec.min} max={spec.most} step={spec.step} value={value}
             aria-describedby={`${id}-help`} onChange={(e) => settle(e.currentTarget)} />
      <input type="range" min={spec.min} max={spec.max} step={spec.step}
             value={Math.min(value, spec.max)} aria-label={spec.name}
             onInput={(e) => take(e.currentTarget.value)} />
      <small id={`${id}-help`}>{t(spec.help)}</small>
    </div>
  );
}
