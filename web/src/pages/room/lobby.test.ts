import assert from "node:assert/strict";
import { test } from "node:test";

import { nextLobby } from "./lobby.js";

const entry = (id: string, state = "waiting") => ({
  id,
  name: id,
  state,
  addressBanned: false,
  askedAt: `2026-01-01T10:00:0${id}Z`,
});
const ids = (entries: readonly { id: string }[]) => entries.map(({ id }) => id);

test("people wait in the order in which they came, each once, until it is decided", () => {
  let waiting = nextLobby([], { kind: "list", items: [entry("2"), entry("1")] });
  assert.deepEqual(ids(waiting), ["1", "2"]);
  waiting = nextLobby(waiting, { kind: "entry", entry: entry("3") });
  waiting = nextLobby(waiting, { kind: "entry", entry: entry("3") });
  assert.deepEqual(ids(waiting), ["1", "2", "3"]);
  waiting = nextLobby(waiting, { kind: "entry", entry: entry("2", "admitted") });
  assert.deepEqual(ids(waiting), ["1", "3"]);
  assert.deepEqual(ids(nextLobby(waiting, { kind: "list", items: [] })), []);
});
