// What all who try out a room in real Chromiums need: browsers, people, and what is to be seen of them.
//
// LECTERN_URL is a service that serves the pages, with LiveKit and a recogniser behind it; CHROMIUM a browser.
// LECTERN_SCREENSHOTS, if set, a folder for pictures of what was to be seen.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join as path, resolve } from "node:path";

import { chromium } from "playwright-core";

/** Builds and machines are shared: what comes, comes by then. */
export const PATIENCE_MS = 60_000;
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SIZES = { phone: [360, 740], tablet: [820, 1180], desktop: [1440, 900] };

export const base = setting("LECTERN_URL");
const executablePath = setting("CHROMIUM");
const pictures = process.env.LECTERN_SCREENSHOTS;
if (pictures) await mkdir(pictures, { recursive: true });
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browsers = [];
let tabs = [];
let step = "the start";

/** Does it, and says how it went: by the exit code, and by pictures of what was to be seen when it failed. */
export async function attempt(deed) {
  try {
    await deed();
    return true;
  } catch (error) {
    console.error(`at ${step}: ${error.stack}`);
    for (const [number, tab] of tabs.entries()) {
      const file = path(pictures ?? tmpdir(), `failure-${number}.png`);
      await tab.screenshot({ path: file, timeout: 5_000 }).catch(() => {});
      console.error(`${file}: ${tab.url()}`);
    }
    process.exitCode = 1;
    return false;
  }
}

/** Says what is tried now. */
export function at(next) {
  step = next;
  console.log(`… ${next}`);
}

/** A browser whose microphone hears that file. */
export async function launch(speech) {
  const args = [
    "--no-sandbox", // refused to root without this
    "--disable-gpu",
    "--disable-quic",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection", // the server under test listens on 127.0.0.1 alone
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=5", // a picture costs what its frames cost
    "--auto-select-desktop-capture-source=Entire screen",
    `--use-file-for-fake-audio-capture=${resolve(speech)}`,
  ];
  const browser = await chromium.launch({ executablePath, headless: true, args });
  browsers.push(browser);
  return browser;
}

export async function closeAll() {
  await Promise.all(browsers.splice(0).map((browser) => browser.close()));
}

/** Everybody goes home. */
export async function partAll() {
  const contexts = new Set(tabs.map((tab) => tab.context()));
  tabs = [];
  await Promise.all([...contexts].map((context) => context.close()));
}

/** A tab of somebody new. */
export async function open(browser, path) {
  return newTab(await newContext(browser, ["camera", "microphone"]), path);
}

export function newContext(browser, permissions) {
  const viewport = { width: 1280, height: 800 };
  // Colours on their way from one to another would be measured as neither.
  return browser.newContext({ permissions, locale: "en-US", viewport, reducedMotion: "reduce" });
}

export async function newTab(context, path) {
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE_MS);
  tab.on("pageerror", (error) => console.error(`the page failed: ${error.stack}`));
  tab.on("console", (message) => message.type() === "error" && console.error(`[page] ${message.text().slice(0, 200)}`));
  tabs.push(tab);
  await tab.goto(`${base}${path}`);
  return tab;
}

/** An account, by the API; the browser keeps the cookie. */
export async function register(tab, name) {
  const email = `${name}-${Math.random()}@example.org`;
  await call(tab, "POST", "/api/auth/register", { email, name, password: "correct horse battery" });
}

/** An account and a room of its own. */
export async function makeRoom(tab, settings = {}, title = "Sense and Sensibility") {
  await register(tab, "Ada");
  return call(tab, "POST", "/api/rooms", { title, settings: { language: "en", ...settings } });
}

/** Calls the service as this browser does. */
export async function call(tab, method, path, body) {
  return tab.evaluate(
    async ([method, path, body]) => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return text === "" ? null : JSON.parse(text);
    },
    [method, path, body],
  );
}

/** A host in a room of their own, silent and unseen. */
export async function hostRoom(browser, settings) {
  const host = await open(browser, "/");
  const room = await makeRoom(host, settings);
  await goIn(host, room, "Ada");
  return { host, room };
}

/** Somebody new in the room. */
export async function guestIn(browser, room, name, options) {
  const guest = await open(browser, "/");
  await goIn(guest, room, name, options);
  return guest;
}

/** Through the green room of a room that asks for nothing but a name. */
export async function goIn(tab, room, name, { off = ["microphone", "camera"] } = {}) {
  await tab.goto(`${base}/join/${room.code}`);
  await tab.getByLabel("Your name").fill(name);
  await switchOff(tab, ...off);
  await tab.getByRole("button", { name: "Join", exact: true }).click();
  await inRoom(tab);
}

export async function switchOff(tab, ...devices) {
  for (const device of devices) {
    const toggle = tab.getByRole("button", { name: `Turn ${device} off` });
    if (await toggle.isVisible()) await toggle.click();
  }
}

export async function inRoom(tab) {
  await tab.getByRole("contentinfo", { name: "Controls" }).waitFor();
}

/** Somebody's picture, or its place. */
export function tile(tab, name) {
  return tab.getByRole("figure", { name });
}

/** What is behind the three dots. */
export async function more(tab, item) {
  await tab.getByRole("contentinfo", { name: "Controls" }).getByRole("button", { name: "More" }).click();
  await tab.getByRole("button", { name: item, exact: true }).click();
}

/** What a host does about somebody, with the panel of people open. */
export async function about(host, name, deed) {
  await host.getByRole("button", { name: `What to do about ${name}` }).click();
  await host.getByRole("button", { name: deed, exact: true }).click();
}

/** Waits until words of those, as the recogniser may hear them, stand over the picture under that name. */
export async function caption(tab, name, words) {
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

/** Waits until a picture comes through. */
export async function seen(tab, name) {
  const plays = (name) => {
    const videos = [...document.querySelectorAll(`figure[aria-label="${name}"] video`)];
    return videos.some((video) => video.videoWidth > 0 && video.currentTime > 0);
  };
  await tab.waitForFunction(plays, name, { timeout: PATIENCE_MS });
}

/** Keeps what the page's connections are, to be asked for statistics; before the page is opened. */
export async function watchConnections(context) {
  await context.addInitScript(() => {
    const Real = window.RTCPeerConnection;
    window.connections = [];
    window.RTCPeerConnection = class extends Real {
      constructor(...settings) {
        super(...settings);
        window.connections.push(this);
      }
    };
  });
}

export async function has(locator, what) {
  await locator.first().waitFor({ timeout: PATIENCE_MS }).catch(() => {
    throw new Error(`${what} can't be seen`);
  });
}

/** Tries until it is so: for what no locator can wait for. */
export async function until(what, isSo) {
  const late = Date.now() + PATIENCE_MS;
  for (let told; Date.now() < late; ) {
    told = await isSo();
    if (told) return told;
    await new Promise((next) => setTimeout(next, 100));
  }
  throw new Error(`not in time: ${what}`);
}

export async function accessible(tab, what) {
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

/** In three sizes, by day and by night. */
export async function picturesOf(tab, name) {
  if (!pictures) return;
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    await tab.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"]) {
      await tab.emulateMedia({ colorScheme });
      await tab.waitForTimeout(300);
      await tab.screenshot({ path: path(pictures, `${name}-${size}-${colorScheme}.png`) });
    }
  }
  await tab.setViewportSize({ width: 1280, height: 800 });
  await tab.emulateMedia({ colorScheme: "light" });
  // Colours that are inherited come a moment later.
  await tab.waitForTimeout(300);
}

export function setting(name) {
  return process.env[name] || fail(`${name} is not set`);
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}
