// One lecture, to be read: what it was about, its chapters, and every word.
import type { ReactNode } from "react";
import { Link, Redirect } from "wouter";
import { ApiError } from "../../api/error.js";
import { useSession } from "../../session/session.js";
import { dateAndTime, counted, duration } from "../../text/format.js";
import { useLanguage, useText } from "../../text/index.js";
import { lecture as texts, lectures } from "../../text/lectures.js";
import { Loading } from "../../ui/loading.js";
import { ErrorNotice, Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { loginPath } from "../login/next.js";
import { titleOf } from "../lectures/title.js";
import { LectureActions } from "./actions.js";
import { Chapters } from "./chapters.js";
import { Extras } from "./extras.js";
import { useIsHost, useLecture, useSegments, type Lecture } from "./lecture-data.js";
import styles from "./lecture.module.css";
import { SummaryPart } from "./summary.js";
import { Transcript } from "./transcript.js";

export default function LecturePage({ id }: { id: string }) {
  const text = useText(texts);
  const list = useText(lectures);
  const { lecture, isOrdered } = useLecture(id);
  const isHost = useIsHost(lecture.data?.roomId);
  const data = lecture.data;
  if (lecture.error instanceof ApiError && lecture.error.code === "UNAUTHENTICATED") {
    return <Redirect to={loginPath(`/lectures/${id}${location.hash}`)} replace />;
  }
  return (
    <Page
      title={data === undefined ? text.title : (titleOf(data) ?? list.untitled)}
      action={data && <LectureActions lecture={data} isHost={isHost} />}
      above={<BackLink />}
    >
      {lecture.isPending && <Loading />}
      {lecture.error && <LectureError error={lecture.error} retry={() => void lecture.refetch()} />}
      {data && <Whole lecture={data} isHost={isHost} isOrdered={isOrdered} />}
    </Page>
  );
}

/** What is gone stays so: there is nothing to try again. */
function LectureError({ error, retry }: { error: Error; retry: () => void }) {
  const isGone = error instanceof ApiError && ["LINK_ENDED", "LECTURE_NOT_FOUND"].includes(error.code);
  return isGone ? <ErrorNotice error={error} /> : <ErrorNotice error={error} retry={retry} />;
}

/** Guests have no list of lectures to go back to. */
function BackLink() {
  const text = useText(texts);
  const { account } = useSession();
  if (!account) return null;
  return (
    <Link href="/lectures" className={styles["back"]}>
      {text.back}
    </Link>
  );
}

function Whole({ lecture, isHost, isOrdered }: { lecture: Lecture; isHost: boolean; isOrdered: boolean }) {
  const segments = useSegments(lecture.id, lecture.stage === "live");
  return (
    <>
      <Facts lecture={lecture} />
      <State lecture={lecture} isOrdered={isOrdered} />
      <div className={styles["columns"]}>
        {lecture.summary && <Chapters chapters={lecture.summary.chapters} segments={segments.data ?? []} />}
        <div className={styles["main"]}>
          {lecture.summary && <SummaryPart summary={lecture.summary} segments={segments.data ?? []} />}
          {segments.isPending && <Loading />}
          {segments.error && <ErrorNotice error={segments.error} retry={() => void segments.refetch()} />}
          {segments.data && <Transcript lecture={lecture} segments={segments.data} isHost={isHost} />}
          <Extras lecture={lecture} />
        </div>
      </div>
    </>
  );
}

function Facts({ lecture }: { lecture: Lecture }) {
  const list = useText(lectures);
  const language = useLanguage();
  return (
    <p className={styles["facts"]}>
      <time dateTime={lecture.startedAt}>{dateAndTime(language, lecture.startedAt)}</time>
      <span>{duration(language, lecture.durationMs)}</span>
      <span>{counted(language, lecture.participants, list.people)}</span>
    </p>
  );
}

/** What is still to come, and what went wrong on the way. */
function State({ lecture, isOrdered }: { lecture: Lecture; isOrdered: boolean }): ReactNode {
  const text = useText(texts);
  if (lecture.failure) {
    return (
      <Notice tone="warning">
        <p>
          {text.failure} {lecture.failure}
        </p>
      </Notice>
    );
  }
  if (lecture.stage === "live") return <Notice>{text.goesOn}</Notice>;
  if (isOrdered) return <Notice>{text.ordered}</Notice>;
  if (lecture.stage !== "rendered") return <Notice>{text.isMade}</Notice>;
  if (lecture.summary?.olderThanTranscript) return <Notice tone="warning">{text.older}</Notice>;
  return null;
}
