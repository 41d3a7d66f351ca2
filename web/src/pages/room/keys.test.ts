import assert from "node:assert/strict";
import { test } from "node:test";

import { deedOf, keys } from "./keys.js";

const PRESS = { ctrlKey: false, metaKey: false, altKey: false, repeat: false, isTyped: false };

test("a key does one thing", () => {
  assert.equal(new Set(keys.map(([key]) => key)).size, keys.length);
  for (const [key, deed] of keys) assert.equal(deedOf({ ...PRESS, key }), deed);
  assert.equal(deedOf({ ...PRESS, key: "M" }), "microphone");
  assert.equal(deedOf({ ...PRESS, key: "x" }), null);
});

test("what is typed, held down or meant for the browser does nothing", () => {
  for (const more of [
    { isTyped: true },
    { repeat: true },
    { ctrlKey: true },
    { metaKey: true },
    { altKey: true },
  ]) {
    assert.equal(deedOf({ ...PRESS, key: "m", ...more }), null);
  }
});
