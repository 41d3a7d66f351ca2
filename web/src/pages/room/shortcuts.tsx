// The keys, and what they do.
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Dialog } from "../../ui/dialog.js";
import { keys } from "./keys.js";
import styles from "./shortcuts.module.css";

export function Shortcuts({ onClose }: { onClose: () => void }) {
  const text = useText(texts);
  return (
    <Dialog title={text.shortcuts} onClose={onClose}>
      <dl className={styles.keys}>
        {keys.map(([key, deed]) => (
          <div key={key}>
            <dt>
              <kbd>{key.toUpperCase()}</kbd>
            </dt>
            <dd>{text[`key_${deed}`]}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
