// One lecture in a list, with what was found in it.
import { Link } from "wouter";
import type { Schemas } from "../../api/client.js";
import { counted, dateAndTime, timecode } from "../../text/format.js";
import { useLanguage, useText } from "../../text/index.js";
import { lectures } from "../../text/lectures.js";
import { Badge } from "../../ui/badge.js";
import { Marked } from "../../ui/marked.js";
import styles from "./lectures.module.css";
import { titleOf } from "./title.js";

type Lecture = Schemas["LectureView"];
type Highlight = NonNullable<Lecture["highlights"]>[number];

export function LectureItem({ lecture }: { lecture: Lecture }) {
  const text = useText(lectures);
  const language = useLanguage();
  const found = lecture.highlights ?? [];
  const title = found.find((highlight) => highlight.field === "title");
  return (
    <li className={styles["item"]}>
      <h2>
        <Link href={`/lectures/${lecture.id}`}>
          {title ? <Marked text={title.text} matches={title.matches} /> : (titleOf(lecture) ?? text.untitled)}
        </Link>
      </h2>
      <p className={styles["facts"]}>
        <time dateTime={lecture.startedAt}>{dateAndTime(language, lecture.startedAt)}</time>
        <span>{counted(language, lecture.participants, text.people)}</span>
        <Stage lecture={lecture} />
      </p>
      {found
        .filter((highlight) => highlight.field !== "title")
        .map((highlight, index) => (
          <Found key={index} lecture={lecture} highlight={highlight} />
        ))}
    </li>
  );
}

/** How far it has come, unless that is as far as it goes. */
function Stage({ lecture: { stage, failure } }: { lecture: Lecture }) {
  const text = useText(lectures);
  if (failure) return <Badge tone="warning">{text.failed}</Badge>;
  if (stage === "live") return <Badge tone="live">{text.live}</Badge>;
  if (stage === "rendered") return null;
  return <Badge tone="calm">{text.being}</Badge>;
}

function Found({ lecture, highlight }: { lecture: Lecture; highlight: Highlight }) {
  const text = useText(lectures);
  const { segmentId, name, startMs } = highlight as Partial<Schemas["Said"]>;
  const isSaid = segmentId !== undefined && name !== undefined && startMs !== undefined;
  const where = isSaid ? `/lectures/${lecture.id}#${segmentId}` : `/lectures/${lecture.id}`;
  return (
    <Link href={where} className={styles["found"]}>
      <span className={styles["where"]}>{isSaid ? `${timecode(startMs)} ${name}` : text.summaryMatch}</span>
      <q>
        <Marked text={highlight.text} matches={highlight.matches} />
      </q>
    </Link>
  );
}
