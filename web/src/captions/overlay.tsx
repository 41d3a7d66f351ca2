// The words that are being said, over or below the picture.
import { useText } from "../text/index.js";
import { room as texts } from "../text/room.js";
import { usePreference } from "../preference.js";
import { overlay, type Entry } from "./model.js";
import type { Shown } from "./feed.js";
import { speakerColour } from "../ui/speaker.js";
import styles from "./overlay.module.css";
import * as settings from "./settings.js";

/** So many speakers' words fit over a picture; who spoke before them is in the panel. */
const ENTRIES = 3;

interface Props {
  shown: Shown;
  position: settings.Position;
}

export function CaptionOverlay({ shown, position }: Props) {
  const text = useText(texts);
  const [size] = usePreference(settings.size);
  const [contrast] = usePreference(settings.contrast);
  const [spoken] = usePreference(settings.spoken);
  const said = overlay(shown.captions, shown.now);
  const entries = said.slice(-ENTRIES);
  return (
    <>
      {(entries.length > 0 || position === "below") && (
        <section
          className={styles.overlay}
          aria-label={text.captions}
          data-size={size}
          data-contrast={contrast}
          data-position={position}
        >
          {/* Interims change with every word: a screen reader would never come to an end. */}
          <div aria-hidden="true">
            {entries.map((entry) => (
              <Words key={entry.key} entry={entry} />
            ))}
          </div>
        </section>
      )}
      {/* It stays while nobody speaks: of a region that is new, screen readers don't say what is in it. */}
      {spoken === "on" && <Announced entries={said} />}
    </>
  );
}

function Words({ entry }: { entry: Entry }) {
  if (entry.kind === "gap") return null;
  return (
    <p className={styles.words}>
      <b style={{ color: speakerColour(entry.identity) }}>{entry.name}</b>
      <span className={styles.tail}>
        <span>
          {entry.pieces.map(({ id, text, isFinal, language }) => (
            <span key={id} lang={language ?? undefined} data-final={isFinal}>
              {text}{" "}
            </span>
          ))}
        </span>
      </span>
    </p>
  );
}

/** Settled words alone, each once, when the screen reader has nothing more urgent to say. */
function Announced({ entries }: { entries: readonly Entry[] }) {
  const pieces = entries.flatMap((entry) =>
    entry.kind === "gap"
      ? []
      : entry.pieces.filter(({ isFinal }) => isFinal).map((piece) => ({ ...piece, name: entry.name })),
  );
  return (
    <div className="unseen" role="log" aria-live="polite" aria-relevant="additions">
      {pieces.map(({ id, name, text, language }) => (
        <p key={id}>
          {name}: <span lang={language ?? undefined}>{text}</span>
        </p>
      ))}
    </div>
  );
}
