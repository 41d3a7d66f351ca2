import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { withMetadata } from "./model.js";

const model = new Uint8Array(
  readFileSync("node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite"),
);

test("weights stay as they are, where they were aligned, behind a root with metadata", () => {
  const made = withMetadata(model);
  const added = made.length - model.length;
  assert.ok(added > 0 && added < 4096, `${added} bytes more`);
  assert.equal(added % 16, 0);
  assert.deepEqual(made.subarray(added), model);
  const head = Buffer.from(made.subarray(0, added)).toString("latin1");
  assert.equal(head.slice(4, 8), "TFL3");
  for (const part of ["TFLITE_METADATA", "M001"]) assert.ok(head.includes(part), part);
});

test("what is no model is refused", () => {
  assert.throws(() => withMetadata(new Uint8Array(64)));
});
