/** The recurring notice: what is kept of what is typed here, and one's say in it. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { confirm, say, sayError } from "../shell/messages";
import { deleteMyData, me, meMissing, noticeIsDue, setConsent } from "../state/me";

async function choose(choice: "share" | "decline"): Promise<void> {
  try {
    await setConsent(choice);
  } catch (error) {
    sayError(error);
  }
}

function Choices() {
  const chosen = me.value?.notice?.choice;
  return (
    <div class="row wrap">
      <button type="button" class={chosen === "share" ? "primary" : ""}
              aria-pressed={chosen === "share"} onClick={() => void choose("share")}>
        {t("consent_share")}
      </button>
      <button type="button" aria-pressed={chosen !== "share"} onClick={() => void choose("decline")}>
        {t("consent_decline")}
      </button>
    </div>
  );
}

export function Notice() {
  const notice = me.value?.notice;
  if (!notice || !noticeIsDue()) return null;
  return (
    <section class="notice" aria-label={t("notice")}>
      <p>{notice.text}</p>
      <Choices />
    </section>
  );
}

async function eraseAll(): Promise<void> {
  if (!(await confirm(t("delete_my_data"), t("delete_my_data_text"), t("delete")))) return;
  try {
    await deleteMyData();
    say(t("deleted_my_data"));
  } catch (error) {
    sayError(error);
  }
}

export function PrivacyDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const notice = me.value?.notice;
  return (
    <Dialog title={t("privacy")} open={open} onClose={onClose}>
      {notice ? (
        <>
          <p>{notice.text}</p>
          <Choices />
          <hr />
          <button type="button" class="danger" onClick={() => void eraseAll()}>
            {t("delete_my_data")}
          </button>
        </>
      ) : (
        <p>{t(meMissing.value ? "privacy_no_capture" : "privacy_no_key")}</p>
      )}
      <p class="muted small">{t("history_where")}</p>
    </Dialog>
  );
}

/** The line under the composer that leads to the dialog. */
export function PrivacyLine() {
  const [open, setOpen] = useState(false);
  const shares = me.value?.notice?.choice === "share";
  return (
    <p class="privacy muted small">
      {t(shares ? "privacy_sharing" : "privacy_not_kept")}{" "}
      <button type="button" class="link" onClick={() => setOpen(true)}>{t("privacy")}</button>
      <PrivacyDialog open={open} onClose={() => setOpen(false)} />
    </p>
  );
}
