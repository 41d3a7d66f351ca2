// The room while one is in it: pictures, captions, what one can do, and a panel beside them.
import {
  RoomAudioRenderer,
  RoomContext,
  useLocalParticipant,
  useParticipants,
  useStartAudio,
} from "@livekit/components-react";
import { ParticipantKind, type Room, RoomEvent } from "livekit-client";
import { useEffect, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { useCaptions } from "../../captions/feed.js";
import { CaptionOverlay } from "../../captions/overlay.js";
import * as captionSettings from "../../captions/settings.js";
import { usePreference } from "../../preference.js";
import { useErrorText } from "../../text/error.js";
import { room as texts } from "../../text/room.js";
import { fill, useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";
import { isHeld } from "../join/ask.js";
import type { CameraBlur } from "./blur.js";
import { Controls } from "./controls.js";
import { lowerHand, raiseHand } from "./deeds.js";
import { type Told, useFeed } from "./feed.js";
import { type Deed, deedOf, isTypedInto } from "./keys.js";
import type { Life } from "./life.js";
import styles from "./meeting.module.css";
import { Panel, type Tab } from "./panel.js";
import { useFlyingReactions } from "./reactions.js";
import { Shortcuts } from "./shortcuts.js";
import { Stage, type View } from "./stage.js";
import { Status } from "./status.js";
import { useLobby } from "./use-lobby.js";

interface Props {
  livekit: Room;
  isReconnecting: boolean;
  blur: CameraBlur;
  onBlur: (isOn: boolean) => void;
  room: Schemas["RoomView"];
  /** What LiveKit calls us. */
  identity: string;
  onLeave: () => void;
  onLanguage: (tag: string) => Promise<void>;
  onLecture: (id: string) => void;
  onHostPassed: () => void;
}

export function Meeting(props: Props) {
  return (
    <RoomContext.Provider value={props.livekit}>
      <RoomAudioRenderer />
      <InRoom {...props} />
    </RoomContext.Provider>
  );
}

function InRoom({
  livekit,
  isReconnecting,
  blur,
  onBlur,
  room,
  identity,
  onLeave,
  onLanguage,
  onLecture,
  onHostPassed,
}: Props) {
  const text = useText(texts);
  const told = useTold(onHostPassed);
  const feed = useFeed(room, told);
  const lobby = useLobby(room);
  const captions = useCaptions(livekit, room.id);
  const reactions = useFlyingReactions(livekit);
  const [captionsShown, showCaptions] = usePreference(captionSettings.shown);
  const [tab, setTab] = useState<Tab | null>(null);
  const [view, setView] = useState<View>("grid");
  const [isHelping, setHelping] = useState(false);
  const { localParticipant, isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } =
    useLocalParticipant();
  const captionsPlace = useCaptionsPlace(view);
  const guard = useGuard();
  const isHandUp = feed.life.hands.some((hand) => hand.identity === identity);

  const lectureId = captions.captions.meeting?.lectureId;
  useEffect(() => {
    if (lectureId !== undefined) onLecture(lectureId);
  }, [lectureId, onLecture]);

  const toggleTab = (wanted: Tab) => setTab((tab) => (tab === wanted ? null : wanted));
  const deeds: Record<Deed, () => void> = {
    // What fails here is told by the room itself.
    microphone: () => void localParticipant.setMicrophoneEnabled(!isMicrophoneEnabled).catch(() => undefined),
    camera: () => void localParticipant.setCameraEnabled(!isCameraEnabled).catch(() => undefined),
    screen: () =>
      void localParticipant
        .setScreenShareEnabled(!isScreenShareEnabled, { audio: true })
        .catch(() => undefined),
    hand: () => guard(isHandUp ? lowerHand(room.id) : raiseHand(room.id)),
    captions: () => showCaptions(captionsShown === "on" ? "off" : "on"),
    chat: () => toggleTab("chat"),
    transcript: () => toggleTab("transcript"),
    people: () => toggleTab("people"),
    layout: () => setView(view === "grid" ? "speaker" : "grid"),
    help: () => setHelping(true),
  };
  useKeys(deeds);

  const overlay = captionsShown === "on" && <CaptionOverlay shown={captions} position={captionsPlace} />;
  const unread = useUnread(feed.life, tab === "chat");
  return (
    <div className={styles.meeting} data-panel={tab !== null}>
      <header className={styles.header}>
        <h1>{room.title}</h1>
        <Status
          captions={captions}
          feed={feed}
          isReconnecting={isReconnecting}
          isLocked={feed.life.isLocked}
          isCaptioned={room.captions}
        />
      </header>
      <main className={styles.stage}>
        <Stage view={view} hands={feed.life.hands} reactions={reactions.shown} />
        <div className={styles.captions} data-position={captionsPlace}>
          {overlay}
        </div>
        <StartAudio room={livekit} />
      </main>
      {tab !== null && (
        <Panel
          tab={tab}
          onTab={setTab}
          room={room}
          identity={identity}
          feed={feed}
          lobby={lobby}
          captions={captions}
          guard={guard}
        />
      )}
      <Controls
        deeds={deeds}
        state={{
          isMicrophoneEnabled,
          isCameraEnabled,
          isScreenShareEnabled,
          isHandUp,
          view,
          tab,
          areCaptionsOn: captionsShown === "on",
        }}
        canPublish={localParticipant.permissions?.canPublish !== false}
        unread={unread}
        waiting={lobby.length}
        onTab={toggleTab}
        onReact={reactions.send}
        isHost={isHeld(room)}
        roomId={room.id}
        onLeave={onLeave}
        isCaptioned={room.captions}
        blur={blur}
        onBlur={onBlur}
        onLanguage={(tag) => guard(onLanguage(tag))}
        guard={guard}
      />
      <p className="unseen" role="status">
        {lobby.length > 0 ? fill(text.peopleWait, { count: String(lobby.length) }) : ""}
      </p>
      {isHelping && <Shortcuts onClose={() => setHelping(false)} />}
    </div>
  );
}

/** Below the pictures where so many stand in rows that words over the last row would hide who is in it. */
function useCaptionsPlace(view: View): captionSettings.Position {
  const [chosen] = usePreference(captionSettings.position);
  const all = useParticipants({ updateOnlyOn: COMINGS_AND_GOINGS });
  const people = all.filter(({ kind }) => kind !== ParticipantKind.AGENT).length;
  return chosen === "bottom" && view === "grid" && people >= ROWS_FROM ? "below" : chosen;
}

const COMINGS_AND_GOINGS = [RoomEvent.ParticipantConnected, RoomEvent.ParticipantDisconnected];
const ROWS_FROM = 3;

/** Does something by the service, and says so if it could not. */
export type Guard = (deed: Promise<unknown>) => void;

function useGuard(): Guard {
  const errorText = useErrorText();
  return (deed) => void deed.catch((error: unknown) => toast(errorText(error)));
}

function useTold(onHostPassed: () => void): (what: Told) => void {
  const text = useText(texts);
  return (what) => {
    switch (what) {
      case "you.muted":
        return toast(text.youWereMuted);
      case "you.screen-stopped":
        return toast(text.yourScreenWasStopped);
      case "room.muted":
        return toast(text.everybodyWasMuted);
      case "room.host-passed":
        toast(text.hostPassed);
        return onHostPassed();
    }
  };
}

function useKeys(deeds: Record<Deed, () => void>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const deed = deedOf({
        key: event.key,
        ctrlKey: event.ctrlKey,
        metaKey: event.metaKey,
        altKey: event.altKey,
        repeat: event.repeat,
        isTyped: isTypedInto(event.target),
      });
      if (deed === null) return;
      event.preventDefault();
      deeds[deed]();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
}

/** How many messages came since the chat was last open. */
function useUnread({ messages: { length: messages }, isListed }: Life, isOpen: boolean): number {
  const [read, setRead] = useState<number | null>(null);
  useEffect(() => {
    // What was written before we came is not new to us: the first list counts as read.
    if (isOpen || (read === null && isListed)) setRead(messages);
  }, [isOpen, messages, read, isListed]);
  return isOpen ? 0 : Math.max(0, messages - (read ?? messages));
}

/** Browsers play nothing until somebody has done something on the page. */
function StartAudio({ room }: { room: Room }) {
  const text = useText(texts);
  const { mergedProps, canPlayAudio } = useStartAudio({ room, props: {} });
  if (canPlayAudio) return null;
  return (
    <div className={styles.startAudio}>
      <Button look="primary" onClick={mergedProps.onClick}>
        {text.startAudio}
      </Button>
    </div>
  );
}
