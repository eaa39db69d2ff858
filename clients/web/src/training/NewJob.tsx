/** The form that starts a job. What it asks for is what the method's plugin says of itself
 *  (GET /v1/fine_tuning/methods), so a new plugin needs no change here. */
import { useState } from "preact/hooks";
import { call, post } from "../api/client";
import type { FieldSchema, Job, Method, Upload } from "../api/types";
import { t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { sayError } from "../shell/messages";
import { models } from "../state/server";
import { files, loadChoices, loadJobs, methods } from "./jobs";
import { SchemaField, valueOf } from "./SchemaField";

type Texts = Record<string, string>;

/** Numbers of the method proper; the other properties are its files and models. */
function partsOf(method: Method) {
  const { hyperparameters, publish: _, ...others } = method.schema.properties ?? {};
  return { others, numbers: hyperparameters?.properties ?? {}, required: method.schema.required ?? [] };
}

function valuesOf(fields: Record<string, FieldSchema>, texts: Texts, prefix: string) {
  return Object.fromEntries(
    Object.entries(fields)
      .map(([name, schema]) => [name, valueOf(schema, texts[prefix + name] ?? "")])
      .filter(([, value]) => value !== undefined),
  );
}

function requestOf(method: Method, texts: Texts): object {
  const { others, numbers } = partsOf(method);
  const alias = texts["publish"]?.trim();
  const own = {
    ...valuesOf(others, texts, "other."),
    hyperparameters: valuesOf(numbers, texts, "number."),
    ...(alias ? { publish: { alias } } : {}),
  };
  const validation = texts["validation_file"];
  return {
    model: texts["model"] || models.value[0]?.id,
    training_file: texts["training_file"],
    ...(validation ? { validation_file: validation } : {}),
    ...(texts["seed"] ? { seed: Number(texts["seed"]) } : {}),
    method: { type: method.type, [method.type]: own },
  };
}

async function upload(file: File): Promise<Upload> {
  const form = new FormData();
  form.append("purpose", "fine-tune");
  form.append("file", file, file.name);
  const uploaded = (await (await call("POST", "/v1/files", { form })).json()) as Upload;
  if (uploaded.status === "error") throw new Error(uploaded.status_details ?? "");
  await loadChoices();
  return uploaded;
}

function FilePicker({ label, value, required, onChange }: {
  label: string; value: string; required: boolean; onChange: (id: string) => void;
}) {
  const take = (file: File | undefined) => {
    if (file) upload(file).then((done) => onChange(done.id), sayError);
  };
  return (
    <div class="field">
      <label class="field">
        <span class="mono">{label}{required ? " *" : ""}</span>
        <select value={value} required={required} onChange={(e) => onChange(e.currentTarget.value)}>
          <option value="">–</option>
          {files.value.map((file) => (
            <option key={file.id} value={file.id}>
              {file.filename} · {file.format ?? "?"} · {t("n_rows", { n: file.rows ?? 0 })}
            </option>
          ))}
        </select>
      </label>
      <label class="small upload">
        <span>{t("or_upload")}</span>
        <input type="file" accept=".jsonl,.json" onChange={(e) => take(e.currentTarget.files?.[0])} />
      </label>
    </div>
  );
}

function ModelField({ texts, set }: { texts: Texts; set: (name: string, text: string) => void }) {
  return (
    <label class="field">
      <span class="mono">model *</span>
      <input list="known-models" required value={texts["model"] ?? models.value[0]?.id ?? ""}
             onInput={(e) => set("model", e.currentTarget.value)} />
      <datalist id="known-models">
        {models.value.map((model) => <option key={model.id} value={model.id} />)}
      </datalist>
    </label>
  );
}

function Fields({ method, texts, set }: {
  method: Method; texts: Texts; set: (name: string, text: string) => void;
}) {
  const { others, numbers, required } = partsOf(method);
  return (
    <>
      <div class="two">
        {Object.entries(others).map(([name, schema]) => (
          <SchemaField key={name} name={name} schema={schema} required={required.includes(name)}
                       value={texts[`other.${name}`] ?? ""} onChange={(v) => set(`other.${name}`, v)} />
        ))}
      </div>
      <details>
        <summary>{t("hyperparameters")}</summary>
        <div class="two">
          {Object.entries(numbers).map(([name, schema]) => (
            <SchemaField key={name} name={name} schema={schema} required={false}
                         value={texts[`number.${name}`] ?? ""} onChange={(v) => set(`number.${name}`, v)} />
          ))}
        </div>
      </details>
    </>
  );
}

interface Props {
  open: boolean;
  onClose: () => void;
  onStarted: (job: string) => void;
}

export function NewJob({ open, onClose, onStarted }: Props) {
  const [type, setType] = useState("");
  const [texts, setTexts] = useState<Texts>({});
  const method = methods.value.find((m) => m.type === type) ?? methods.value[0];
  const set = (name: string, text: string) => setTexts((now) => ({ ...now, [name]: text }));
  const submit = async () => {
    if (!method) return;
    try {
      const job = await post<Job>("/v1/fine_tuning/jobs", requestOf(method, texts));
      await loadJobs();
      onStarted(job.id);
      onClose();
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <Dialog title={t("new_job")} open={open} onClose={onClose} wide>
      {!method ? <p>{t("no_methods")}</p> : (
        <form class="new-job" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
          <div class="two">
            <label class="field">
              <span>{t("method")}</span>
              <select value={method.type} onChange={(e) => setType(e.currentTarget.value)}>
                {methods.value.map((m) => (
                  <option key={m.type} value={m.type}>{m.type} ({m.plugin})</option>
                ))}
              </select>
            </label>
            <ModelField texts={texts} set={set} />
          </div>
          <div class="two">
            <FilePicker label="training_file" required value={texts["training_file"] ?? ""}
                        onChange={(id) => set("training_file", id)} />
            <FilePicker label="validation_file" required={false} value={texts["validation_file"] ?? ""}
                        onChange={(id) => set("validation_file", id)} />
          </div>
          <Fields method={method} texts={texts} set={set} />
          <div class="two">
            <label class="field">
              <span>{t("publish_as")}</span>
              <input value={texts["publish"] ?? ""} placeholder={t("publish_not")} pattern="[a-z0-9][a-z0-9\-]*"
                     onInput={(e) => set("publish", e.currentTarget.value)} />
            </label>
            <label class="field">
              <span class="mono">seed</span>
              <input type="number" value={texts["seed"] ?? ""} placeholder="0"
                     onInput={(e) => set("seed", e.currentTarget.value)} />
            </label>
          </div>
          <div class="row end">
            <button type="button" onClick={onClose}>{t("cancel")}</button>
            <button type="submit" class="primary">{t("start_job")}</button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
