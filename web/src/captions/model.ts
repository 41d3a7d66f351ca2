// What is known of a room's captions: what the room says live joined with what the service stored, each segment once.
// Pure: events and the time go in, a new value comes out, and views are read off it.

/** Words that somebody said. */
export interface Segment {
  readonly id: string;
  /** What LiveKit calls the speaker. */
  readonly identity: string;
  /** What they call themselves. */
  readonly name: string;
  /** The whole text so far; empty for words that were withdrawn. */
  readonly text: string;
  readonly isFinal: boolean;
  /** Milliseconds since the meeting began; null where the room does not say. */
  readonly startMs: number | null;
  readonly endMs: number | null;
  /** BCP 47. */
  readonly language: string | null;
}

/** Why words are missing, as the service says it. */
export type Missing = "recogniser_away" | "recogniser_refused" | "recogniser_silent";

/** Words that are missing. */
export interface Gap {
  readonly identity: string;
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly missing: Missing;
}

/** How recognition of a track fares. */
export type Health = "listening" | "interrupted" | "behind" | "refused" | "encrypted" | "stopped";

/** A meeting that is captioned. */
export interface Meeting {
  readonly lectureId: string;
  /** RFC 3339: where times have zero. */
  readonly startedAt: string;
  readonly live: boolean;
}

export type CaptionEvent =
  /** The room carried words, interim or final. */
  | { readonly kind: "live"; readonly segment: Segment }
  /** The service stored words: they are settled. */
  | { readonly kind: "stored"; readonly segment: Segment }
  /** The service knows of missing words; the same gap may come again, longer. */
  | { readonly kind: "gap"; readonly gap: Gap }
  | { readonly kind: "health"; readonly track: string; readonly health: Health }
  /** Nobody listened for so long, and somebody does again. */
  | { readonly kind: "resumed"; readonly track: string; readonly unheardMs: number }
  /** A track is gone, and its trouble with it. */
  | { readonly kind: "silenced"; readonly track: string }
  | { readonly kind: "meeting"; readonly meeting: Meeting }
  /** The room's settings ask for no captions. */
  | { readonly kind: "off" };

/** A segment, and how we came to know it. */
interface Known extends Segment {
  readonly isStored: boolean;
  /** The meeting that it was stored of; null until it was. */
  readonly lectureId: string | null;
  /** When the room said it last, in milliseconds of the browser's clock; null for what was said before we came. */
  readonly heardAt: number | null;
  /** The place among all arrivals, for what has no time. */
  readonly arrival: number;
}

export interface Captions {
  readonly isOff: boolean;
  readonly meeting: Meeting | null;
  readonly segments: ReadonlyMap<string, Known>;
  readonly gaps: ReadonlyMap<string, Gap>;
  /** Tracks whose words don't become captions. */
  readonly troubles: ReadonlyMap<string, Exclude<Health, "listening">>;
  readonly interruption: Interruption | null;
}

/** A time in which nobody listened. */
export interface Interruption {
  readonly unheardMs: number;
  /** In milliseconds of the browser's clock. */
  readonly endedAt: number;
}

/** An interim that nothing was added to for so long is not shown any more: whoever would settle it is gone. */
export const INTERIM_MS_MAX = 15_000;
/** So long final words stay over the picture. */
export const SHOWN_MS = 8_000;
/** A silence after which the same speaker gets a new paragraph. */
const PARAGRAPH_SILENCE_MS = 20_000;
/** A paragraph longer than this is broken at the next segment. */
const PARAGRAPH_CHARACTERS = 600;

export const NO_CAPTIONS: Captions = {
  isOff: false,
  meeting: null,
  segments: new Map(),
  gaps: new Map(),
  troubles: new Map(),
  interruption: null,
};

/** What is known after some events; `now` is the browser's clock in milliseconds. */
export function applyAll(before: Captions, events: readonly CaptionEvent[], now: number): Captions {
  // Copied once for all events: a late joiner gets thousands at once.
  const next = {
    ...before,
    segments: new Map(before.segments),
    gaps: new Map(before.gaps),
    troubles: new Map(before.troubles),
  };
  for (const event of events) applyTo(next, event, now);
  return next;
}

interface Draft {
  isOff: boolean;
  meeting: Meeting | null;
  segments: Map<string, Known>;
  gaps: Map<string, Gap>;
  troubles: Map<string, Exclude<Health, "listening">>;
  interruption: Interruption | null;
}

function applyTo(draft: Draft, event: CaptionEvent, now: number): void {
  switch (event.kind) {
    case "live":
      return hear(draft, event.segment, now);
    case "stored":
      return settle(draft, event.segment);
    case "gap":
      return miss(draft, event.gap);
    case "health":
      if (event.health === "listening") draft.troubles.delete(event.track);
      else draft.troubles.set(event.track, event.health);
      return;
    case "resumed":
      draft.troubles.delete(event.track);
      draft.interruption = { unheardMs: event.unheardMs, endedAt: now };
      return;
    case "silenced":
      draft.troubles.delete(event.track);
      return;
    case "meeting":
      return meet(draft, event.meeting);
    case "off":
      draft.isOff = true;
      return;
  }
}

/** Final words never change, whatever comes late; what is stored is what was said. */
function hear(draft: Draft, segment: Segment, now: number): void {
  const old = draft.segments.get(segment.id);
  if (old?.isFinal) {
    if (old.heardAt === null) draft.segments.set(segment.id, { ...old, heardAt: now });
    return;
  }
  const arrival = old?.arrival ?? draft.segments.size;
  draft.segments.set(segment.id, { ...segment, isStored: false, lectureId: null, heardAt: now, arrival });
}

function settle(draft: Draft, segment: Segment): void {
  const old = draft.segments.get(segment.id);
  draft.segments.set(segment.id, {
    ...segment,
    isFinal: true,
    isStored: true,
    lectureId: draft.meeting?.lectureId ?? null,
    heardAt: old?.heardAt ?? null,
    arrival: old?.arrival ?? draft.segments.size,
  });
}

function miss(draft: Draft, gap: Gap): void {
  const key = `${gap.startMs} ${gap.identity}`;
  const old = draft.gaps.get(key);
  // A gap only grows: one that comes again after a reconnection may be an older word of it.
  if (old === undefined || old.endMs < gap.endMs) draft.gaps.set(key, gap);
}

/** Times count from each meeting's beginning: of another meeting, nothing that is stored stays. */
function meet(draft: Draft, meeting: Meeting): void {
  const before = draft.meeting;
  draft.meeting = meeting;
  if (before === null || before.lectureId === meeting.lectureId) return;
  for (const [id, segment] of draft.segments) {
    if (segment.isStored && segment.lectureId !== meeting.lectureId) draft.segments.delete(id);
  }
  draft.gaps.clear();
}

/** What somebody said without a break, or that it is missing. */
export type Entry =
  | {
      readonly kind: "speech";
      readonly key: string;
      readonly identity: string;
      readonly name: string;
      readonly startMs: number | null;
      readonly pieces: readonly Piece[];
    }
  | ({ readonly kind: "gap"; readonly key: string } & Gap);

export interface Piece {
  readonly id: string;
  readonly text: string;
  readonly isFinal: boolean;
  readonly language: string | null;
}

/** All that was said, in order, as paragraphs. */
export function transcript(captions: Captions, now: number): Entry[] {
  const said = [...captions.segments.values()].filter((segment) => isShown(segment, now));
  said.sort(inOrder);
  const entries: Entry[] = [];
  const gaps = [...captions.gaps].map(([key, gap]) => ({ kind: "gap" as const, key, ...gap }));
  gaps.sort((one, other) => one.startMs - other.startMs || compare(one.identity, other.identity));
  let next = 0;
  let last: Known | null = null;
  for (const segment of said) {
    const until = segment.startMs ?? Number.POSITIVE_INFINITY;
    for (let gap = gaps[next]; gap !== undefined && gap.startMs <= until; gap = gaps[next]) {
      entries.push(gap);
      next += 1;
    }
    addSpeech(entries, last, segment);
    last = segment;
  }
  return [...entries, ...gaps.slice(next)];
}

function addSpeech(entries: Entry[], last: Known | null, segment: Known): void {
  const piece = { id: segment.id, text: segment.text, isFinal: segment.isFinal, language: segment.language };
  const entry = entries.at(-1);
  if (entry?.kind === "speech" && last !== null && goesOn(entry, last, segment)) {
    entries[entries.length - 1] = { ...entry, pieces: [...entry.pieces, piece] };
    return;
  }
  const { id, identity, name, startMs } = segment;
  entries.push({ kind: "speech", key: id, identity, name, startMs, pieces: [piece] });
}

function goesOn(entry: Entry & { kind: "speech" }, last: Known, segment: Known): boolean {
  const silence = (segment.startMs ?? 0) - (last.endMs ?? segment.startMs ?? 0);
  const characters = entry.pieces.reduce((sum, piece) => sum + piece.text.length, 0);
  return (
    entry.identity === segment.identity && silence < PARAGRAPH_SILENCE_MS && characters < PARAGRAPH_CHARACTERS
  );
}

/** What is said at the moment: the newest words of each who speaks, the longest-lasting first. */
export function overlay(captions: Captions, now: number): Entry[] {
  const recent = [...captions.segments.values()].filter(
    (segment) =>
      isShown(segment, now) && segment.heardAt !== null && now - segment.heardAt < shownMs(segment),
  );
  recent.sort(inOrder);
  const entries: Entry[] = [];
  let last: Known | null = null;
  for (const segment of recent) {
    addSpeech(entries, last, segment);
    last = segment;
  }
  return entries;
}

/** When the overlay looks different even if nothing happens, in milliseconds of the browser's clock; null for never. */
export function overlayChangesAt(captions: Captions, now: number): number | null {
  let next: number | null = null;
  for (const segment of captions.segments.values()) {
    if (segment.heardAt === null || segment.text === "") continue;
    const at = segment.heardAt + shownMs(segment);
    if (at > now && (next === null || at < next)) next = at;
  }
  return next;
}

function shownMs(segment: Known): number {
  return segment.isFinal ? SHOWN_MS : INTERIM_MS_MAX;
}

function isShown(segment: Known, now: number): boolean {
  if (segment.text.trim() === "") return false;
  return segment.isFinal || (segment.heardAt !== null && now - segment.heardAt < INTERIM_MS_MAX);
}

/** By time; what has none (yet) was said just now. */
function inOrder(one: Known, other: Known): number {
  if (one.startMs === null && other.startMs === null) return one.arrival - other.arrival;
  if (one.startMs === null || other.startMs === null) return one.startMs === null ? 1 : -1;
  return one.startMs - other.startMs || compare(one.identity, other.identity) || compare(one.id, other.id);
}

function compare(one: string, other: string): number {
  return Number(one > other) - Number(one < other);
}
