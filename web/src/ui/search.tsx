// A field to look for something.
import { useId } from "react";
import { Icon } from "./icon.js";
import styles from "./search.module.css";

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

export function Search({ label, value, onChange }: Props) {
  const id = useId();
  return (
    <div role="search" className={styles["search"]}>
      <label htmlFor={id} className="unseen">
        {label}
      </label>
      <Icon name="search" />
      <input
        id={id}
        type="search"
        value={value}
        placeholder={label}
        maxLength={200}
        autoComplete="off"
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
