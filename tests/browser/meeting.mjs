// One whole meeting in real Chromiums, as people would hold it: from the invitation to the page after the end.
//
//   LECTERN_URL=http://… CHROMIUM=/usr/bin/chromium node meeting.mjs JANES-SPEECH.wav BENS-SPEECH.wav [SCREENSHOTS]
//
// LECTERN_URL is a service that serves the pages, with LiveKit and a recogniser behind it. Ends with 0 if all went well,
// else with what went wrong and pictures of what was to be seen.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { chromium } from "playwright-core";

/** Builds and machines are shared: what comes, comes by then. */
const PATIENCE_MS = 60_000;
/** Compressed, as the service sends it. */
const SCRIPT_BYTES_MAX = 250_000;
const PIN = "4711";
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SIZES = { phone: [360, 740], tablet: [820, 1180], desktop: [1440, 900] };

const base = setting("LECTERN_URL");
const executablePath = setting("CHROMIUM");
const [janesSpeech, bensSpeech, pictures] = process.argv.slice(2);
if (!janesSpeech || !bensSpeech) fail("whose speech? See the first lines of this file.");
if (pictures) await mkdir(pictures, { recursive: true });
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Two processes, for two people with a voice of their own; the host listens in one of them.
const browsers = [];
const tabs = [];
let step = "the start";
try {
  await hold();
  console.log("held");
} catch (error) {
  console.error(`at ${step}: ${error.stack}`);
  for (const [number, tab] of tabs.entries()) {
    const path = join(pictures ?? tmpdir(), `failure-${number}.png`);
    await tab.screenshot({ path }).catch(() => {});
    console.error(`${path}: ${tab.url()}`);
  }
  process.exitCode = 1;
} finally {
  await Promise.all(browsers.map((browser) => browser.close()));
}

async function hold() {
  const [withBen, withJane] = [await launch(bensSpeech), await launch(janesSpeech)];

  at("the host's room");
  const host = await open(withBen, "/");
  const room = await makeRoom(host);
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

/** An account and a room of its own, by the API; the browser keeps the cookie. */
async function makeRoom(host) {
  return host.evaluate(async (pin) => {
    const post = async (path, body) => {
      const response = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return response.json();
    };
    const email = `ada-${Math.random()}@example.org`;
    await post("/api/auth/register", { email, name: "Ada", password: "correct horse battery" });
    return post("/api/rooms", { title: "Sense and Sensibility", settings: { lobby: true, pin, language: "en" } });
  }, PIN);
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

async function switchOff(tab, ...devices) {
  for (const device of devices) {
    const toggle = tab.getByRole("button", { name: `Turn ${device} off` });
    if (await toggle.isVisible()) await toggle.click();
  }
}

async function inRoom(tab) {
  await tab.getByRole("contentinfo", { name: "Controls" }).waitFor();
}

/** Waits until words of those, as the recogniser may hear them, stand over the picture under that name. */
async function caption(tab, name, words) {
  const said = (shown) => {
    const [name, words] = shown;
    const entries = [...document.querySelectorAll('section[aria-label="Captions"] p')];
    return entries.some((entry) => {
      const [speaker, text] = [entry.querySelector("b")?.textContent, entry.textContent.toLowerCase()];
      return speaker === name && words.some((word) => text.includes(word));
    });
  };
  await tab.waitForFunction(said, [name, words], { timeout: PATIENCE_MS });
}

/** LiveKit's client and all that is for the room alone is not fetched before one joins. */
async function light(tab) {
  const bytes = await tab.evaluate(() => {
    const scripts = performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".js"));
    return scripts.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  });
  if (bytes === 0 || bytes > SCRIPT_BYTES_MAX) throw new Error(`the green room fetches ${bytes} bytes of script`);
}

/** Waits until a picture comes through. */
async function seen(tab, name) {
  const plays = (name) => {
    const videos = [...document.querySelectorAll(`figure[aria-label="${name}"] video`)];
    return videos.some((video) => video.videoWidth > 0 && video.currentTime > 0);
  };
  await tab.waitForFunction(plays, name, { timeout: PATIENCE_MS });
}

/** Each piece of speech stands in the transcript once, though it came live and from the service's store. */
async function noDoubles(tab) {
  const pieces = await tab.locator('[aria-label="Transcript"] article span[data-final="true"]').allTextContents();
  const doubled = pieces.filter((piece, at) => piece.trim().split(" ").length > 2 && pieces.indexOf(piece) !== at);
  if (pieces.length === 0 || doubled.length > 0) throw new Error(`said ${pieces.length}, twice: ${doubled}`);
}

async function accessible(tab, what) {
  // By the debugger's own way: the pages' policy allows no script but theirs.
  await tab.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await tab.emulateMedia({ colorScheme });
    // Until it is drawn so.
    await tab.evaluate(async () => {
      await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      const transitions = document.getAnimations().filter((one) => one instanceof CSSTransition);
      await Promise.allSettled(transitions.map(({ finished }) => finished));
    });
    const { violations } = await tab.evaluate((runOnly) => window.axe.run({ runOnly }), RULES);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
    if (found.length > 0) throw new Error(`${what} is not accessible in ${colorScheme}: ${found.join("\n")}`);
  }
  await tab.emulateMedia({ colorScheme: "light" });
}

async function picturesOf(tab, name) {
  if (!pictures) return;
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    await tab.setViewportSize({ width, height });
    await tab.waitForTimeout(300);
    await tab.screenshot({ path: join(pictures, `${name}-${size}.png`) });
  }
  await tab.setViewportSize({ width: 1280, height: 800 });
}

async function has(locator, what) {
  await locator.first().waitFor({ timeout: PATIENCE_MS }).catch(() => {
    throw new Error(`${what} can't be seen`);
  });
}

async function launch(speech) {
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      "--no-sandbox", // refused to root without this
      "--disable-gpu",
      "--disable-quic",
      "--autoplay-policy=no-user-gesture-required",
      "--allow-loopback-in-peer-connection", // the server under test listens on 127.0.0.1 alone
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream=fps=5", // a picture costs what its frames cost
      "--auto-select-desktop-capture-source=Entire screen",
      `--use-file-for-fake-audio-capture=${resolve(speech)}`,
    ],
  });
  browsers.push(browser);
  return browser;
}

/** A tab of somebody new. */
async function open(browser, path) {
  return newTab(await newContext(browser, ["camera", "microphone"]), path);
}

function newContext(browser, permissions) {
  const viewport = { width: 1280, height: 800 };
  // Colours on their way from one to another would be measured as neither.
  return browser.newContext({ permissions, locale: "en-US", viewport, reducedMotion: "reduce" });
}

async function newTab(context, path) {
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE_MS);
  tab.on("pageerror", (error) => console.error(`the page failed: ${error.stack}`));
  tab.on("console", (message) => message.type() === "error" && console.error(`[page] ${message.text()}`));
  tabs.push(tab);
  await tab.goto(`${base}${path}`);
  return tab;
}

function at(next) {
  step = next;
  console.log(`… ${next}`);
}

function setting(name) {
  return process.env[name] || fail(`${name} is not set`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
