// Chat, hands, files and the lock of a room, as the service tells them; and what is told to us alone.
import { useEffect, useReducer, useRef, useState } from "react";

import { answered, api, type Schemas } from "../../api/client.js";
import { listen, type StreamState } from "../../api/events.js";
import { type Life, type LifeEvent, newLife, nextLife } from "./life.js";

/** What the service tells us and nobody else, or of the room as a whole. */
export type Told = "you.muted" | "you.screen-stopped" | "room.muted" | "room.host-passed";

export interface Feed {
  readonly life: Life;
  readonly state: StreamState;
  readonly tell: (event: LifeEvent) => void;
}

/** The oldest messages beyond this are not shown. */
const MESSAGES = 200;

const EVENTS = [
  "chat.message",
  "chat.edited",
  "chat.deleted",
  "chat.reacted",
  "chat.unreacted",
  "file.shared",
  "file.deleted",
  "hand.raised",
  "hand.lowered",
  "room.locked",
  "room.unlocked",
] as const;
const TOLD: readonly Told[] = ["you.muted", "you.screen-stopped", "room.muted", "room.host-passed"];

export function useFeed(room: Schemas["RoomView"], onTold: (what: Told) => void): Feed {
  const [life, tell] = useReducer(nextLife, newLife(room.locked));
  const [state, setState] = useState<StreamState>("open");
  const told = useRef(onTold);
  told.current = onTold;
  useEffect(() => {
    // The service's own events: their form is its schema's.
    const events = EVENTS.map(
      (kind) => [kind, (data: unknown) => tell({ kind, data } as LifeEvent)] as const,
    );
    const tolds = TOLD.map((what) => [what, () => told.current(what)] as const);
    return listen(`/api/rooms/${encodeURIComponent(room.id)}/chat/stream`, {
      on: Object.fromEntries<(data: unknown) => void>([...events, ...tolds]),
      state: (state) => {
        setState(state);
        // A stream that is opened anew begins now: what happened meanwhile is in the lists.
        if (state === "open") void catchUp(room.id, tell);
      },
    });
  }, [room.id]);
  return { life, state, tell };
}

async function catchUp(roomId: string, tell: (event: LifeEvent) => void): Promise<void> {
  const path = { path: { roomId } };
  const lists = [
    answered(api.GET("/api/rooms/{roomId}/chat", { params: { ...path, query: { limit: MESSAGES } } })).then(
      ({ items }) => tell({ kind: "messages", items }),
    ),
    answered(api.GET("/api/rooms/{roomId}/hands", { params: path })).then(({ items }) =>
      tell({ kind: "hands", items }),
    ),
    answered(api.GET("/api/rooms/{roomId}/files", { params: { ...path, query: { limit: MESSAGES } } })).then(
      ({ items }) => tell({ kind: "files", items }),
    ),
  ];
  // One that fails comes with the next opening; the stream goes on meanwhile.
  await Promise.allSettled(lists);
}
