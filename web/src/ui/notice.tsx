// Something to know: what happened, and what to do about it.
import type { ReactNode } from "react";
import { useErrorText } from "../text/error.js";
import { useText } from "../text/index.js";
import { shell } from "../text/shell.js";
import { Button } from "./button.js";
import { Icon } from "./icon.js";
import styles from "./notice.module.css";

export type Tone = "info" | "success" | "warning" | "error";

export function Notice({ tone = "info", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <div className={`${styles["notice"]} ${styles[tone]}`} role={tone === "error" ? "alert" : "status"}>
      <Icon name={icons[tone]} />
      <div className={styles["body"]}>{children}</div>
    </div>
  );
}

/** An error, and the way to try again if there is one. */
export function ErrorNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const text = useText(shell);
  const errorText = useErrorText();
  return (
    <Notice tone="error">
      <p>{errorText(error)}</p>
      {retry && (
        <Button icon="refresh" onClick={retry}>
          {text.retry}
        </Button>
      )}
    </Notice>
  );
}

const icons = { info: "info", success: "check", warning: "warning", error: "warning" } as const;
