// The way through a lecture: its chapters, each with where it begins.
import { timecode } from "../../text/format.js";
import { useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import type { Segment, Summary } from "./lecture-data.js";
import styles from "./lecture.module.css";
import { segmentAt } from "./turns.js";

export function Chapters({ chapters, segments }: { chapters: Summary["chapters"]; segments: Segment[] }) {
  const text = useText(texts);
  if (chapters.length === 0) return null;
  return (
    <nav className={styles["chapters"]} aria-label={text.chapters}>
      <h2>{text.chapters}</h2>
      <ol className={styles["list"]}>
        {chapters.map((chapter, index) => (
          <li key={index}>
            <a href={`#${segmentAt(segments, chapter.startMs)?.id ?? ""}`}>
              <span className={styles["time"]}>{timecode(chapter.startMs)}</span>
              {chapter.title}
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
