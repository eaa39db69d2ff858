/** The request as code, to take along. */
import { useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { Dialog } from "../shell/Dialog";
import { say } from "../shell/messages";
import { codeLanguages, codeOf, type CodeLanguage } from "./code";

export function CodeDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [language, setLanguage] = useState<CodeLanguage>("curl");
  const code = open ? codeOf(language) : "";
  const copy = () =>
    navigator.clipboard.writeText(code).then(() => say(t("copied")), () => undefined);
  return (
    <Dialog title={t("view_code")} open={open} onClose={onClose} wide>
      <div class="row" role="group" aria-label={t("code_language")}>
        {(Object.keys(codeLanguages) as CodeLanguage[]).map((name) => (
          <button type="button" key={name} class="chip" aria-pressed={name === language}
                  onClick={() => setLanguage(name)}>{name}</button>
        ))}
        <span class="spring" />
        <button type="button" onClick={() => void copy()}>{t("copy")}</button>
      </div>
      <pre class="code" tabIndex={0}>{code}</pre>
    </Dialog>
  );
}
