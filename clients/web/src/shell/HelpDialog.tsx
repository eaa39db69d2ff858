/** The keys of a page, as a list. */
import { Dialog } from "./Dialog";
import { t } from "../i18n/i18n";

export interface KeyHelp {
  keys: string;
  does: string;
}

interface Props {
  open: boolean;
  onClose: () => void;
  keys: KeyHelp[];
}

export function HelpDialog({ open, onClose, keys }: Props) {
  return (
    <Dialog title={t("keyboard")} open={open} onClose={onClose}>
      <dl class="keys">
        {keys.map(({ keys, does }) => (
          <div key={keys}>
            <dt>{keys.split(" ").map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
