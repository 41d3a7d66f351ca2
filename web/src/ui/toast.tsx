// Short words on what was just done; screen readers are told politely.
import { useSyncExternalStore } from "react";
import styles from "./toast.module.css";

const SHOWN_MS = 5000;

let shown: { id: number; text: string } | null = null;
let last = 0;
const listeners = new Set<() => void>();

/** Shows a text for a few seconds, in place of what was shown before. */
export function toast(text: string): void {
  const id = ++last;
  show({ id, text });
  setTimeout(() => {
    if (shown?.id === id) show(null);
  }, SHOWN_MS);
}

/** Where they are shown: once, in the app. */
export function Toasts() {
  const current = useSyncExternalStore(subscribe, () => shown);
  return (
    <div className={styles["place"]} role="status" aria-live="polite">
      {current && <p className={styles["toast"]}>{current.text}</p>}
    </div>
  );
}

function show(next: typeof shown): void {
  shown = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
