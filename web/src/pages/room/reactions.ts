// Reactions that rise and fade: sent from browser to browser, and kept nowhere.
import { type RemoteParticipant, type Room, RoomEvent } from "livekit-client";
import { useCallback, useEffect, useState } from "react";

export const EMOJI = ["👍", "👏", "❤️", "😂", "😮", "🎉"] as const;

/** One that is to be seen at the moment. */
export interface Flying {
  readonly key: number;
  readonly identity: string;
  readonly emoji: string;
}

const TOPIC = "lectern.reaction";
const FLIGHT_MS = 4_000;
/** More at once would hide the room. */
const FLYING_MAX = 30;

export function useFlyingReactions(room: Room): { shown: readonly Flying[]; send: (emoji: string) => void } {
  const [shown, setShown] = useState<readonly Flying[]>([]);
  const fly = useCallback((identity: string, emoji: string) => {
    const key = performance.now() + Math.random();
    setShown((shown) => [...shown, { key, identity, emoji }].slice(-FLYING_MAX));
    setTimeout(() => setShown((shown) => shown.filter((one) => one.key !== key)), FLIGHT_MS);
  }, []);
  useEffect(() => {
    const onData = (payload: Uint8Array, sender?: RemoteParticipant, _kind?: unknown, topic?: string) => {
      const emoji = new TextDecoder().decode(payload.subarray(0, 32));
      if (topic === TOPIC && sender !== undefined && isOurs(emoji)) fly(sender.identity, emoji);
    };
    room.on(RoomEvent.DataReceived, onData);
    return () => void room.off(RoomEvent.DataReceived, onData);
  }, [room, fly]);
  const send = (emoji: string) => {
    fly(room.localParticipant.identity, emoji);
    const payload = new TextEncoder().encode(emoji);
    // One that is lost is no loss.
    room.localParticipant.publishData(payload, { topic: TOPIC, reliable: false }).catch(() => undefined);
  };
  return { shown, send };
}

/** Whatever else somebody sends is not shown. */
function isOurs(emoji: string): boolean {
  return EMOJI.some((one) => one === emoji);
}
