// A text to be handed on: seen, and copied.
import { shell } from "../text/shell.js";
import { useText } from "../text/index.js";
import { Button } from "./button.js";
import styles from "./copy-field.module.css";
import { Field } from "./field.js";
import { toast } from "./toast.js";

interface Props {
  label: string;
  hint?: string;
  value: string;
  /** What is said once it is copied. */
  copied: string;
}

export function CopyField({ label, hint, value, copied }: Props) {
  const text = useText(shell);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      toast(copied);
    } catch {
      // Only pages that came by TLS, or from this machine, may copy: it can be marked by hand.
      toast(text.copyByHand);
    }
  };
  return (
    <div className={styles["copy"]}>
      <Field
        label={label}
        hint={hint}
        value={value}
        readOnly
        autoFocus
        onFocus={(event) => event.currentTarget.select()}
      />
      <Button look="primary" icon="copy" onClick={() => void copy()}>
        {text.copy}
      </Button>
    </div>
  );
}
