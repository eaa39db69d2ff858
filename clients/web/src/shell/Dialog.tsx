/** A modal dialog: the browser keeps the focus inside, Esc and the cross close it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import { IconButton } from "./IconButton";

interface Props {
  title: string;
  open: boolean;
  onClose: () => void;
  wide?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, open, onClose, wide, children }: Props) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !box.current?.open) box.current?.showModal();
    if (!open && box.current?.open) box.current.close();
  }, [open]);
  const closeOutside = (event: MouseEvent) => event.target === box.current && onClose();
  return (
    <dialog ref={box} class={wide ? "wide" : ""} aria-label={title} onClose={onClose}
            onClick={closeOutside}>
      {open && (
        <div class="dialog-body">
          <header>
            <h2>{title}</h2>
            <IconButton icon="close" label={t("close")} onClick={onClose} />
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
}
