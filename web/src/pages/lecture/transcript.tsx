// Every word: who said it and when, found by words, put right by who holds the room.
import { useEffect, useMemo, useState } from "react";
import { counted, timecode } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import { hasAll, matchesOf } from "../../text/marked.js";
import { IconButton } from "../../ui/button.js";
import { Marked } from "../../ui/marked.js";
import { Search } from "../../ui/search.js";
import { speakerColour } from "../../ui/speaker.js";
import { Correction } from "./correction.js";
import type { Lecture, Segment } from "./lecture-data.js";
import styles from "./transcript.module.css";
import { turnsOf, type Gap } from "./turns.js";

interface Props {
  lecture: Lecture;
  segments: Segment[];
  isHost: boolean;
}

export function Transcript({ lecture, segments, isHost }: Props) {
  const text = useText(texts);
  const language = useLanguage();
  const [query, setQuery] = useState("");
  const found = useMemo(
    () => (query.trim() === "" ? segments : segments.filter((segment) => hasAll(segment.text, query))),
    [segments, query],
  );
  const isSearch = found !== segments;
  const turns = useMemo(
    () => turnsOf(found, isSearch ? [] : lecture.gaps, lecture.summary?.chapters ?? []),
    [found, isSearch, lecture.gaps, lecture.summary],
  );
  useArrival(segments.length > 0);
  return (
    <section className={styles["transcript"]}>
      <h2>{text.transcript}</h2>
      {segments.length === 0 && <p className={styles["silent"]}>{text.silent}</p>}
      {segments.length > 0 && <Search label={text.find} value={query} onChange={setQuery} />}
      <p role="status" className={styles["count"]}>
        {isSearch && counted(language, found.length, text.found)}
      </p>
      {turns.map((turn) =>
        turn.kind === "gap" ? (
          <Missing key={`${turn.gap.identity} ${turn.gap.startMs}`} gap={turn.gap} />
        ) : (
          <TurnPart key={turn.segments[0].id} {...{ lecture, query, isHost }} segments={turn.segments} />
        ),
      )}
    </section>
  );
}

interface TurnProps {
  lecture: Lecture;
  segments: [Segment, ...Segment[]];
  query: string;
  isHost: boolean;
}

function TurnPart({ lecture, segments, query, isHost }: TurnProps) {
  const text = useText(texts);
  const [isOpen, setOpen] = useState(false);
  const [{ identity, name, startMs }] = segments;
  const time = timecode(startMs);
  return (
    <article className={styles["turn"]} style={{ "--speaker": speakerColour(identity) }}>
      <header>
        <h3>{name}</h3>
        <a href={`#${segments[0].id}`} className={styles["time"]}>
          {time}
        </a>
        {isHost && !isOpen && (
          <IconButton icon="edit" label={fill(text.edit, { name, time })} onClick={() => setOpen(true)} />
        )}
      </header>
      {isOpen ? (
        <Correction id={lecture.id} segments={segments} onClose={() => setOpen(false)} />
      ) : (
        <p className={styles["said"]}>
          {segments.map((segment) => (
            <Said key={segment.id} segment={segment} query={query} />
          ))}
        </p>
      )}
    </article>
  );
}

function Said({ segment, query }: { segment: Segment; query: string }) {
  const text = useText(texts);
  return (
    <>
      <span id={segment.id} lang={segment.language ?? undefined} className={styles["segment"]}>
        <Marked text={segment.text} matches={matchesOf(segment.text, query)} />
        {segment.correctedAt && <span className={styles["corrected"]}> ({text.corrected})</span>}
      </span>{" "}
    </>
  );
}

function Missing({ gap }: { gap: Gap }) {
  const text = useText(texts);
  return (
    <article className={styles["turn"]} style={{ "--speaker": speakerColour(gap.identity) }}>
      <header>
        <h3>{gap.name}</h3>
        <span className={styles["time"]}>{timecode(gap.startMs)}</span>
      </header>
      <p className={styles["gap"]}>{fill(text.gap, { time: timecode(gap.endMs) })}</p>
    </article>
  );
}

/** A link to a piece of speech leads to it as soon as it is there. */
function useArrival(isThere: boolean): void {
  useEffect(() => {
    if (!isThere || location.hash === "") return;
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView({ block: "center" });
  }, [isThere]);
}
