import type { ReactNode } from "react";
import styles from "./room-list.module.css";

/** Rooms as cards, side by side where there is room for that. */
export function RoomList({ children }: { children: ReactNode }) {
  return <ul className={styles["list"]}>{children}</ul>;
}
