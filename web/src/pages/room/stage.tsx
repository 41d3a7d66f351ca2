// The pictures: all alike, or who speaks large and the others small.
import {
  isTrackReference,
  type TrackReferenceOrPlaceholder,
  usePagination,
  useSpeakingParticipants,
  useTracks,
} from "@livekit/components-react";
import { ParticipantKind, Track } from "livekit-client";
import { useEffect, useRef, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { columnsFor } from "./grid.js";
import type { Flying } from "./reactions.js";
import styles from "./stage.module.css";
import { Tile } from "./tile.js";

export type View = "grid" | "speaker";

interface Props {
  view: View;
  hands: readonly Schemas["HandView"][];
  reactions: readonly Flying[];
}

/** So many pictures at once are enough for eyes and for two cores. */
const TILES_MAX = 16;

export function Stage({ view, hands, reactions }: Props) {
  const tracks = useStageTracks();
  const [pinned, setPinned] = useState<string | null>(null);
  const focus = useFocus(tracks, pinned);
  const tile = (track: TrackReferenceOrPlaceholder) => {
    const { identity } = track.participant;
    const key = keyOf(track);
    return (
      <Tile
        key={key}
        track={track}
        isHandUp={hands.some((hand) => hand.identity === identity)}
        reactions={reactions.filter(
          (one) => one.identity === identity && track.source === Track.Source.Camera,
        )}
        isPinned={pinned === key}
        onPin={() => setPinned(pinned === key ? null : key)}
      />
    );
  };
  const isShared = tracks.some(({ source }) => source === Track.Source.ScreenShare);
  if (focus !== undefined && (view === "speaker" || isShared || pinned !== null)) {
    const others = tracks.filter((track) => track !== focus);
    return (
      <div className={styles.speaker}>
        <div className={styles.focus}>{tile(focus)}</div>
        {others.length > 0 && (
          <div className={styles.strip} data-strip>
            {others.slice(0, TILES_MAX).map(tile)}
          </div>
        )}
      </div>
    );
  }
  return <Grid tracks={tracks} tile={tile} />;
}

function Grid({
  tracks,
  tile,
}: {
  tracks: TrackReferenceOrPlaceholder[];
  tile: (track: TrackReferenceOrPlaceholder) => React.ReactNode;
}) {
  const text = useText(texts);
  const pages = usePagination(TILES_MAX, tracks);
  const place = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(place);
  const columns = columnsFor(pages.tracks.length, width, height);
  return (
    <>
      <div
        ref={place}
        className={styles.grid}
        style={
          { "--columns": columns, "--rows": Math.ceil(pages.tracks.length / columns) } as React.CSSProperties
        }
      >
        {pages.tracks.map(tile)}
      </div>
      {pages.totalPageCount > 1 && (
        <nav className={styles.pages} aria-label={text.pages}>
          <Button onClick={pages.prevPage}>{text.previousPage}</Button>
          <span>
            {pages.currentPage} / {pages.totalPageCount}
          </span>
          <Button onClick={pages.nextPage}>{text.nextPage}</Button>
        </nav>
      )}
    </>
  );
}

/** Everybody who can be seen or could be; the agent that writes along is nobody to look at. */
function useStageTracks(): TrackReferenceOrPlaceholder[] {
  const tracks = useTracks([
    { source: Track.Source.ScreenShare, withPlaceholder: false },
    { source: Track.Source.Camera, withPlaceholder: true },
  ]);
  return tracks.filter(({ participant }) => participant.kind !== ParticipantKind.AGENT);
}

/** What is shown large: what was pinned, a screen, who speaks, who spoke last, anybody else. */
function useFocus(
  tracks: TrackReferenceOrPlaceholder[],
  pinned: string | null,
): TrackReferenceOrPlaceholder | undefined {
  const speaking = useSpeakingParticipants().find(({ isLocal }) => !isLocal)?.identity;
  const last = useRef<string | undefined>(undefined);
  if (speaking !== undefined) last.current = speaking;
  return (
    tracks.find((track) => keyOf(track) === pinned) ??
    tracks.find(({ source }) => source === Track.Source.ScreenShare) ??
    tracks.find(({ participant }) => participant.identity === last.current) ??
    tracks.find(({ participant }) => !participant.isLocal) ??
    tracks[0]
  );
}

function keyOf(track: TrackReferenceOrPlaceholder): string {
  const kind =
    isTrackReference(track) && track.source === Track.Source.ScreenShare
      ? track.publication.trackSid
      : "camera";
  return `${track.participant.identity} ${kind}`;
}

function useSize(place: React.RefObject<HTMLElement | null>): { width: number; height: number } {
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return size;
}
