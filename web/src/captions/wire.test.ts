import assert from "node:assert/strict";
import { test } from "node:test";

import { ofFeed, ofPacket, ofTextStream } from "./wire.js";

const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

const SEGMENT = {
  id: "SG_1",
  identity: "guest-1",
  name: "Ada",
  text: "Hello.",
  isFinal: false,
  startMs: 1200,
  endMs: 1900,
  language: "en",
};

test("a packet is a caption or a health", () => {
  const packet = {
    type: "caption",
    segmentId: "SG_1",
    trackSid: "TR_1",
    identity: "guest-1",
    name: "Ada",
    text: "Hello.",
  };
  const times = { final: false, startMs: 1200, endMs: 1900, language: "en" };
  assert.deepEqual(ofPacket(bytes({ ...packet, ...times })), { kind: "live", segment: SEGMENT });
  assert.deepEqual(ofPacket(bytes({ type: "health", trackSid: "TR_1", state: "refused", message: "…" })), {
    kind: "health",
    track: "TR_1",
    health: "refused",
  });
  const started = { type: "health", trackSid: "TR_1", state: "started", message: "…" };
  assert.deepEqual(ofPacket(bytes(started)), { kind: "health", track: "TR_1", health: "listening" });
  const resumed = { type: "health", trackSid: "TR_1", state: "resumed", speechMs: 1800, message: "…" };
  assert.deepEqual(ofPacket(bytes(resumed)), { kind: "resumed", track: "TR_1", unheardMs: 1800 });
});

test("what is no packet of ours is passed over", () => {
  for (const odd of [
    "",
    "{",
    "[]",
    "null",
    "7",
    { type: "caption" },
    { type: "later" },
    { type: "health", trackSid: "T", state: "odd" },
    { type: "health", trackSid: "T", state: "resumed" },
  ]) {
    assert.equal(ofPacket(bytes(odd)), null, JSON.stringify(odd));
  }
});

test("a text stream has no times", () => {
  const attributes = { "lk.segment_id": "SG_1", "lk.transcription_final": "true" };
  assert.deepEqual(ofTextStream({ identity: "guest-1", name: "Ada" }, "Hello.", attributes), {
    kind: "live",
    segment: { ...SEGMENT, isFinal: true, startMs: null, endMs: null, language: null },
  });
  assert.equal(ofTextStream({ identity: "guest-1", name: "Ada" }, "Hello.", {}), null);
});

test("the service's events are settled words, gaps, meetings, or that there are no captions", () => {
  const place = { position: "x", identity: "guest-1", name: "Ada", startMs: 1200, endMs: 1900 };
  assert.deepEqual(
    ofFeed("captions.final", { ...place, segmentId: "SG_1", text: "Hello.", language: "en" }),
    {
      kind: "stored",
      segment: { ...SEGMENT, isFinal: true },
    },
  );
  assert.deepEqual(ofFeed("captions.gap", { ...place, missing: "recogniser_away" }), {
    kind: "gap",
    gap: { identity: "guest-1", name: "Ada", startMs: 1200, endMs: 1900, missing: "recogniser_away" },
  });
  const meeting = { lectureId: "L1", startedAt: "2026-01-01T10:00:00Z", live: true };
  assert.deepEqual(ofFeed("captions.meeting", meeting), { kind: "meeting", meeting });
  assert.deepEqual(ofFeed("captions.off", {}), { kind: "off" });
  assert.equal(ofFeed("captions.later", {}), null);
  assert.equal(ofFeed("captions.final", "<html>"), null);
});
