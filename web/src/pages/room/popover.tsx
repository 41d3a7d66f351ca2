// A button that opens something small above it; Escape, a press elsewhere or a choice in it closes it.
import { type ReactNode, useEffect, useRef, useState } from "react";

import { Glyph, type GlyphName } from "../../ui/glyph.js";
import { Icon } from "../../ui/icon.js";
import styles from "./controls.module.css";

interface Props {
  /** Null for three dots. */
  glyph: GlyphName | null;
  label: string;
  place?: "wide";
  children: ReactNode;
}

export function Popover({ glyph, label, place, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const onPress = (event: PointerEvent) => {
      if (event.target instanceof Node && !frame.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    frame.current?.querySelector("button")?.focus();
  };
  return (
    <div
      ref={frame}
      className={styles.popover}
      data-place={place}
      onKeyDown={(event) => event.key === "Escape" && isOpen && close()}
    >
      <button
        type="button"
        className={styles.control}
        aria-label={label}
        title={label}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        {glyph === null ? <Icon name="more" /> : <Glyph name={glyph} />}
      </button>
      {isOpen && (
        <div className={styles.popup} onClick={close}>
          {children}
        </div>
      )}
    </div>
  );
}
