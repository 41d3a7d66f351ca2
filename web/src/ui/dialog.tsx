// A question or a form above the page; the browser's own dialog keeps the focus in it and closes it by Escape.
import { useEffect, useId, useRef, type ReactNode } from "react";
import { shell } from "../text/shell.js";
import { useText } from "../text/index.js";
import { IconButton } from "./button.js";
import styles from "./dialog.module.css";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

/** Open as long as it is there. */
export function Dialog({ title, onClose, children }: Props) {
  const text = useText(shell);
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opened = dialog.current;
    opened?.showModal();
    return () => opened?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={styles["dialog"]}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div className={styles["header"]}>
        <h2 id={id}>{title}</h2>
        <IconButton icon="close" label={text.close} onClick={onClose} />
      </div>
      {children}
    </dialog>
  );
}

/** The buttons at a dialog's end. */
export function Actions({ children }: { children: ReactNode }) {
  return <div className={styles["actions"]}>{children}</div>;
}
