// What a lecture was about, each line with the way to the words that it rests on.
import { Fragment, type ReactNode } from "react";
import { timecode } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import type { Line, Segment, Summary } from "./lecture-data.js";
import styles from "./lecture.module.css";

interface Props {
  summary: Summary;
  segments: Segment[];
}

export function SummaryPart({ summary, segments }: Props) {
  const text = useText(texts);
  const starts = new Map(segments.map((segment) => [segment.id, segment.startMs]));
  const cited = (line: { citations: string[] }) => <Citation starts={starts} citations={line.citations} />;
  return (
    <div className={styles["summary"]} lang={summary.language ?? undefined}>
      <Part title={text.summary}>
        {summary.abstract.map((line, index) => (
          <p key={index}>
            {line.text} {cited(line)}
          </p>
        ))}
        <Source summary={summary} />
      </Part>
      {summary.actionItems.length > 0 && (
        <Part title={text.actionItems}>
          <ul>
            {summary.actionItems.map((item, index) => (
              <li key={index}>
                {item.owner && <strong>{item.owner}: </strong>}
                {item.text} {cited(item)}
              </li>
            ))}
          </ul>
        </Part>
      )}
      {summary.chapters.some((chapter) => chapter.lines.length > 0) && (
        <Part title={text.byChapter}>
          {summary.chapters.map((chapter, index) => (
            <Fragment key={index}>
              <h3>{chapter.title}</h3>
              <Lines lines={chapter.lines} cited={cited} />
            </Fragment>
          ))}
        </Part>
      )}
      {summary.keyTerms.length > 0 && (
        <Part title={text.keyTerms}>
          <dl className={styles["terms"]}>
            {summary.keyTerms.map((term, index) => (
              <div key={index}>
                <dt>{term.term}</dt>
                <dd>
                  {term.explanation} {cited(term)}
                </dd>
              </div>
            ))}
          </dl>
        </Part>
      )}
      {summary.questions.length > 0 && (
        <Part title={text.questions}>
          {summary.questions.map((asked, index) => (
            <details key={index} className={styles["question"]}>
              <summary>{asked.question}</summary>
              <p>
                {asked.answer} {cited(asked)}
              </p>
            </details>
          ))}
        </Part>
      )}
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className={styles["part"]}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Lines({ lines, cited }: { lines: Line[]; cited: (line: Line) => ReactNode }) {
  return (
    <ul>
      {lines.map((line, index) => (
        <li key={index}>
          {line.text} {cited(line)}
        </li>
      ))}
    </ul>
  );
}

/** When the words were said that a line rests on, and the way to them. */
function Citation({ starts, citations }: { starts: Map<string, number>; citations: string[] }) {
  const known = citations.flatMap((id) => {
    const start = starts.get(id);
    return start === undefined ? [] : [{ id, start }];
  });
  return known.slice(0, CITATIONS_SHOWN).map(({ id, start }) => (
    <a key={id} href={`#${id}`} className={styles["citation"]}>
      {timecode(start)}
    </a>
  ));
}

const CITATIONS_SHOWN = 3;

const FAILURES = { away: "modelAway", refused: "modelRefused", unusable: "modelUnusable" } as const;

/** Where it came from, and how much of the lecture it rests on. */
function Source({ summary }: { summary: Summary }) {
  const text = useText(texts);
  const language = useLanguage();
  const percent = new Intl.NumberFormat(language, { style: "percent" }).format(summary.coveragePercent / 100);
  const { model, failure, awaited } = summary.source;
  const source = model === null ? text.byQuotes : fill(text.byModel, { model });
  return (
    <p className={styles["source"]} lang={language}>
      {fill(text.coverage, { percent, source })}
      {failure && ` ${text[FAILURES[failure]]}`}
      {awaited && ` ${text.modelAwaited}`}
    </p>
  );
}
