import assert from "node:assert/strict";
import { test } from "node:test";

import { deleteMessage, editMessage } from "./deeds.js";
import { type Life, newLife, nextLife } from "./life.js";

const message = {
  id: "1",
  identity: "guest-1",
  name: "Ada",
  text: "Helo",
  at: "2026-01-01T10:00:00Z",
  reactions: [{ emoji: "👍", identity: "ben" }],
};

test("what one changes reads so at once, and as before where the service can't be reached", async () => {
  for (const [deed, shown] of [
    [(tell: Tell) => editMessage("room", message, "Hello", tell), "Hello"],
    [(tell: Tell) => deleteMessage("room", message, tell), null],
  ] as const) {
    const lives = [nextLife(newLife(false), { kind: "messages", items: [message] })];
    const deeds = deed((event) => lives.push(nextLife(lives.at(-1) as Life, event)));
    assert.deepEqual(lives.at(-1)?.messages[0]?.text, shown);
    await assert.rejects(deeds);
    assert.deepEqual(lives.at(-1)?.messages, [message]);
  }
});

type Tell = Parameters<typeof deleteMessage>[2];
