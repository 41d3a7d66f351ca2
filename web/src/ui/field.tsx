// What is filled in: a label, a hint, and what is wrong with it.
import {
  useId,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
} from "react";
import styles from "./field.module.css";

interface Described {
  label: string;
  hint?: ReactNode;
  /** What is wrong with it, and what to write instead. */
  error?: string | null;
}

export function Field({ label, hint, error, ...input }: Described & InputHTMLAttributes<HTMLInputElement>) {
  const { id, described, frame } = useDescription({ label, hint, error: error ?? null });
  return frame(
    <input
      className={styles["input"]}
      {...input}
      id={id}
      aria-describedby={described}
      aria-invalid={error ? true : undefined}
    />,
  );
}

export function TextArea({
  label,
  hint,
  error,
  ...input
}: Described & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  const { id, described, frame } = useDescription({ label, hint, error: error ?? null });
  return frame(
    <textarea
      className={styles["input"]}
      {...input}
      id={id}
      aria-describedby={described}
      aria-invalid={error ? true : undefined}
    />,
  );
}

export function Select({
  label,
  hint,
  error,
  ...input
}: Described & SelectHTMLAttributes<HTMLSelectElement>) {
  const { id, described, frame } = useDescription({ label, hint, error: error ?? null });
  return frame(<select className={styles["input"]} {...input} id={id} aria-describedby={described} />);
}

/** Something to switch on and off. */
export function Check({ label, hint, ...input }: Described & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <div className={styles["check"]}>
      <input type="checkbox" {...input} id={id} aria-describedby={hint ? `${id}-hint` : undefined} />
      <label htmlFor={id}>
        {label}
        {hint && (
          <span id={`${id}-hint`} className={styles["hint"]}>
            {hint}
          </span>
        )}
      </label>
    </div>
  );
}

function useDescription({ label, hint, error }: Described) {
  const id = useId();
  const ids = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean);
  const frame = (input: ReactNode) => (
    <div className={styles["field"]}>
      <label htmlFor={id}>{label}</label>
      {input}
      {hint && (
        <p id={`${id}-hint`} className={styles["hint"]}>
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className={styles["error"]}>
          {error}
        </p>
      )}
    </div>
  );
  return { id, described: ids.length > 0 ? ids.join(" ") : undefined, frame };
}
