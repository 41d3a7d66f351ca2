// Joins a LiveKit room from a real Chromium and prints every caption it receives as one line of JSON.
//
//   LIVEKIT_URL=ws://… LIVEKIT_TOKEN=… CHROMIUM=/usr/bin/chromium node captions.mjs [SECONDS [SPEECH.wav]]
//       [--components] [--screenshot FILE.png]
//
// With a WAV it speaks: the file is the browser's microphone, played once from when the page opens it, which is a
// moment before the room hears it: let the file begin with some silence if its first word matters.
// Leaves after SECONDS, or without them when its input ends, and exits with 0. Until then a line of input, {"write": text},
// is written in the chat (with --components). A line of output is
// {form: "stream" | "transcription" | "data" | "health", participantIdentity (the speaker's), segmentId, final, text,
// attributes, sender (of data)}, or {event: "joined" | "disconnected", …}.
//
// With --components the page is made of LiveKit's React components (components.jsx), and a line is what a hook has to
// show from now on. --screenshot keeps what was to be seen at the end.
import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { build } from "esbuild";
import { chromium } from "playwright-core";

const JOIN_MS_MAX = 30_000;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { components: { type: "boolean" }, screenshot: { type: "string" } },
});
const [seconds, speech] = positionals;
const url = setting("LIVEKIT_URL");
const token = setting("LIVEKIT_TOKEN");
const executablePath = setting("CHROMIUM");

const page = await serve(await bundle());
const profile = await mkdtemp(join(tmpdir(), "lectern-chromium-"));
let browser;
try {
  browser = await launch();
  await attend(browser);
} finally {
  await browser?.close();
  page.close();
  await rm(profile, { recursive: true, force: true });
}

async function attend(context) {
  const tab = await context.newPage();
  tab.on("pageerror", (error) => fail(`the page failed: ${error.stack}`));
  tab.on("console", (message) => console.error(`[${message.type()}] ${message.text()}`));
  await tab.exposeFunction("report", (line) => process.stdout.write(`${JSON.stringify(line)}\n`));
  // localhost counts as a secure origin, without which a page has no microphone.
  await tab.goto(`http://localhost:${page.address().port}/`);
  const joined = tab.evaluate((options) => window.join(options), { url, token, speak: Boolean(speech) });
  const late = sleep(JOIN_MS_MAX, undefined, { ref: false }).then(() => {
    throw new Error(`not in the room after ${JOIN_MS_MAX} ms`);
  });
  await Promise.race([joined, late]);
  await (seconds ? sleep(Number(seconds) * 1000) : obey(tab));
  if (options.screenshot) await tab.screenshot({ path: options.screenshot, fullPage: true });
  await tab.evaluate(() => window.leave());
}

async function obey(tab) {
  for await (const line of createInterface({ input: process.stdin })) {
    await tab.evaluate((text) => window.write(text), JSON.parse(line).write);
  }
}

function launch() {
  const args = [
    "--no-sandbox", // refused to root without this
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection", // the server under test listens on 127.0.0.1 alone
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
  ];
  if (speech) args.push(`--use-file-for-fake-audio-capture=${resolve(speech)}%noloop`);
  return chromium.launchPersistentContext(profile, { executablePath, args, headless: true });
}

async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(options.components ? "components.jsx" : "page.mjs", import.meta.url))],
    bundle: true,
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
  });
  return outputFiles[0].text;
}

function serve(script) {
  const server = createServer((request, response) => {
    const wantsScript = request.url === "/page.js";
    response.setHeader("content-type", wantsScript ? "text/javascript" : "text/html");
    response.end(wantsScript ? script : '<!doctype html><title>Captions</title><script src="/page.js"></script>');
  });
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server)));
}

function setting(name) {
  return process.env[name] || fail(`${name} is not set`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
