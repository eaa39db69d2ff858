/** Yes, no, or does not apply. */
import { t } from "../i18n/i18n";
import type { Flag, FlagSpec } from "./flags";

const values: { value: Flag; label: "yes" | "no" | "not_applicable" }[] = [
  { value: true, label: "yes" },
  { value: false, label: "no" },
  { value: null, label: "not_applicable" },
];

interface Props {
  spec: FlagSpec;
  output: string;
  value: Flag;
  onChange: (value: Flag) => void;
}

export function FlagRow({ spec, output, value, onChange }: Props) {
  return (
    <fieldset class="flag">
      <legend>{t(spec.label)}</legend>
      {values.map(({ value: one, label }) => (
        <label key={label}>
          <input type="radio" name={`${output}-${spec.name}`} checked={one === value}
                 onChange={() => onChange(one)} />
          <span>{t(label)}</span>
        </label>
      ))}
    </fieldset>
  );
}
