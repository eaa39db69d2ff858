/** The form that builds a data set of what people gave here. */
import { useState } from "preact/hooks";
import { number, t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { say, sayError } from "../shell/messages";
import { buildDataset, kinds, type DatasetKind, type NewDataset as Wanted } from "./datasets";

const standard: Wanted = {
  name: "", kind: "rm", fractions: { train: 0.8, valid: 0.1, test: 0.1 }, cap_per_user: 200,
  salt: "instructd", seed: 0,
};

function NumberField({ label, value, step, max, onChange }: {
  label: string; value: number; step: number; max: number; onChange: (value: number) => void;
}) {
  return (
    <label class="field">
      <span class="mono">{label}</span>
      <input type="number" min={0} max={max} step={step} value={value}
             onChange={(e) => onChange(Number(e.currentTarget.value))} />
    </label>
  );
}

export function NewDataset({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [wanted, setWanted] = useState(standard);
  const [busy, setBusy] = useState(false);
  const set = (part: Partial<Wanted>) => setWanted((now) => ({ ...now, ...part }));
  const { train, valid } = wanted.fractions;
  const setShares = (train: number, valid: number) =>
    set({ fractions: { train, valid, test: Math.max(0, +(1 - train - valid).toFixed(4)) } });
  const submit = async () => {
    setBusy(true);
    try {
      const made = await buildDataset(wanted);
      say(t("dataset_built", { n: number(made.counts.train) }));
      onClose();
    } catch (error) {
      sayError(error);
    }
    setBusy(false);
  };
  return (
    <Dialog title={t("new_dataset")} open={open} onClose={onClose} wide>
      <form class="new-job" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
        <p class="muted small">{t("dataset_text")}</p>
        <div class="two">
          <label class="field">
            <span>{t("preset_name")}</span>
            <input required maxLength={64} value={wanted.name}
                   onInput={(e) => set({ name: e.currentTarget.value })} />
          </label>
          <label class="field">
            <span>{t("dataset_kind")}</span>
            <select value={wanted.kind} onChange={(e) => set({ kind: e.currentTarget.value as DatasetKind })}>
              {kinds.map((kind) => <option key={kind} value={kind}>{t(`dataset_${kind}`)}</option>)}
            </select>
          </label>
          <NumberField label="train" value={train} step={0.05} max={1} onChange={(v) => setShares(v, valid)} />
          <NumberField label="valid" value={valid} step={0.05} max={1} onChange={(v) => setShares(train, v)} />
          <NumberField label="cap_per_user" value={wanted.cap_per_user} step={1} max={1000000}
                       onChange={(cap_per_user) => set({ cap_per_user })} />
          <NumberField label="seed" value={wanted.seed} step={1} max={2 ** 31}
                       onChange={(seed) => set({ seed })} />
        </div>
        <label class="field">
          <span class="mono">salt</span>
          <input required value={wanted.salt} onInput={(e) => set({ salt: e.currentTarget.value })} />
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
