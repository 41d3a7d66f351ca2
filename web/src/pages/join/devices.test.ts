import assert from "node:assert/strict";
import { test } from "node:test";

import { loudness, problemOf } from "./devices.js";

test("a browser's error says what to do", () => {
  const problems = {
    NotAllowedError: "denied",
    NotFoundError: "missing",
    NotReadableError: "busy",
    SecurityError: "insecure",
  };
  for (const [name, problem] of Object.entries(problems))
    assert.equal(problemOf(new DOMException("…", name)), problem);
  assert.equal(problemOf("odd"), "unknown");
});

test("silence is no bar, speech half of it, shouting all", () => {
  const tone = (amplitude: number) =>
    Float32Array.from({ length: 480 }, (_, at) => amplitude * Math.sin(at / 7));
  assert.equal(loudness(tone(0)), 0);
  assert.equal(loudness(tone(1)), 1);
  const speech = loudness(tone(0.03));
  assert.ok(speech > 0.3 && speech < 0.8, `${speech}`);
});
