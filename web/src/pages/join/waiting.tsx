// Waiting at a room's door, with what becomes of it as soon as it is decided.
import { useEffect, useRef, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { listen, type StreamState } from "../../api/events.js";
import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { leaveLobby } from "./ask.js";
import type { DoorEvent } from "./door.js";
import styles from "./join.module.css";

interface Props {
  room: Schemas["RoomView"];
  waiting: Schemas["Waiting"];
  onAdmitted: () => void;
  tell: (event: DoorEvent) => void;
}

const FATES = ["lobby.waiting", "lobby.denied", "lobby.expired", "lobby.removed", "lobby.left"];

export function WaitingRoom({ room, waiting, onAdmitted, tell }: Props) {
  const text = useText(texts);
  const state = useFate(waiting.streamUrl, onAdmitted, tell);
  const leave = () => {
    tell({ kind: "again" });
    // Who goes away need not wait to hear that they went.
    leaveLobby(room.id, waiting.lobbyEntryId).catch(() => undefined);
  };
  return (
    <Page title={room.title} width="form">
      <div className={styles.waiting}>
        <span className={styles.pulse} aria-hidden="true" />
        <div role="status">
          <h2>{text.waitingTitle}</h2>
          <p>{text.waitingText}</p>
        </div>
      </div>
      {state === "away" && <Notice tone="warning">{text.waitingAway}</Notice>}
      <Button onClick={leave}>{text.leaveLobby}</Button>
    </Page>
  );
}

function useFate(url: string, onAdmitted: () => void, tell: (event: DoorEvent) => void): StreamState {
  const [state, setState] = useState<StreamState>("open");
  // What is called is the latest, while the stream is one.
  const calls = useRef({ onAdmitted, tell });
  calls.current = { onAdmitted, tell };
  useEffect(() => {
    const told = FATES.map((what) => [what, () => calls.current.tell({ kind: "told", what })] as const);
    return listen(url, {
      on: { ...Object.fromEntries(told), "lobby.admitted": () => calls.current.onAdmitted() },
      state: setState,
    });
  }, [url]);
  return state;
}
