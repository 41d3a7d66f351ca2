// A state in a word.
import type { ReactNode } from "react";
import styles from "./badge.module.css";

export type BadgeTone = "live" | "calm" | "done" | "warning";

export function Badge({ tone, children }: { tone: BadgeTone; children: ReactNode }) {
  return <span className={`${styles["badge"]} ${styles[tone]}`}>{children}</span>;
}
