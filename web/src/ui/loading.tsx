// Something is on its way.
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import styles from "./loading.module.css";

export function Loading() {
  const text = useText(shell);
  return (
    <div className={styles["loading"]} role="status">
      <span className={styles["spinner"]} aria-hidden="true" />
      {text.loading}
    </div>
  );
}
