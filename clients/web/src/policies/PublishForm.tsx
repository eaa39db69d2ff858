/** Puts a policy into service under a name. Asks once more, since everyone who uses the name is moved. */
import { useState } from "preact/hooks";
import type { Policy } from "../api/types";
import { t } from "../i18n/i18n";
import { confirm, say, sayError } from "../shell/messages";
import { aliases, publish } from "./registry";

export function PublishForm({ policy }: { policy: Policy }) {
  const [alias, setAlias] = useState(aliases.value[0]?.name ?? "instruct");
  const [reason, setReason] = useState("");
  const now = aliases.value.find((a) => a.name === alias)?.policy;
  const submit = async () => {
    const text = now ? t("publish_text", { alias, from: now, to: policy.id })
      : t("publish_new_text", { alias, to: policy.id });
    if (!(await confirm(t("publish"), text, t("publish")))) return;
    try {
      await publish(alias, policy.id, reason.trim());
      setReason("");
      say(t("published", { alias, policy: policy.id }));
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <form class="publish" onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <label class="field">
        <span>{t("publish_as")}</span>
        <input list="aliases" required pattern="[a-z0-9][a-z0-9\-]{0,63}" value={alias}
               onInput={(e) => setAlias(e.currentTarget.value)} />
        <datalist id="aliases">{aliases.value.map((a) => <option key={a.name} value={a.name} />)}</datalist>
      </label>
      <label class="field">
        <span>{t("reason")}</span>
        <input value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} />
      </label>
      <button type="submit" class="primary" disabled={now === policy.id}>{t("publish")}</button>
    </form>
  );
}
