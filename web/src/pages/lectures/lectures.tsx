// What was said in one's rooms: all lectures, or those that have what is looked for.
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { answered, api, type Schemas } from "../../api/client.js";
import { SignedIn } from "../../session/signed-in.js";
import { lectures } from "../../text/lectures.js";
import { useText } from "../../text/index.js";
import { Button, ButtonLink } from "../../ui/button.js";
import { Empty } from "../../ui/empty.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { Search } from "../../ui/search.js";
import { shell } from "../../text/shell.js";
import { LectureItem } from "./lecture-item.js";
import styles from "./lectures.module.css";

export default function LecturesPage() {
  const text = useText(lectures);
  return (
    <SignedIn>
      <Page title={text.title}>
        <Lectures />
      </Page>
    </SignedIn>
  );
}

function Lectures() {
  const text = useText(lectures);
  const { typed, query, look } = useQueryText();
  const list = useLectures(query);
  const isEmpty = list.data?.length === 0;
  return (
    <>
      {(!isEmpty || query !== "") && <Search label={text.search} value={typed} onChange={look} />}
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {isEmpty && (query === "" ? <NoLectures /> : <NothingFound onShowAll={() => look("")} />)}
      <ol className={styles["list"]} aria-busy={list.isFetching}>
        {list.data?.map((lecture) => (
          <LectureItem key={lecture.id} lecture={lecture} />
        ))}
      </ol>
      <More list={list} />
    </>
  );
}

function NoLectures() {
  const text = useText(lectures);
  const common = useText(shell);
  return (
    <Empty title={text.emptyTitle}>
      <p>{text.emptyText}</p>
      <ButtonLink to="/" look="primary">
        {common.rooms}
      </ButtonLink>
    </Empty>
  );
}

function NothingFound({ onShowAll }: { onShowAll: () => void }) {
  const text = useText(lectures);
  return (
    <Empty title={text.nothingTitle}>
      <p>{text.nothingText}</p>
      <Button onClick={onShowAll}>{text.showAll}</Button>
    </Empty>
  );
}

function useLectures(query: string) {
  return useInfiniteQuery({
    queryKey: ["lectures", query],
    queryFn: ({ pageParam, signal }) => {
      const wanted = {
        ...(query === "" ? {} : { q: query }),
        ...(pageParam === null ? {} : { cursor: pageParam }),
      };
      return answered(api.GET("/api/lectures", { params: { query: wanted }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor ?? null,
    select: ({ pages }) => pages.flatMap((page): Schemas["LectureView"][] => page.items),
    // What was found before stays until there is something else to show.
    placeholderData: keepPreviousData,
    refetchInterval: RENEWED_MS,
  });
}

/** What is looked for stands in the address, so that a link leads to what was found; it follows typing after a pause. */
function useQueryText() {
  const [path, go] = useLocation();
  const query = new URLSearchParams(useSearch()).get("q") ?? "";
  const [typed, setTyped] = useState(query);
  useEffect(() => {
    const wanted = typed.trim();
    if (wanted === query) return;
    const later = setTimeout(() => {
      go(wanted === "" ? path : `${path}?q=${encodeURIComponent(wanted)}`, { replace: true });
    }, PAUSE_MS);
    return () => clearTimeout(later);
  }, [typed, query, path, go]);
  return { typed, query, look: setTyped };
}

const PAUSE_MS = 250;
const RENEWED_MS = 15_000;
