/** A field of a form out of the schema that a plugin wrote for it. Left empty, it is not sent, and the
 *  plugin's default holds. */
import type { FieldSchema } from "../api/types";
import { figure } from "../i18n/i18n";

interface Props {
  name: string;
  schema: FieldSchema;
  required: boolean;
  value: string;
  onChange: (text: string) => void;
}

const typeOf = (schema: FieldSchema) =>
  Array.isArray(schema.type) ? schema.type.find((type) => type !== "null") : schema.type;

function shownDefault({ default: value }: FieldSchema): string {
  return value === undefined || value === null ? "" : typeof value === "number" ? figure(value) : String(value);
}

/** The value to send for a field's text; undefined for none. */
export function valueOf(schema: FieldSchema, text: string): unknown {
  if (text.trim() === "") return undefined;
  const type = typeOf(schema);
  return type === "number" || type === "integer" ? Number(text)
    : type === "boolean" ? text === "true" : text;
}

export function SchemaField({ name, schema, required, value, onChange }: Props) {
  const options = schema.enum?.map(String) ?? (typeOf(schema) === "boolean" ? ["true", "false"] : null);
  const numeric = ["number", "integer"].includes(typeOf(schema) ?? "");
  const common = {
    required, value, placeholder: shownDefault(schema),
    onInput: (e: { currentTarget: HTMLInputElement }) => onChange(e.currentTarget.value),
  };
  return (
    <label class="field">
      <span class="mono">{name}{required ? " *" : ""}</span>
      {options ? (
        <select value={value} onChange={(e) => onChange(e.currentTarget.value)}>
          <option value="">{shownDefault(schema) || "–"}</option>
          {options.map((option) => <option key={option} value={option}>{option}</option>)}
        </select>
      ) : numeric ? (
        <input type="number" step="any" min={schema.minimum} max={schema.maximum} {...common} />
      ) : (
        <input {...common} />
      )}
      {schema.description && <small>{schema.description}</small>}
    </label>
  );
}
