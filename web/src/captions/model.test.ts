import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyAll,
  type CaptionEvent,
  type Captions,
  type Entry,
  INTERIM_MS_MAX,
  NO_CAPTIONS,
  overlay,
  overlayChangesAt,
  type Segment,
  SHOWN_MS,
  transcript,
} from "./model.js";

const NAMES: Readonly<Record<string, string>> = { ada: "Ada", ben: "Ben", cy: "Cy" };

function segment(id: string, text: string, more: Partial<Segment> = {}): Segment {
  const identity = more.identity ?? "ada";
  return {
    id,
    identity,
    name: NAMES[identity] ?? identity,
    text,
    isFinal: false,
    startMs: 0,
    endMs: 500,
    language: "en",
    ...more,
  };
}

function interim(id: string, text: string, more: Partial<Segment> = {}): CaptionEvent {
  return { kind: "live", segment: segment(id, text, more) };
}

function final(id: string, text: string, more: Partial<Segment> = {}): CaptionEvent {
  return { kind: "live", segment: segment(id, text, { ...more, isFinal: true }) };
}

function stored(id: string, text: string, more: Partial<Segment> = {}): CaptionEvent {
  return { kind: "stored", segment: segment(id, text, { ...more, isFinal: true }) };
}

function gap(startMs: number, endMs: number): CaptionEvent {
  return { kind: "gap", gap: { identity: "ada", name: "Ada", startMs, endMs, missing: "recogniser_away" } };
}

function meeting(lectureId: string): CaptionEvent {
  return { kind: "meeting", meeting: { lectureId, startedAt: "2026-01-01T10:00:00Z", live: true } };
}

function after(...events: CaptionEvent[]): Captions {
  return applyAll(NO_CAPTIONS, events, 0);
}

/** Entries as lines that one can read in a failure. */
function lines(entries: readonly Entry[]): string[] {
  return entries.map((entry) => {
    if (entry.kind === "gap") return `${entry.name} … ${entry.startMs}-${entry.endMs}`;
    return `${entry.name}: ${entry.pieces.map(({ text, isFinal }) => (isFinal ? text : `(${text})`)).join(" ")}`;
  });
}

function read(captions: Captions, now = 0): string[] {
  return lines(transcript(captions, now));
}

test("words grow, then settle", () => {
  assert.deepEqual(read(after(interim("a", "it is"))), ["Ada: (it is)"]);
  assert.deepEqual(read(after(interim("a", "it is"), interim("a", "it is a truth"))), [
    "Ada: (it is a truth)",
  ]);
  assert.deepEqual(read(after(interim("a", "it is"), final("a", "It is a truth."))), ["Ada: It is a truth."]);
});

test("nothing final ever changes by what the room says later", () => {
  const settled = ["Ada: It is a truth."];
  assert.deepEqual(read(after(final("a", "It is a truth."), interim("a", "it is a"))), settled);
  assert.deepEqual(read(after(final("a", "It is a truth."), final("a", "Another truth."))), settled);
  assert.deepEqual(read(after(stored("a", "It is a truth."), final("a", "Another truth."))), settled);
});

test("an empty final withdraws an interim for good", () => {
  const withdrawn = after(interim("a", "thank you"), final("a", ""));
  assert.deepEqual(read(withdrawn), []);
  assert.deepEqual(overlay(withdrawn, 0), []);
  assert.deepEqual(read(applyAll(withdrawn, [interim("a", "thank you for")], 0)), []);
});

test("what the service stored is what was said: a packet may hold only the end of a long speech", () => {
  assert.deepEqual(
    read(after(final("a", "of a good fortune."), stored("a", "In possession of a good fortune."))),
    ["Ada: In possession of a good fortune."],
  );
});

test("one speaker's pieces are one paragraph, until somebody else speaks or nobody does for long", () => {
  const said = after(
    final("a", "One.", { startMs: 0, endMs: 900 }),
    final("b", "Two.", { startMs: 1_000, endMs: 1_900 }),
    final("c", "And I.", { startMs: 2_000, endMs: 2_900, identity: "ben" }),
    final("d", "Three.", { startMs: 3_000, endMs: 3_900 }),
    final("e", "Four.", { startMs: 60_000, endMs: 61_000 }),
  );
  assert.deepEqual(read(said), ["Ada: One. Two.", "Ben: And I.", "Ada: Three.", "Ada: Four."]);
});

test("a gap stands where the words are missing, and grows in place", () => {
  const said = after(
    stored("a", "Before.", { startMs: 0, endMs: 900 }),
    gap(1_000, 2_000),
    gap(1_000, 5_000),
    gap(1_000, 3_000),
    stored("b", "After.", { startMs: 5_000, endMs: 6_000 }),
  );
  assert.deepEqual(read(said), ["Ada: Before.", "Ada … 1000-5000", "Ada: After."]);
});

test("an interim that nobody settles goes away by itself", () => {
  const left = applyAll(NO_CAPTIONS, [interim("a", "and then")], 1_000);
  assert.equal(overlayChangesAt(left, 1_000), 1_000 + INTERIM_MS_MAX);
  assert.deepEqual(read(left, 1_000 + INTERIM_MS_MAX - 1), ["Ada: (and then)"]);
  assert.deepEqual(read(left, 1_000 + INTERIM_MS_MAX), []);
  assert.deepEqual(overlay(left, 1_000 + INTERIM_MS_MAX), []);
});

test("over the picture stands what is said now, and nothing from before we came", () => {
  const joined = applyAll(NO_CAPTIONS, [stored("a", "Long ago.")], 0);
  assert.deepEqual(overlay(joined, 0), []);
  const said = applyAll(
    joined,
    [final("b", "Now.", { startMs: 9_000 }), interim("c", "and", { startMs: 9_500, identity: "ben" })],
    1_000,
  );
  assert.deepEqual(lines(overlay(said, 1_000)), ["Ada: Now.", "Ben: (and)"]);
  assert.equal(overlayChangesAt(said, 1_000), 1_000 + SHOWN_MS);
  assert.deepEqual(lines(overlay(said, 1_000 + SHOWN_MS)), ["Ben: (and)"]);
  assert.equal(overlayChangesAt(said, 1_000 + INTERIM_MS_MAX), null);
});

test("words are over the picture also where the service was quicker than the room", () => {
  const said = applyAll(after(stored("a", "Now.")), [final("a", "Now.")], 1_000);
  assert.deepEqual(lines(overlay(said, 1_000)), ["Ada: Now."]);
});

test("another meeting in the same room begins with an empty page, and keeps its own first words", () => {
  const said = after(
    meeting("one"),
    stored("a", "Of yesterday."),
    gap(1_000, 2_000),
    final("b", "Good morning."),
    meeting("two"),
    stored("b", "Good morning."),
  );
  assert.deepEqual(read(said), ["Ada: Good morning."]);
});

test("a meeting's end leaves what was said", () => {
  const said = after(meeting("one"), stored("a", "Goodbye."), {
    kind: "meeting",
    meeting: { lectureId: "one", startedAt: "2026-01-01T10:00:00Z", live: false },
  });
  assert.deepEqual(read(said), ["Ada: Goodbye."]);
  assert.equal(said.meeting?.live, false);
});

test("trouble of a track lasts until it is heard again or gone", () => {
  const health = (track: string, state: "listening" | "interrupted"): CaptionEvent => ({
    kind: "health",
    track,
    health: state,
  });
  const troubled = after(health("TR_1", "interrupted"), health("TR_2", "interrupted"));
  assert.deepEqual([...troubled.troubles.keys()], ["TR_1", "TR_2"]);
  const healed = applyAll(troubled, [health("TR_1", "listening"), { kind: "silenced", track: "TR_2" }], 0);
  assert.equal(healed.troubles.size, 0);
});

test("an interruption ends the trouble that was told before it", () => {
  const troubled = after({ kind: "health", track: "TR_1", health: "interrupted" });
  assert.equal(troubled.interruption, null);
  const resumed = applyAll(troubled, [{ kind: "resumed", track: "TR_1", unheardMs: 1_800 }], 7_000);
  assert.equal(resumed.troubles.size, 0);
  assert.deepEqual(resumed.interruption, { unheardMs: 1_800, endedAt: 7_000 });
});

test("text streams without times keep their order, behind what has a time", () => {
  const said = after(
    final("b", "Second.", { startMs: null, endMs: null }),
    interim("c", "third", { startMs: null, endMs: null }),
    stored("a", "First."),
  );
  assert.deepEqual(read(said), ["Ada: First. Second. (third)"]);
});

// From here on by chance: whatever order things come in, people read the same.

const RUNS = 300;

test("whatever way live captions and stored ones interleave, each is there once, settled and in order", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = randomFrom(seed);
    const { live, kept, expected } = meetingByChance(random);
    // The service's stream may break off, and begin anew from any place before.
    const again = kept.slice(Math.floor(random() * kept.length));
    const captions = inBatches(interleaved(random, live, [...kept, ...again]), random);
    assert.deepEqual(read(captions), expected, `seed ${seed}`);
  }
});

test("who comes late reads the same as who was there", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = randomFrom(seed);
    const { live, kept, expected } = meetingByChance(random);
    const late = live.slice(Math.floor(random() * live.length));
    assert.deepEqual(read(inBatches(interleaved(random, late, kept), random)), expected, `seed ${seed}`);
  }
});

test("finals and gaps may come in any order at all", () => {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = randomFrom(seed);
    const { kept, expected } = meetingByChance(random);
    assert.deepEqual(read(inBatches(shuffled(random, [...kept, ...kept]), random)), expected, `seed ${seed}`);
  }
});

interface ByChance {
  /** In the order in which the room says it. */
  live: CaptionEvent[];
  /** In the order in which the service says it. */
  kept: CaptionEvent[];
  expected: string[];
}

/** Up to three people who speak at once, with interims, withdrawn words and gaps. */
function meetingByChance(random: () => number): ByChance {
  const tracks: CaptionEvent[][] = [];
  const kept: CaptionEvent[] = [];
  for (const identity of Object.keys(NAMES)) {
    const live: CaptionEvent[] = [];
    let startMs = Math.floor(random() * 1_000);
    for (let number = 0; number < 1 + random() * 6; number += 1) {
      const place = { identity, startMs, endMs: startMs + 800 };
      const id = `${identity}-${number}`;
      for (let words = 1; words < random() * 4; words += 1)
        live.push(interim(id, `${id} w`.repeat(words), place));
      if (random() < 0.2) {
        live.push(final(id, "", place));
      } else {
        live.push(final(id, `${id}.`, place));
        kept.push(stored(id, `${id}.`, place));
      }
      startMs += 1_000 + Math.floor(random() * 30_000);
    }
    tracks.push(live);
  }
  if (random() < 0.5) kept.push(gap(7_000, 8_000), gap(7_000, 9_000));
  const inTime = [...kept].sort((one, other) => startOf(one) - startOf(other));
  const expected = read(inOneGo(inTime));
  for (const event of kept) {
    if (event.kind !== "stored") continue;
    const times = expected.join(" ").split(event.segment.text).length - 1;
    assert.equal(times, 1, `${event.segment.text} is there ${times} times`);
  }
  return { live: interleaved(random, ...tracks), kept: inTime, expected };
}

function inOneGo(events: CaptionEvent[]): Captions {
  return applyAll(NO_CAPTIONS, events, 0);
}

function startOf(event: CaptionEvent): number {
  if (event.kind === "gap") return event.gap.startMs;
  return event.kind === "stored" ? (event.segment.startMs ?? 0) : 0;
}

/** Several streams as one, each in its own order. */
function interleaved(random: () => number, ...streams: CaptionEvent[][]): CaptionEvent[] {
  const left = streams.map((stream) => [...stream]);
  const all: CaptionEvent[] = [];
  for (;;) {
    const open = left.filter((stream) => stream.length > 0);
    const next = open[Math.floor(random() * open.length)]?.shift();
    if (next === undefined) return all;
    all.push(next);
  }
}

function shuffled(random: () => number, events: CaptionEvent[]): CaptionEvent[] {
  return interleaved(random, ...events.map((event) => [event]));
}

function inBatches(events: CaptionEvent[], random: () => number): Captions {
  const left = [...events];
  let captions = NO_CAPTIONS;
  while (left.length > 0) captions = applyAll(captions, left.splice(0, 1 + Math.floor(random() * 5)), 0);
  return captions;
}

/** Numbers below one that are the same for the same seed: mulberry32's steps. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
