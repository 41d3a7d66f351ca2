import assert from "node:assert/strict";
import { test } from "node:test";

import { Pace } from "./pace.js";

function run(took: number): { told: number; skipped: number } {
  let [told, skipped, now] = [0, 0, 0];
  const pace = new Pace(() => (told += 1));
  for (let picture = 0; picture < 100; picture += 1) {
    if (pace.mayBegin(now)) {
      now += took;
      pace.ended(now);
    } else {
      skipped += 1;
      now += 1000 / 30;
    }
  }
  return { told, skipped };
}

test("a fast machine blurs every picture", () => assert.deepEqual(run(20), { told: 0, skipped: 0 }));

test("a slow machine is told of once, and has half of its time back", () => {
  const { told, skipped } = run(100);
  assert.equal(told, 1);
  assert.ok(skipped > 40, `${skipped} skipped`);
});
