// One whole meeting in real Chromiums, as people would hold it: from the invitation to the page after the end.
//
//   LECTERN_URL=http://… CHROMIUM=/usr/bin/chromium node meeting.mjs JANES-SPEECH.wav BENS-SPEECH.wav
//
// kit.mjs says what else it goes by. Ends with 0 if all went well.
import { readFile } from "node:fs/promises";

import * as kit from "./kit.mjs";
import {
  accessible,
  at,
  base,
  caption,
  fail,
  has,
  inRoom,
  launch,
  newContext,
  newTab,
  open,
  picturesOf,
  seen,
  switchOff,
} from "./kit.mjs";

/** Compressed, as the service sends it. */
const SCRIPT_BYTES_MAX = 250_000;
const PIN = "4711";

const [janesSpeech, bensSpeech] = process.argv.slice(2);
if (!janesSpeech || !bensSpeech) fail("whose speech? See the first lines of this file.");

// Two processes, for two people with a voice of their own; the host listens in one of them.
if (await kit.attempt(hold)) console.log("held");
await kit.closeAll();

async function hold() {
  const [withBen, withJane] = [await launch(bensSpeech), await launch(janesSpeech)];

  at("the host's room");
  const host = await open(withBen, "/");
  const room = await kit.makeRoom(host, { lobby: true, pin: PIN });
  await checkBadInvitations(withBen, room);

  at("the host's way in");
  await host.goto(`${base}/join/${room.code}`);
  await host.getByLabel("Your name").fill("Ada");
  await switchOff(host, "microphone", "camera");
  await host.getByRole("button", { name: "Join", exact: true }).click();
  await inRoom(host);

  at("a browser without WebRTC");
  const old = await newTab(host.context(), "/");
  await old.addInitScript(() => {
    delete window.RTCPeerConnection;
    delete window.webkitRTCPeerConnection;
  });
  await old.goto(`${base}/join/${room.code}`);
  await old.getByRole("button", { name: "Join", exact: true }).click();
  await old.getByText("This browser can't hold meetings").waitFor();
  await accessible(old, "a browser without WebRTC");
  await old.close();

  at("the green room");
  const jane = await open(withJane, `/join/${room.code}`);
  await jane.getByLabel("Your name").fill("Jane Austen");
  await jane.getByText("This room is captioned.").waitFor();
  await jane.getByLabel("PIN").fill("0000");
  await switchOff(jane, "microphone");
  await light(jane);
  await picturesOf(jane, "join");
  await accessible(jane, "the green room");
  await jane.getByRole("button", { name: "Ask to join" }).click();
  await jane.getByText("This is not the room's PIN").waitFor();
  await jane.getByLabel("PIN").fill(PIN);
  await jane.getByRole("button", { name: "Ask to join" }).click();

  at("the lobby");
  await jane.getByText("The host knows that you are here").waitFor();
  await picturesOf(jane, "waiting");
  await accessible(jane, "the waiting room");
  const ben = await open(withBen, `/join/${room.code}`);
  await ask(ben, "Ben");
  const mallory = await open(withJane, `/join/${room.code}`);
  await ask(mallory, "Mallory");
  await host.getByRole("button", { name: /^People, waiting/ }).click();
  await host.getByRole("button", { name: "Deny Mallory" }).click();
  await mallory.getByText("The host did not let you in").waitFor();
  await host.getByRole("button", { name: "Admit Jane Austen" }).click();
  await inRoom(jane);
  await host.getByRole("button", { name: "Admit Ben" }).click();
  await inRoom(ben);
  for (const tab of [host, jane, ben]) await tab.getByRole("figure", { name: /^Jane Austen/ }).waitFor();
  await seen(ben, "Jane Austen");

  at("Jane's words");
  await jane.getByRole("button", { name: /^Unmute/ }).click();
  for (const tab of [host, ben, jane]) await caption(tab, "Jane Austen", ["consider", "much", "might", "power", "young"]);
  await picturesOf(ben, "room");
  await accessible(ben, "the room");

  at("Ben's words");
  await ben.getByRole("button", { name: /^Unmute/ }).click();
  for (const tab of [host, jane, ben]) await caption(tab, "Ben", ["welcome", "first", "lecture"]);
  await jane.getByRole("button", { name: /^Mute/ }).click();
  await ben.getByRole("button", { name: /^Mute/ }).click();

  at("captions of one's own");
  await ben.getByRole("button", { name: "Hide captions" }).click();
  await ben.getByRole("region", { name: "Captions" }).waitFor({ state: "detached" });
  await ben.getByRole("button", { name: "Show captions" }).click();

  at("what was said before one came");
  await ben.reload();
  await inRoom(ben);
  await ben.keyboard.press("r");
  const read = ben.getByRole("region", { name: "Transcript" });
  await has(read.getByRole("article").filter({ hasText: "Jane Austen" }), "Jane's words from before the reload");
  await noDoubles(ben);
  await picturesOf(ben, "transcript");

  at("the chat");
  await jane.getByRole("button", { name: "Chat" }).click();
  await jane.getByRole("textbox", { name: "Message" }).fill("Which <b>chapter</b>?");
  await jane.getByRole("button", { name: "Send" }).click();
  await jane.getByRole("log").getByText("Which <b>chapter</b>?").waitFor();
  await host.getByRole("button", { name: /^Chat, unread: 1/ }).click();
  await host.getByRole("log").getByText("Which <b>chapter</b>?").waitFor();
  await host.getByRole("button", { name: "Add a reaction" }).click();
  await host.getByRole("button", { name: "React with 👍" }).last().click();
  await jane.getByRole("button", { name: "👍 1" }).waitFor();
  await picturesOf(jane, "chat");
  await accessible(jane, "the chat");

  at("a broken connection");
  await jane.context().setOffline(true);
  await jane.getByText("You are offline").waitFor();
  await jane.getByRole("textbox", { name: "Message" }).fill("Volume the first");
  await jane.keyboard.press("Enter");
  await jane.getByText("Not sent.").waitFor();
  await jane.context().setOffline(false);
  await jane.getByText("You are offline").waitFor({ state: "detached" });
  await jane.getByRole("button", { name: "Send again" }).click();
  await host.getByRole("log").getByText("Volume the first").waitFor();

  at("a file");
  await jane.getByRole("tab", { name: "Files" }).click();
  const notes = { name: "Emma.txt", mimeType: "text/plain", buffer: Buffer.from("Emma Woodhouse, handsome, clever, and rich") };
  await jane.locator("input[type=file]").setInputFiles(notes);
  await jane.getByRole("link", { name: "Emma.txt" }).waitFor();
  await host.getByRole("tab", { name: "Files" }).click();
  const [download] = await Promise.all([host.waitForEvent("download"), host.getByRole("link", { name: "Emma.txt" }).click()]);
  const fetched = await readFile(await download.path(), "utf8");
  if (!fetched.startsWith("Emma Woodhouse")) throw new Error(`the file holds ${fetched}`);

  at("a hand");
  await jane.getByRole("button", { name: "Raise hand" }).click();
  await host.getByRole("tab", { name: "People" }).click();
  await has(host.getByRole("figure", { name: "Jane Austen" }).getByRole("img", { name: "Hand is up" }), "Jane's hand");
  await host.getByRole("button", { name: "Lower hand: Jane Austen" }).click();
  await jane.getByRole("button", { name: "Raise hand" }).waitFor();
  await picturesOf(host, "people");
  await accessible(host, "the host's panel");

  at("a screen");
  await jane.getByRole("button", { name: "Share screen" }).click();
  await host.getByRole("figure", { name: "Jane Austen's screen" }).waitFor();
  await jane.getByRole("button", { name: "Stop sharing screen" }).click();
  await host.getByRole("figure", { name: "Jane Austen's screen" }).waitFor({ state: "detached" });

  at("the kick");
  await host.getByRole("button", { name: "What to do about Ben" }).click();
  await host.getByRole("button", { name: "Remove from room" }).click();
  await ben.getByText("You were sent out").waitFor();
  await host.getByRole("figure", { name: "Ben" }).waitFor({ state: "detached" });

  at("the panic");
  await host.getByRole("button", { name: "Panic" }).click();
  await host.getByRole("button", { name: "Quiet everything" }).click();
  await host.getByRole("button", { name: "Unlock" }).waitFor();
  await ben.getByRole("button", { name: "Join again" }).click();
  await ben.getByLabel("PIN").fill(PIN);
  await ben.getByRole("button", { name: "Ask to join" }).click();
  await ben.getByText("The room is locked").waitFor();

  at("the end");
  await host.getByRole("button", { name: "End room" }).click();
  await host.getByRole("dialog").getByRole("button", { name: "End for everybody" }).click();
  for (const tab of [host, jane]) {
    await tab.getByText("The room is over").waitFor();
    await tab.getByRole("link", { name: "Read the lecture" }).waitFor();
  }
  await picturesOf(jane, "after");
  await accessible(jane, "the page after the end");

  at("the lecture");
  await jane.getByRole("link", { name: "Read the lecture" }).click();
  await jane.getByText("Jane Austen").first().waitFor();
  await jane.getByRole("heading", { name: "Summary" }).waitFor();
  await jane.getByRole("link", { name: "PDF" }).waitFor();
}

async function checkBadInvitations(browser, { code }) {
  at("bad invitations");
  const stray = await open(browser, "/join/no-such-code");
  await stray.getByText("No room has this code").waitFor();
  await accessible(stray, "a wrong code");
  await stray.close();

  // Who refuses the microphone hears what to do, and may come in all the same.
  const context = await newContext(browser, []);
  const shy = await newTab(context, `/join/${code}`);
  await shy.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = ({ video }) =>
      Promise.reject(new DOMException("…", video ? "NotFoundError" : "NotAllowedError"));
  });
  await shy.goto(`${base}/join/${code}`);
  await shy.getByText("The browser may not use your microphone").waitFor();
  await shy.getByText("No camera was found").waitFor();
  await context.close();
}

async function ask(tab, name) {
  await tab.getByLabel("Your name").fill(name);
  await tab.getByLabel("PIN").fill(PIN);
  await switchOff(tab, "microphone", "camera");
  await tab.getByRole("button", { name: "Ask to join" }).click();
  await tab.getByText("The host knows that you are here").waitFor();
}

/** LiveKit's client and all that is for the room alone is not fetched before one joins. */
async function light(tab) {
  const bytes = await tab.evaluate(() => {
    const scripts = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".js"));
    return scripts.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  });
  if (bytes === 0 || bytes > SCRIPT_BYTES_MAX) throw new Error(`the green room fetches ${bytes} bytes of script`);
}

/** Each piece of speech stands in the transcript once, though it came live and from the service's store. */
async function noDoubles(tab) {
  const pieces = await tab.locator('[aria-label="Transcript"] article span[data-final="true"]').allTextContents();
  const doubled = pieces.filter((piece, at) => piece.trim().split(" ").length > 2 && pieces.indexOf(piece) !== at);
  if (pieces.length === 0 || doubled.length > 0) throw new Error(`said ${pieces.length}, twice: ${doubled}`);
}
