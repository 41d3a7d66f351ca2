// Somebody without a picture: their initials, in their colour.
import styles from "./avatar.module.css";
import { initials, speakerColour } from "./speaker.js";

export function Avatar({ name, identity }: { name: string; identity: string }) {
  return (
    <span className={styles["avatar"]} style={{ background: speakerColour(identity) }} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
