// Who waits at the door, for who holds the room; nobody for others.
import { useEffect, useReducer } from "react";

import type { Schemas } from "../../api/client.js";
import { listen } from "../../api/events.js";
import { isHeld } from "../join/ask.js";
import { nextLobby } from "./lobby.js";

type Entry = Schemas["EntryView"];

export function useLobby(room: Schemas["RoomView"]): readonly Entry[] {
  const [waiting, tell] = useReducer(nextLobby, []);
  const isHost = isHeld(room);
  useEffect(() => {
    if (!isHost) return;
    const entry = (data: unknown) => tell({ kind: "entry", entry: data as Entry });
    const stop = listen(`/api/rooms/${encodeURIComponent(room.id)}/lobby/stream`, {
      on: {
        "lobby.list": (data) => tell({ kind: "list", items: (data as { items: Entry[] }).items }),
        "lobby.waiting": entry,
        "lobby.decided": entry,
      },
    });
    return () => {
      stop();
      tell({ kind: "list", items: [] });
    };
  }, [room.id, isHost]);
  return waiting;
}
