// A lecture as the service tells it, and what can be done with it.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { answered, api, type Schemas } from "../../api/client.js";
import { useSession } from "../../session/session.js";
import { shareHeaders, useShareToken } from "./share.js";
import type { Gap } from "./turns.js";

export type Segment = Schemas["SegmentView"];

/** A line, and the segments that it rests on. */
export interface Line {
  text: string;
  citations: string[];
}

export interface Summary {
  source: {
    kind: "model" | "extractive";
    model: string | null;
    /** Why no language model wrote it, where one was asked. */
    failure?: "away" | "refused" | "unusable";
    /** Whether a language model's summary will take its place. */
    awaited?: true;
  };
  title: string;
  language: string | null;
  abstract: Line[];
  chapters: { title: string; startMs: number; endMs: number; lines: Line[] }[];
  keyTerms: { term: string; explanation: string; citations: string[] }[];
  actionItems: (Line & { owner: string | null })[];
  questions: { question: string; answer: string; citations: string[] }[];
  coveragePercent: number;
  olderThanTranscript?: boolean;
}

/** The document leaves these open; pipelines/src/export/json.rs writes them. */
export type Lecture = Omit<Schemas["WholeLecture"], "summary" | "gaps"> & {
  summary: Summary | null;
  gaps: Gap[];
};

/** How often something that is still being made is looked at. */
const RENEWED_MS = 4_000;
/** And what a language model writes once it is back. */
const AWAITED_MS = 30_000;

export function useLecture(id: string) {
  const isOrdered = useIsOrdered(id);
  const token = useShareToken(id);
  const call = { ...pathOf(id), headers: shareHeaders(token) };
  const lecture = useQuery({
    queryKey: ["lecture", id, "whole", token],
    queryFn: async () => (await answered(api.GET("/api/lectures/{lectureId}", call))) as unknown as Lecture,
    refetchInterval: ({ state }) => {
      if (isOrdered || state.data?.stage !== "rendered") return RENEWED_MS;
      return state.data.summary?.source.awaited ? AWAITED_MS : false;
    },
  });
  return { lecture, isOrdered };
}

/** All that was said, in order. It comes in parts, each fetched as soon as the one before is there. */
export function useSegments(id: string, isLive: boolean) {
  const token = useShareToken(id);
  const list = useInfiniteQuery({
    queryKey: ["lecture", id, "segments", token],
    queryFn: ({ pageParam }) => {
      const query = { limit: 200, ...(pageParam === null ? {} : { cursor: pageParam }) };
      const params = { ...pathOf(id).params, query };
      const headers = shareHeaders(token);
      return answered(api.GET("/api/lectures/{lectureId}/segments", { params, headers }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor ?? null,
    select: ({ pages }) => pages.flatMap((page): Segment[] => page.items),
    refetchInterval: isLive ? RENEWED_MS : false,
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = list;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, fetchNextPage]);
  return list;
}

/** Whether somebody asked for another summary, which is not made yet. Only who holds the room is told. */
function useIsOrdered(id: string): boolean {
  const { account } = useSession();
  const { data } = useQuery({
    queryKey: ["lecture", id, "summaries"],
    queryFn: () => answered(api.GET("/api/lectures/{lectureId}/summaries", pathOf(id))),
    enabled: Boolean(account),
    retry: false,
    refetchInterval: ({ state }) => (isWaiting(state.data?.items) ? RENEWED_MS : false),
  });
  return isWaiting(data?.items);
}

function isWaiting(summaries: Schemas["SummaryVersionView"][] | undefined): boolean {
  return summaries?.some((summary) => !summary.madeAt) ?? false;
}

/** Whether who is logged in holds a room, and may change what came of it. */
export function useIsHost(roomId: string | undefined): boolean {
  const { account } = useSession();
  const { data } = useQuery({
    queryKey: ["room", roomId],
    queryFn: () => answered(api.GET("/api/rooms/{roomId}", { params: { path: { roomId: roomId ?? "" } } })),
    enabled: roomId !== undefined && Boolean(account),
    retry: false,
  });
  return account?.role === "ADMIN" || data?.code !== undefined;
}

export function useCorrection(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ segment, text }: { segment: Segment; text: string }) => {
      const params = { path: { lectureId: id, segmentId: segment.id } };
      const body = { text, version: segment.version };
      return answered(api.PATCH("/api/lectures/{lectureId}/segments/{segmentId}", { params, body }));
    },
    // What somebody else wrote meanwhile is to be read, too.
    onSettled: () => queries.invalidateQueries({ queryKey: ["lecture", id] }),
  });
}

export function useOrder(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["Wanted"]) =>
      answered(api.POST("/api/lectures/{lectureId}/summarise", { ...pathOf(id), body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["lecture", id] }),
  });
}

export function useErasure(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answered(api.DELETE("/api/lectures/{lectureId}", pathOf(id))),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["lectures"] }),
  });
}

function pathOf(lectureId: string) {
  return { params: { path: { lectureId } } };
}
