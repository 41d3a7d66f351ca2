// Somebody's picture, or their screen; who they are and how it stands with them.
import {
  isTrackReference,
  type TrackReferenceOrPlaceholder,
  useConnectionQualityIndicator,
  useIsMuted,
  useIsSpeaking,
  useParticipantInfo,
  VideoTrack,
} from "@livekit/components-react";
import { ConnectionQuality, Track } from "livekit-client";

import { room as texts } from "../../text/room.js";
import { fill, useText } from "../../text/index.js";
import { Glyph } from "../../ui/glyph.js";
import { initials, speakerColour } from "../../ui/speaker.js";
import type { Flying } from "./reactions.js";
import styles from "./tile.module.css";

interface Props {
  track: TrackReferenceOrPlaceholder;
  isHandUp: boolean;
  reactions: readonly Flying[];
  isPinned: boolean;
  onPin: () => void;
}

export function Tile({ track, isHandUp, reactions, isPinned, onPin }: Props) {
  const text = useText(texts);
  const { participant, source } = track;
  const { name: given } = useParticipantInfo({ participant });
  const isSpeaking = useIsSpeaking(participant);
  const isScreen = source === Track.Source.ScreenShare;
  const name = given || participant.identity;
  const label = isScreen
    ? fill(text.screenOf, { name })
    : participant.isLocal
      ? fill(text.you, { name })
      : name;
  return (
    <figure
      className={styles.tile}
      data-speaking={isSpeaking && !isScreen}
      data-screen={isScreen}
      aria-label={label}
    >
      <Picture track={track} name={name} isMirrored={participant.isLocal && !isScreen} />
      <figcaption className={styles.name}>
        {!isScreen && <Muted track={track} />}
        <span>{label}</span>
        {!isScreen && <Quality track={track} />}
      </figcaption>
      {isHandUp && (
        <span className={styles.hand} role="img" aria-label={text.handUp}>
          <Glyph name="hand" />
        </span>
      )}
      <button
        type="button"
        className={styles.pin}
        aria-pressed={isPinned}
        aria-label={fill(text.pinOf, { name: label })}
        title={fill(text.pinOf, { name: label })}
        onClick={onPin}
      >
        <Glyph name="pin" />
      </button>
      <div className={styles.reactions} aria-hidden="true">
        {reactions.map(({ key, emoji }) => (
          <span key={key}>{emoji}</span>
        ))}
      </div>
    </figure>
  );
}

function Picture({
  track,
  name,
  isMirrored,
}: {
  track: TrackReferenceOrPlaceholder;
  name: string;
  isMirrored: boolean;
}) {
  const isShown =
    isTrackReference(track) && !track.publication.isMuted && track.publication.track !== undefined;
  if (isShown)
    return (
      <VideoTrack trackRef={track} className={styles.video} data-mirrored={isMirrored} aria-hidden="true" />
    );
  return (
    <span
      className={styles.initials}
      style={{ color: speakerColour(track.participant.identity) }}
      aria-hidden="true"
    >
      {initials(name)}
    </span>
  );
}

function Muted({ track }: { track: TrackReferenceOrPlaceholder }) {
  const text = useText(texts);
  const isMuted = useIsMuted({ participant: track.participant, source: Track.Source.Microphone });
  if (!isMuted) return null;
  return (
    <span className={styles.muted} role="img" aria-label={text.isMuted}>
      <Glyph name="microphoneOff" />
    </span>
  );
}

/** Shown where it is bad: three bars on everybody would say nothing. */
function Quality({ track: { participant } }: { track: TrackReferenceOrPlaceholder }) {
  const text = useText(texts);
  const { quality } = useConnectionQualityIndicator({ participant });
  if (quality !== ConnectionQuality.Poor && quality !== ConnectionQuality.Lost) return null;
  const label = quality === ConnectionQuality.Poor ? text.poorConnection : text.lostConnection;
  return (
    <span
      className={styles.quality}
      data-lost={quality === ConnectionQuality.Lost}
      role="img"
      aria-label={label}
      title={label}
    >
      <i />
      <i />
      <i />
    </span>
  );
}
