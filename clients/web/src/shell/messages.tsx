/** Short messages at the screen's edge, and questions that need a yes. */
import { signal } from "@preact/signals";
import { t } from "../i18n/i18n";
import { Dialog } from "./Dialog";

const shownMs = 6000;
const said = signal<{ text: string; bad: boolean } | null>(null);
let timer = 0;

export function say(text: string, bad = false): void {
  said.value = { text, bad };
  clearTimeout(timer);
  timer = window.setTimeout(() => (said.value = null), shownMs);
}

/** Says what went wrong, in the words of the error. */
export function sayError(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

interface Question {
  title: string;
  text: string;
  yes: string;
  answer: (yes: boolean) => void;
}
const asked = signal<Question | null>(null);

/** True when the person agrees. `yes` names what will be done. */
export function confirm(title: string, text: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    const answer = (agreed: boolean) => {
      asked.value = null;
      resolve(agreed);
    };
    asked.value = { title, text, yes, answer };
  });
}

export function Messages() {
  const question = asked.value;
  return (
    <>
      <div class="toast-place" role="status" aria-live="polite">
        {said.value && <div class={said.value.bad ? "toast bad" : "toast"}>{said.value.text}</div>}
      </div>
      <Dialog title={question?.title ?? ""} open={!!question} onClose={() => question?.answer(false)}>
        <p class="question">{question?.text}</p>
        <div class="row end">
          <button type="button" onClick={() => question?.answer(false)}>{t("cancel")}</button>
          <button type="button" class="primary" onClick={() => question?.answer(true)}>
            {question?.yes}
          </button>
        </div>
      </Dialog>
    </>
  );
}
