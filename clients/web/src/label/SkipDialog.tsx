/** Why a task is passed on. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { skipReasons, type SkipReason } from "./api";

interface Props {
  open: boolean;
  onClose: () => void;
  onSkip: (reason: SkipReason, note: string) => void;
}

export function SkipDialog({ open, onClose, onSkip }: Props) {
  const [reason, setReason] = useState<SkipReason>("unclear");
  const [note, setNote] = useState("");
  const submit = () => {
    onSkip(reason, note.trim());
    setNote("");
    onClose();
  };
  return (
    <Dialog title={t("skip_task")} open={open} onClose={onClose}>
      <form onSubmit={(e) => { e.preventDefault(); submit(); }}>
        <fieldset class="reasons">
          <legend class="muted small">{t("reason")}</legend>
          {skipReasons.map((one) => (
            <label class="switch" key={one}>
              <input type="radio" name="reason" checked={one === reason} onChange={() => setReason(one)} />
              <span>{t(`skip_${one}`)}</span>
            </label>
          ))}
        </fieldset>
        <label class="field">
          <span>{t("note")}</span>
          <input value={note} maxLength={500} onInput={(e) => setNote(e.currentTarget.value)} />
        </label>
        <div class="row end">
          <button type="button" onClick={onClose}>{t("cancel")}</button>
          <button type="submit" class="primary">{t("skip_task")}</button>
        </div>
      </form>
    </Dialog>
  );
}
