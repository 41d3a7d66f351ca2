import assert from "node:assert/strict";
import { test } from "node:test";

import { type Life, type LifeEvent, newLife, nextLife } from "./life.js";

const message = (id: string, text: string | null, at = `2026-01-01T10:00:0${id}Z`) => ({
  id,
  identity: "guest-1",
  name: "Ada",
  text,
  at,
  reactions: [],
});

const after = (...events: LifeEvent[]): Life => events.reduce(nextLife, newLife(false));
const texts = ({ messages, unsent }: Life) => [...messages, ...unsent].map(({ text }) => text);

test("what one writes is there at once, and there once, whichever answer is first", () => {
  const write: LifeEvent = { kind: "write", key: "k", text: "Hello" };
  const told: LifeEvent = { kind: "chat.message", data: message("1", "Hello") };
  const written: LifeEvent = { kind: "written", key: "k", message: message("1", "Hello") };
  for (const events of [
    [write],
    [write, told],
    [write, written],
    [write, told, written],
    [write, written, told],
  ]) {
    assert.deepEqual(texts(after(...events)), ["Hello"]);
  }
});

test("what could not be sent stays, to be sent again or given up", () => {
  const failed = after({ kind: "write", key: "k", text: "Hello" }, { kind: "unwritten", key: "k" });
  assert.deepEqual(failed.unsent, [{ key: "k", text: "Hello", hasFailed: true }]);
  // Somebody else says the same: it is not ours that came through.
  assert.equal(nextLife(failed, { kind: "chat.message", data: message("1", "Hello") }).unsent.length, 1);
  assert.deepEqual(nextLife(failed, { kind: "write", key: "k", text: "Hello" }).unsent, [
    { key: "k", text: "Hello", hasFailed: false },
  ]);
  assert.deepEqual(texts(nextLife(failed, { kind: "discard", key: "k" })), []);
});

test("messages stand in the order in which they were written, as they were told last", () => {
  const life = after(
    { kind: "chat.message", data: message("3", "three") },
    { kind: "messages", items: [message("2", "two"), message("1", "one")] },
    { kind: "chat.edited", data: message("2", "zwei") },
    { kind: "chat.deleted", data: message("3", null) },
  );
  assert.deepEqual(texts(life), ["one", "zwei", null]);
});

test("a reaction is put once and taken back", () => {
  const reacted: LifeEvent = { kind: "chat.reacted", data: { messageId: "1", emoji: "👍", identity: "ben" } };
  const life = after({ kind: "chat.message", data: message("1", "one") }, reacted, reacted);
  assert.deepEqual(life.messages[0]?.reactions, [{ emoji: "👍", identity: "ben" }]);
  const { data } = reacted;
  assert.deepEqual(nextLife(life, { kind: "chat.unreacted", data }).messages[0]?.reactions, []);
});

test("hands are a queue, and a hand is in it once", () => {
  const raise = (identity: string, second: number): LifeEvent => ({
    kind: "hand.raised",
    data: { identity, name: identity, raisedAt: `2026-01-01T10:00:0${second}Z` },
  });
  const life = after(raise("ben", 2), raise("ada", 1), raise("ben", 2), raise("cy", 3));
  assert.deepEqual(
    life.hands.map(({ identity }) => identity),
    ["ada", "ben", "cy"],
  );
  const lowered = nextLife(life, { kind: "hand.lowered", data: { identity: "ada" } });
  assert.deepEqual(
    lowered.hands.map(({ identity }) => identity),
    ["ben", "cy"],
  );
});

test("files come and go, the latest first", () => {
  const file = (id: string) => ({
    id,
    name: id,
    mediaType: "text/plain",
    bytes: 1,
    identity: "ada",
    sharedBy: "Ada",
    at: "",
    url: "",
  });
  const life = after(
    { kind: "files", items: [file("a")] },
    { kind: "file.shared", data: file("b") },
    { kind: "file.shared", data: file("b") },
    { kind: "file.deleted", data: { id: "a" } },
  );
  assert.deepEqual(
    life.files.map(({ id }) => id),
    ["b"],
  );
});

test("the lock follows the room", () => {
  assert.equal(after({ kind: "room.locked" }).isLocked, true);
  assert.equal(after({ kind: "room.locked" }, { kind: "room.unlocked" }).isLocked, false);
});
