// Captions as they come: LiveKit's data packets and text streams, and the service's server-sent events.
import type { CaptionEvent, Health, Missing } from "./model.js";

/** The topic of our data packets. */
export const PACKET_TOPIC = "lectern.captions";
/** The topic of LiveKit's own form, for agents that send no packets. */
export const STREAM_TOPIC = "lk.transcription";

type Json = { readonly [field: string]: unknown };

/** What a data packet says; null if it is none of ours. The caller has made sure that no participant forged it. */
export function ofPacket(payload: Uint8Array): CaptionEvent | null {
  const packet = parse(new TextDecoder().decode(payload));
  switch (packet?.type) {
    case "caption":
      return ofCaption(packet);
    case "health":
      return ofHealth(packet);
    default:
      return null;
  }
}

function ofCaption(packet: Json): CaptionEvent | null {
  const { segmentId, identity, name, text, final } = packet;
  if (typeof segmentId !== "string" || typeof identity !== "string" || typeof text !== "string") return null;
  const segment = {
    id: segmentId,
    identity,
    name: typeof name === "string" && name !== "" ? name : identity,
    text,
    isFinal: final === true,
    startMs: number(packet.startMs),
    endMs: number(packet.endMs),
    language: string(packet.language),
  };
  return { kind: "live", segment };
}

const HEALTHS: readonly string[] = [
  "listening",
  "interrupted",
  "behind",
  "refused",
  "encrypted",
  "stopped",
] satisfies Health[];

function ofHealth({ trackSid, state, speechMs }: Json): CaptionEvent | null {
  if (typeof trackSid !== "string" || typeof state !== "string") return null;
  if (state === "resumed" && typeof speechMs === "number")
    return { kind: "resumed", track: trackSid, unheardMs: speechMs };
  if (state === "started") return { kind: "health", track: trackSid, health: "listening" };
  if (!HEALTHS.includes(state)) return null;
  return { kind: "health", track: trackSid, health: state as Health };
}

/** What a text stream says: the whole text so far of a segment, by whom it is sent in the name of. */
export function ofTextStream(
  speaker: { identity: string; name: string },
  text: string,
  attributes: Readonly<Record<string, string>>,
): CaptionEvent | null {
  const id = attributes["lk.segment_id"];
  if (id === undefined) return null;
  const isFinal = attributes["lk.transcription_final"] === "true";
  const segment = { id, ...speaker, text, isFinal, startMs: null, endMs: null, language: null };
  return { kind: "live", segment };
}

/** The events of the service's stream that say something. */
export const FEED_EVENTS = ["captions.off", "captions.meeting", "captions.final", "captions.gap"] as const;

const MISSING: readonly string[] = [
  "recogniser_away",
  "recogniser_refused",
  "recogniser_silent",
] satisfies Missing[];

/** What an event of the service's stream, its data parsed, says; null for what we don't know (yet). */
export function ofFeed(kind: string, data: unknown): CaptionEvent | null {
  const said = fields(data);
  if (said === null) return null;
  switch (kind) {
    case "captions.off":
      return { kind: "off" };
    case "captions.meeting":
      return ofMeeting(said);
    case "captions.final": {
      const caption = ofCaption({ ...said, final: true });
      return caption?.kind === "live" ? { kind: "stored", segment: caption.segment } : null;
    }
    case "captions.gap":
      return ofGap(said);
    default:
      return null;
  }
}

function ofMeeting({ lectureId, startedAt, live }: Json): CaptionEvent | null {
  if (typeof lectureId !== "string" || typeof startedAt !== "string") return null;
  return { kind: "meeting", meeting: { lectureId, startedAt, live: live === true } };
}

function ofGap({ identity, name, startMs, endMs, missing }: Json): CaptionEvent | null {
  if (typeof identity !== "string" || typeof startMs !== "number" || typeof endMs !== "number") return null;
  if (typeof missing !== "string" || !MISSING.includes(missing)) return null;
  const gap = { identity, name: string(name) ?? identity, startMs, endMs, missing: missing as Missing };
  return { kind: "gap", gap };
}

function parse(text: string): Json | null {
  try {
    return fields(JSON.parse(text));
  } catch {
    return null;
  }
}

function fields(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function string(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
