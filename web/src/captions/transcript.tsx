// All that was said so far, from before one came on, to read back; gaps stand where words are missing.
import { useMemo, useState } from "react";

import { useFollowing } from "../pages/room/scroll.js";
import { duration, timecode } from "../text/format.js";
import { room as texts } from "../text/room.js";
import { fill, useLanguage, useText } from "../text/index.js";
import { Button } from "../ui/button.js";
import { Empty } from "../ui/empty.js";
import { speakerColour } from "../ui/speaker.js";
import type { Shown } from "./feed.js";
import { type Entry, type Gap, transcript } from "./model.js";
import styles from "./transcript.module.css";

/** More than this is not drawn until it is asked for: an hour's words are some thousand pieces. */
const ENTRIES = 150;

export function Transcript({ shown }: { shown: Shown }) {
  const text = useText(texts);
  const entries = useMemo(() => transcript(shown.captions, shown.now), [shown]);
  const [limit, setLimit] = useState(ENTRIES);
  const { list, onScroll, isAtEnd, toEnd } = useFollowing(entries);
  if (entries.length === 0) return <Nothing shown={shown} />;
  const drawn = entries.slice(-limit);
  return (
    <div className={styles.frame}>
      {/* It can be scrolled, so the keyboard has to reach it. */}
      <div
        ref={list}
        className={styles.transcript}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label={text.transcript}
      >
        {shown.history === "away" && <p className={styles.away}>{text.historyAway}</p>}
        {drawn.length < entries.length && (
          <Button look="quiet" onClick={() => setLimit(limit + ENTRIES)}>
            {text.earlier}
          </Button>
        )}
        {drawn.map((entry) =>
          entry.kind === "gap" ? (
            <Missing key={entry.key} gap={entry} />
          ) : (
            <Speech key={entry.key} entry={entry} />
          ),
        )}
      </div>
      {!isAtEnd && (
        <div className={styles.toEnd}>
          <Button look="primary" onClick={toEnd}>
            {text.toLatest}
          </Button>
        </div>
      )}
    </div>
  );
}

function Speech({ entry }: { entry: Entry & { kind: "speech" } }) {
  return (
    <article className={styles.speech}>
      <h2 style={{ color: speakerColour(entry.identity) }}>
        {entry.name}
        {entry.startMs !== null && <time>{timecode(entry.startMs)}</time>}
      </h2>
      <p>
        {entry.pieces.map(({ id, text, isFinal, language }) => (
          <span key={id} lang={language ?? undefined} data-final={isFinal}>
            {text}{" "}
          </span>
        ))}
      </p>
    </article>
  );
}

function Missing({ gap }: { gap: Gap }) {
  const text = useText(texts);
  const language = useLanguage();
  const long = duration(language, Math.max(1000, gap.endMs - gap.startMs));
  return (
    <p className={styles.gap}>
      <time>{timecode(gap.startMs)}</time> {fill(text.gap, { name: gap.name, long })} {text[gap.missing]}
    </p>
  );
}

function Nothing({ shown: { captions, history } }: { shown: Shown }) {
  const text = useText(texts);
  if (captions.isOff) return <Empty title={text.captionsOffHere}>{text.captionsOffHereText}</Empty>;
  if (history === "away") return <Empty title={text.historyAway} />;
  return <Empty title={text.nothingSaid}>{text.nothingSaidText}</Empty>;
}
