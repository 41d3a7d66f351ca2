// A button that opens a list of further actions below it: a disclosure, whose items are plain buttons and links.
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Button, IconButton } from "./button.js";
import type { IconName } from "./icon.js";
import styles from "./menu.module.css";

interface Props {
  label: string;
  icon: IconName;
  /** Whether the label is shown beside the picture. */
  labelled?: "always" | "wide";
  children: ReactNode;
}

export function Menu({ label, icon, labelled, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const onPress = (event: Event) => {
      if (!menu.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [isOpen]);

  const close = () => {
    setOpen(false);
    menu.current?.querySelector<HTMLElement>("[aria-expanded]")?.focus();
  };
  const toggle = { "aria-expanded": isOpen, onClick: () => setOpen(!isOpen) };
  return (
    <div
      ref={menu}
      className={styles["menu"]}
      onKeyDown={(event) => event.key === "Escape" && isOpen && close()}
      onBlur={(event) => {
        if (event.relatedTarget !== null && !menu.current?.contains(event.relatedTarget)) setOpen(false);
      }}
    >
      {labelled === undefined ? (
        <IconButton icon={icon} label={label} {...toggle} />
      ) : (
        <Button look="quiet" icon={icon} aria-label={label} {...toggle}>
          <span className={styles[labelled]}>{label}</span>
        </Button>
      )}
      {isOpen && <div className={styles["list"]}>{children}</div>}
    </div>
  );
}

/** Something to do; the menu closes by itself once the focus goes elsewhere. */
export function MenuButton({ onClick, children }: { onClick: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      className={styles["item"]}
      onClick={(event) => {
        closeAround(event.currentTarget);
        onClick();
      }}
    >
      {children}
    </button>
  );
}

/** A file to fetch. */
export function MenuFile({ href, children }: { href: string; children: ReactNode }) {
  return (
    <a className={styles["item"]} href={href} download onClick={(event) => closeAround(event.currentTarget)}>
      {children}
    </a>
  );
}

function closeAround(item: HTMLElement): void {
  item.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
}
