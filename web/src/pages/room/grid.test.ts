import assert from "node:assert/strict";
import { test } from "node:test";

import { columnsFor } from "./grid.js";

test("pictures stand side by side on a desk, and one below the other on a phone", () => {
  assert.equal(columnsFor(1, 1440, 800), 1);
  assert.equal(columnsFor(2, 1440, 700), 2);
  assert.equal(columnsFor(4, 1440, 800), 2);
  assert.equal(columnsFor(9, 1440, 800), 3);
  assert.equal(columnsFor(2, 360, 600), 1);
  assert.equal(columnsFor(6, 360, 600), 2);
});

test("nobody has a picture yet, or there is no place", () => {
  assert.equal(columnsFor(0, 1440, 800), 1);
  assert.equal(columnsFor(3, 0, 0), 1);
});
