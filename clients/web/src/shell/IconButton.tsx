import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icons";

interface Props {
  icon: IconName;
  label: string; // for screen readers and the tooltip; shown too if `children` do not replace it
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  keys?: string;
  class?: string;
  children?: ComponentChildren;
}

/** A button that is a sign, with a name for those who do not see it. */
export function IconButton({ icon, label, onClick, disabled, pressed, keys, children, ...rest }: Props) {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ""}`}
      onClick={onClick}
      disabled={disabled ?? false}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={keys}
      title={keys ? `${label} (${keys})` : label}
    >
      <Icon name={icon} />
      {children}
    </button>
  );
}
