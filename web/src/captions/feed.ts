// Brings captions from where they come (LiveKit's room and the service's stream) into the model, a few times a second.
import { ParticipantKind, type RemoteParticipant, type Room, RoomEvent } from "livekit-client";
import { useEffect, useState, useSyncExternalStore } from "react";

import { listen, type StreamState } from "../api/events.js";
import { applyAll, type CaptionEvent, type Captions, NO_CAPTIONS, overlayChangesAt } from "./model.js";
import { FEED_EVENTS, ofFeed, ofPacket, ofTextStream, PACKET_TOPIC, STREAM_TOPIC } from "./wire.js";

/** What is shown of captions, at a time. */
export interface Shown {
  readonly captions: Captions;
  /** Milliseconds of the browser's clock. */
  readonly now: number;
  /** Whether the service tells what was said; it is taken up again by itself. */
  readonly history: StreamState;
}

/** Words that come at once are shown at once: so many milliseconds are nothing to a reader. */
const BATCH_MS = 50;

/** The captions of one stay in a room. */
export class CaptionFeed {
  private shown: Shown = { captions: NO_CAPTIONS, now: Date.now(), history: "open" };
  private waiting: CaptionEvent[] = [];
  private batch: ReturnType<typeof setTimeout> | undefined;
  private fading: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();
  /** Packets say more than text streams: once there are any, the streams are passed over. */
  private hasPackets = false;

  readonly current = (): Shown => this.shown;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Reads along until what it returns is called. */
  follow(room: Room, roomId: string): () => void {
    const stops = [this.followRoom(room), this.followService(roomId)];
    return () => {
      for (const stop of stops) stop();
      clearTimeout(this.batch);
      clearTimeout(this.fading);
    };
  }

  private followRoom(room: Room): () => void {
    const onData = (payload: Uint8Array, sender?: RemoteParticipant, _kind?: unknown, topic?: string) => {
      if (topic !== PACKET_TOPIC || !isAgent(sender)) return;
      this.hasPackets = true;
      this.push(ofPacket(payload));
    };
    const onGone = (track: { sid?: string | undefined }) => {
      if (track.sid !== undefined) this.push({ kind: "silenced", track: track.sid });
    };
    room.on(RoomEvent.DataReceived, onData);
    room.on(RoomEvent.TrackUnsubscribed, onGone);
    room.registerTextStreamHandler(STREAM_TOPIC, async (reader, { identity }) => {
      const text = await reader.readAll();
      if (this.hasPackets) return;
      const name = room.getParticipantByIdentity(identity)?.name;
      this.push(ofTextStream({ identity, name: name || identity }, text, reader.info.attributes ?? {}));
    });
    return () => {
      room.off(RoomEvent.DataReceived, onData);
      room.off(RoomEvent.TrackUnsubscribed, onGone);
      room.unregisterTextStreamHandler(STREAM_TOPIC);
    };
  }

  private followService(roomId: string): () => void {
    const handlers = FEED_EVENTS.map(
      (kind) => [kind, (data: unknown) => this.push(ofFeed(kind, data))] as const,
    );
    return listen(`/api/rooms/${encodeURIComponent(roomId)}/captions/stream`, {
      on: Object.fromEntries(handlers),
      state: (history) => this.show({ ...this.shown, history }),
    });
  }

  private push(event: CaptionEvent | null): void {
    if (event === null) return;
    this.waiting.push(event);
    this.batch ??= setTimeout(() => this.apply(), BATCH_MS);
  }

  private apply(): void {
    this.batch = undefined;
    const now = Date.now();
    const captions = applyAll(this.shown.captions, this.waiting.splice(0), now);
    this.show({ ...this.shown, captions, now });
    this.fadeLater();
  }

  /** Old words leave the picture though nothing new comes. */
  private fadeLater(): void {
    clearTimeout(this.fading);
    const at = overlayChangesAt(this.shown.captions, this.shown.now);
    if (at === null) return;
    const fade = () => {
      this.show({ ...this.shown, now: Date.now() });
      this.fadeLater();
    };
    this.fading = setTimeout(fade, Math.max(0, at - Date.now()));
  }

  private show(shown: Shown): void {
    this.shown = shown;
    for (const listener of this.listeners) listener();
  }
}

/** The captions of a room that we are in. */
export function useCaptions(room: Room, roomId: string): Shown {
  const [feed] = useState(() => new CaptionFeed());
  useEffect(() => feed.follow(room, roomId), [feed, room, roomId]);
  return useSyncExternalStore(feed.subscribe, feed.current);
}

/** Other participants could forge captions. The server hides the identity of a hidden agent, and of nobody else. */
function isAgent(sender: RemoteParticipant | undefined): boolean {
  return sender === undefined || sender.kind === ParticipantKind.AGENT;
}
