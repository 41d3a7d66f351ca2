// The way into a room: the green room, the wait at its door, and what to do where it does not open.
import { useQuery } from "@tanstack/react-query";
import { useReducer, useState } from "react";
import { useLocation, useParams } from "wouter";

import type { Schemas } from "../../api/client.js";
import { ApiError } from "../../api/error.js";
import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { Loading } from "../../ui/loading.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { askIn, isHeld, roomOf } from "./ask.js";
import { ClosedDoor } from "./closed.js";
import { nextDoor, THRESHOLD } from "./door.js";
import { type Entry, keepEntry } from "./entry.js";
import { GreenRoom } from "./green-room.js";
import { WaitingRoom } from "./waiting.js";
import { WrongCode } from "./wrong-code.js";

export default function JoinPage() {
  const { code = "" } = useParams();
  const text = useText(texts);
  const {
    data: room,
    error,
    refetch,
  } = useQuery({ queryKey: ["invitation", code], queryFn: () => roomOf(code) });
  if (room) return <Invited key={room.id} code={code} room={room} />;
  if (error instanceof ApiError && error.code === "ROOM_NOT_FOUND") return <WrongCode code={code} />;
  return (
    <Page title={text.title} width="form">
      {error ? <ErrorNotice error={error} retry={() => void refetch()} /> : <Loading />}
    </Page>
  );
}

function Invited({ code, room }: { code: string; room: Schemas["RoomView"] }) {
  const [, navigate] = useLocation();
  const [door, tell] = useReducer(nextDoor, room, (room) => {
    return room.status === "ENDED" && !isHeld(room) ? ({ at: "closed", why: "ended" } as const) : THRESHOLD;
  });
  const [waiting, setWaiting] = useState<Schemas["Waiting"] | null>(null);
  const [isAsking, setAsking] = useState(false);
  const enter = () => navigate(`/room/${code}`);

  const ask = async (entry: Entry, pin: string) => {
    setAsking(true);
    keepEntry(code, entry);
    try {
      const answer = await askIn(room.id, entry, pin);
      if (answer.kind === "in") return enter();
      setWaiting(answer.waiting);
      tell({ kind: "waiting" });
    } catch (error) {
      tell({ kind: "refused", error: error instanceof Error ? error : new Error(String(error)) });
    } finally {
      setAsking(false);
    }
  };

  switch (door.at) {
    case "threshold":
      return (
        <GreenRoom
          room={room}
          problem={door.problem}
          isAsking={isAsking}
          onAsk={(entry, pin) => void ask(entry, pin)}
        />
      );
    case "waiting":
      return waiting && <WaitingRoom room={room} waiting={waiting} onAdmitted={enter} tell={tell} />;
    case "closed":
      return <ClosedDoor room={room} why={door.why} onAgain={() => tell({ kind: "again" })} />;
  }
}
