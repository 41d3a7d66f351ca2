// The rooms that somebody holds.
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client.js";

export type Room = Schemas["RoomView"];

const key = ["rooms"];
/** How long a list may be old before it is asked for again, while it is looked at. */
const RENEWED_MS = 15_000;

/** One's own rooms, the latest first, live ones before all others; all rooms for an administrator. */
export function useRooms() {
  return useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) =>
      answered(api.GET("/api/rooms", { params: { query: pageParam === null ? {} : { cursor: pageParam } } })),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor ?? null,
    select: ({ pages }) => liveFirst(pages.flatMap((page): Room[] => page.items)),
    refetchInterval: RENEWED_MS,
  });
}

/** What people are in now stands before what they were in once. */
function liveFirst(rooms: Room[]): Room[] {
  const isLive = (room: Room) => room.status === "LIVE";
  return [...rooms.filter(isLive), ...rooms.filter((room) => !isLive(room))];
}

/** Does something to a room, then looks again. */
export function useRoomChange<T>(change: (given: T) => Promise<unknown>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => queries.invalidateQueries({ queryKey: key }),
  });
}
