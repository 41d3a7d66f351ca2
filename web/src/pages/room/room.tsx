// A room: in it, on the way into it, or out of it again.
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Redirect, useLocation, useParams } from "wouter";

import type { Schemas } from "../../api/client.js";
import { ApiError } from "../../api/error.js";
import { useErrorText } from "../../text/error.js";
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Loading } from "../../ui/loading.js";
import { Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { toast } from "../../ui/toast.js";
import { askIn, roomOf } from "../join/ask.js";
import { type Entry, entryInto, forgetEntry, keepBlur, keepLanguage } from "../join/entry.js";
import { AfterRoom } from "./after.js";
import { useConnection } from "./connection.js";
import { speak } from "./deeds.js";
import { Meeting } from "./meeting.js";

export default function RoomPage() {
  const { code = "" } = useParams();
  const text = useText(texts);
  const errorText = useErrorText();
  // Who did not come through the green room is led there.
  const [entry] = useState(() => entryInto(code));
  const { data, error, refetch } = useQuery({
    queryKey: ["admission", code],
    queryFn: () => admissionTo(code, entry),
    enabled: entry !== null,
    // A token is asked for when one comes in, and never behind one's back.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const isShut =
    error instanceof ApiError && error.code !== "UNREACHABLE" && error.code !== "LIVEKIT_UNAVAILABLE";
  if (entry === null || data === null || isShut) return <Redirect to={`/join/${code}`} replace />;
  if (data) return <Stay key={data.admission.token} code={code} entry={entry} {...data} />;
  return (
    <Page title={text.entering} width="form">
      {error ? (
        <Notice tone="error">
          <p>{errorText(error)}</p>
          <Button onClick={() => void refetch()}>{text.tryAgain}</Button>
        </Notice>
      ) : (
        <Loading />
      )}
    </Page>
  );
}

interface Admitted {
  room: Schemas["RoomView"];
  admission: Schemas["Admission"];
}

/** Null for who has to wait still. */
async function admissionTo(code: string, entry: Entry | null): Promise<Admitted | null> {
  if (entry === null) return null;
  const room = await roomOf(code);
  const answer = await askIn(room.id, entry);
  return answer.kind === "in" ? { room, admission: answer.admission } : null;
}

function Stay({ code, entry, room: first, admission }: Admitted & { code: string; entry: Entry }) {
  const text = useText(texts);
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [lectureId, setLectureId] = useState<string | null>(null);
  const connection = useConnection(admission, entry, (trouble) => toast(text[`trouble_${trouble}`]));
  // Who holds the room may change while one is in it.
  const { data: room = first, refetch } = useQuery({
    queryKey: ["room", code],
    queryFn: () => roomOf(code),
    initialData: first,
  });
  const out = connection.at === "out" ? connection.out : null;
  useEffect(() => {
    // Who reloads the page has "left" for a moment, and comes back at once; who lost the connection may as well.
    if (out !== null && out !== "left" && out !== "lost") forgetEntry(code);
  }, [out, code]);
  const again = () => {
    queries.removeQueries({ queryKey: ["admission", code] });
    queries.removeQueries({ queryKey: ["invitation", code] });
    navigate(`/join/${code}`);
  };
  switch (connection.at) {
    case "joining":
      return (
        <Page title={room.title} width="form">
          <Loading />
        </Page>
      );
    case "in":
      return (
        <Meeting
          livekit={connection.room}
          isReconnecting={connection.isReconnecting}
          blur={connection.blur}
          onBlur={(isOn) => {
            keepBlur(code, isOn);
            void connection.blur.switch(isOn);
          }}
          room={room}
          identity={admission.identity}
          onLeave={() => {
            forgetEntry(code);
            void connection.room.disconnect();
          }}
          onLanguage={(tag) => {
            keepLanguage(code, tag);
            return speak(room.id, tag);
          }}
          onLecture={setLectureId}
          onHostPassed={() => void refetch()}
        />
      );
    case "out":
      return <AfterRoom title={room.title} out={connection.out} lectureId={lectureId} onAgain={again} />;
  }
}
