import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, type Code } from "../../api/error.js";
import { type Door, mayAskAgain, nextDoor, THRESHOLD } from "./door.js";

const refusedBy = (code: Code, field: string | null = null, retryAfter: number | null = null) =>
  nextDoor(THRESHOLD, { kind: "refused", error: new ApiError(code, "…", field, retryAfter) });

test("a wrong PIN is put right at the PIN, a bad name at the name", () => {
  const [pin, name] = [refusedBy("PIN_WRONG"), refusedBy("VALIDATION_FAILED", "name")];
  assert.equal(pin.at === "threshold" && pin.problem?.field, "pin");
  assert.equal(name.at === "threshold" && name.problem?.field, "name");
});

test("who guessed too often is told how long to wait", () => {
  const door = refusedBy("RATE_LIMITED", null, 42);
  assert.equal(door.at === "threshold" && door.problem?.retryAfter, 42);
});

test("a door that does not open says why", () => {
  const closed = {
    ROOM_LOCKED: "locked",
    BANNED: "banned",
    LOBBY_FULL: "full",
    ROOM_ENDED: "ended",
  } as const;
  for (const [code, why] of Object.entries(closed)) {
    assert.deepEqual(refusedBy(code as Code), { at: "closed", why });
  }
  assert.equal(mayAskAgain("banned"), false);
  assert.equal(mayAskAgain("denied"), true);
});

test("who waits is told what becomes of them, once", () => {
  const waiting = nextDoor(THRESHOLD, { kind: "waiting" });
  const denied = nextDoor(waiting, { kind: "told", what: "lobby.denied" });
  assert.deepEqual(denied, { at: "closed", why: "denied" });
  assert.equal(nextDoor(denied, { kind: "told", what: "lobby.expired" }), denied);
  assert.deepEqual(nextDoor(waiting, { kind: "told", what: "lobby.waiting" }), {
    at: "waiting",
  } satisfies Door);
  assert.equal(nextDoor(denied, { kind: "again" }), THRESHOLD);
});

test("a call that got lost leaves the form as it is", () => {
  const door = nextDoor(THRESHOLD, {
    kind: "refused",
    error: ApiError.unreachable(new TypeError("offline")),
  });
  assert.equal(door.at === "threshold" && door.problem?.field, null);
});
