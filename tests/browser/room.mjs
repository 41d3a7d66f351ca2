// What people do in rooms, a subject a file (room/*.mjs), in real Chromiums, against one service.
//
//   LECTERN_URL=http://… CHROMIUM=/usr/bin/chromium node room.mjs SPEECH.wav SUBJECT…
//
// kit.mjs says what else it goes by. Prints "done: SUBJECT" for each that went well; ends with 0 if all did. A line
// "order: …" asks whoever started this to do something, and waits for a line of input that says it is done.
import { createInterface } from "node:readline";

import { attempt, closeAll, fail, launch, partAll } from "./kit.mjs";

const [speech, ...subjects] = process.argv.slice(2);
if (!speech || subjects.length === 0) fail("whose speech, and what to try? See the first lines of this file.");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const browser = await launch(speech);
for (const subject of subjects) {
  const { default: tryOut } = await import(`./room/${subject}.mjs`);
  if (await attempt(() => tryOut({ browser, order }))) console.log(`done: ${subject}`);
  await partAll();
}
await closeAll();
process.exit();

async function order(what) {
  console.log(`order: ${what}`);
  const { done } = await answers.next();
  if (done) throw new Error(`nobody does as asked: ${what}`);
}
