/** The form that builds a data set of what people gave here. Its fields keep their own values; they are
 *  read when it is sent. */
import { useState } from "preact/hooks";
import { number, t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { say, sayError } from "../shell/messages";
import { buildDataset, kinds, type DatasetKind, type NewDataset as Wanted } from "./datasets";

/** What the form says; the rest of the shares is the test part's. */
function wantedOf(form: HTMLFormElement): Wanted {
  const data = new FormData(form);
  const text = (name: string) => String(data.get(name) ?? "");
  const [train, valid] = [Number(text("train")), Number(text("valid"))];
  const test = Math.max(0, Number((1 - train - valid).toFixed(6)));
  return {
    name: text("name"),
    kind: text("kind") as DatasetKind,
    fractions: { train, valid, test },
    cap_per_user: Number(text("cap_per_user")),
    salt: text("salt"),
    seed: Number(text("seed")),
  };
}

function NumberField({ name, start, step, max }: {
  name: string; start: number; step: number; max: number;
}) {
  return (
    <label class="field">
      <span class="mono">{name}</span>
      <input type="number" name={name} required min={0} max={max} step={step} defaultValue={String(start)} />
    </label>
  );
}

export function NewDataset({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const submit = async (form: HTMLFormElement) => {
    setBusy(true);
    try {
      const made = await buildDataset(wantedOf(form));
      say(t("dataset_built", { n: number(made.counts.train) }));
      onClose();
    } catch (error) {
      sayError(error);
    }
    setBusy(false);
  };
  return (
    <Dialog title={t("new_dataset")} open={open} onClose={onClose} wide>
      <form class="new-job" onSubmit={(e) => { e.preventDefault(); void submit(e.currentTarget); }}>
        <p class="muted small">{t("dataset_text")}</p>
        <div class="two">
          <label class="field">
            <span>{t("preset_name")}</span>
            <input name="name" required maxLength={64} />
          </label>
          <label class="field">
            <span>{t("dataset_kind")}</span>
            <select name="kind">
              {kinds.map((kind) => <option key={kind} value={kind}>{t(`dataset_${kind}`)}</option>)}
            </select>
          </label>
          <NumberField name="train" start={0.8} step={0.01} max={1} />
          <NumberField name="valid" start={0.1} step={0.01} max={1} />
          <NumberField name="cap_per_user" start={200} step={1} max={1000000} />
          <NumberField name="seed" start={0} step={1} max={2 ** 31} />
        </div>
        <label class="field">
          <span class="mono">salt</span>
          <input name="salt" required defaultValue="instructd" />
          <small>{t("salt_text")}</small>
        </label>
        <div class="row end">
          <button type="button" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" class="primary" disabled={busy}>{t("build_dataset")}</button>
        </div>
      </form>
    </Dialog>
  );
}
