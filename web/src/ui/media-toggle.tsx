// Microphone or camera, on or off: red where it is off, so that nobody talks into a microphone that is not.
import { Glyph } from "./glyph.js";
import styles from "./media-toggle.module.css";

interface Props {
  kind: "microphone" | "camera";
  isOn: boolean;
  /** What pressing it does. */
  label: string;
  onToggle: () => void;
}

export function MediaToggle({ kind, isOn, label, onToggle }: Props) {
  return (
    <button
      type="button"
      className={styles.toggle}
      aria-label={label}
      title={label}
      data-on={isOn}
      data-media={kind}
      onClick={onToggle}
    >
      <Glyph name={isOn ? kind : `${kind}Off`} />
    </button>
  );
}
