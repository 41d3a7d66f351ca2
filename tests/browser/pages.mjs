// Goes through the pages as people would, in a real Chromium, and says what is wrong with them.
//
//   CHROMIUM=/usr/bin/chromium BASE=http://127.0.0.1:8090 node pages.mjs '{"email": …, "password": …, "setup": …,
//       "room": …, "lecture": …, "title": …, "said": …}' [FOLDER]
//
// BASE is a service with an account that holds a room of this title, which is over, and a stored lecture of it with this
// id and title, in which `said` was said. It is without an administrator: `setup` is the link that it printed for that.
// Everything is looked at by axe, in light and dark; a script that fails, or that our policy of contents stops, is a
// failure. With FOLDER it keeps pictures of each page in three sizes. A line of JSON for each step that is done; the exit
// code is 1 if any fails.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

import { chromium } from "playwright-core";

const SCRIPT_BYTES_MAX = 250_000;
const PATIENCE_MS = 15_000;
const failure = {
  status: 500,
  contentType: "application/json",
  body: JSON.stringify({ success: false, error: { code: "INTERNAL", message: "no" }, requestId: "1" }),
};
const SIZES = { phone: [360, 740], tablet: [820, 1180], desktop: [1440, 900] };

const base = process.env.BASE;
const given = JSON.parse(process.argv[2]);
const pictures = process.argv[3];
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  await visitor();
  await host();
  await states();
  await administrator();
} finally {
  await browser.close();
}

/** Who has no account: the ways in, what is not there, a new account. */
async function visitor() {
  const person = await newPerson();
  const { page } = person;
  await page.goto(base);
  await page.getByRole("heading", { level: 1, name: "Meet, and read what was said" }).waitFor();
  const bytes = await scriptBytes(page);
  assert.ok(bytes <= SCRIPT_BYTES_MAX, `the first page loads ${bytes} bytes of script`);
  await person.look("welcome");
  await page.getByLabel("Code or link").fill("nonsense");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText("neither a code nor a link").waitFor();
  done("welcome", { bytes });

  await page.goto(`${base}/nowhere`);
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await person.look("missing");
  done("missing");

  // Whoever has to log in gets back to where they wanted to go.
  await page.goto(`${base}/lectures?q=${given.said}`);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  await person.look("login");
  await page.getByLabel("E-mail address").fill(given.email);
  await page.getByLabel("Password").fill("not the password");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").getByText("don't belong together").waitFor();
  await page.getByLabel("Password").fill(given.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL(`**/lectures?q=${given.said}`);
  done("login");
  await person.leave();

  await registers();
}

async function registers() {
  const person = await newPerson();
  const { page } = person;
  await page.goto(`${base}/register`);
  await page.getByLabel("Your name").fill("Grace");
  await page.getByLabel("E-mail address").fill(given.email);
  await page.getByLabel("Password").fill(given.password);
  await person.look("register");
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.getByRole("alert").getByText("There is an account").waitFor();
  await page.getByLabel("E-mail address").fill(`grace-${Date.now()}@example.org`);
  await page.getByRole("button", { name: "Make an account" }).click();
  await page.getByRole("heading", { name: "You have no rooms yet" }).waitFor();
  await person.look("rooms-empty");
  await page.getByRole("link", { name: "Lectures" }).click();
  await page.getByRole("heading", { name: "No lectures yet" }).waitFor();
  await person.look("lectures-empty");
  await page.getByRole("link", { name: "Live" }).click();
  await page.getByRole("heading", { name: "No room is live" }).waitFor();
  await person.look("live-empty");
  await page.goto(`${base}/admin`);
  await page.getByRole("heading", { name: "For administrators" }).waitFor();
  await person.look("admin-refused");
  done("register");
  await person.leave();
}

/** Who holds rooms: makes one, hands on its link, changes and deletes it, and reads a lecture. */
async function host() {
  const person = await newPerson();
  const { page } = person;
  await person.logIn(given.email);
  await page.getByRole("button", { name: "New room" }).click();
  const dialog = page.getByRole("dialog", { name: "New room" });
  await dialog.getByLabel("What is it about?").fill("Algebra");
  await dialog.getByLabel("When").fill("2027-03-01T09:30");
  await dialog.getByLabel("Lobby").check();
  await dialog.getByLabel("PIN").fill("4711");
  await dialog.getByLabel("Spoken language").selectOption("ru");
  await person.look("room-dialog");
  await dialog.getByRole("button", { name: "New room" }).click();
  const card = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Algebra" }) });
  await card.waitFor();
  await card.getByText("PIN 4711").waitFor();
  await card.getByText("Lobby").waitFor();
  await card.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("Invitation link copied").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /\/join\/[a-z]{3}-[a-z]{4}-[a-z]{3}$/);
  await person.look("rooms");

  await card.getByRole("button", { name: "More on Algebra" }).click();
  const calendar = page.waitForEvent("download");
  await card.getByRole("link", { name: "Calendar invitation" }).click();
  assert.match(await readFile(await (await calendar).path(), "utf8"), /SUMMARY:Algebra/);
  await card.getByRole("button", { name: "More on Algebra" }).click();
  await card.getByRole("button", { name: "Change…" }).click();
  await page.getByRole("dialog").getByLabel("What is it about?").fill("Analysis");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "Analysis" }).waitFor();
  await page.getByRole("button", { name: "More on Analysis" }).press("Enter");
  await page.getByRole("button", { name: "Delete…" }).press("Enter");
  await page.getByRole("dialog", { name: "Delete this room?" }).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Analysis" }).waitFor({ state: "detached" });
  done("rooms");

  const over = page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: given.room }) });
  await over.getByRole("button", { name: "Open again" }).click();
  await page.waitForURL("**/join/*");
  await page.goto(base);
  await over.first().getByText("Live").waitFor();
  done("reopened");

  await reads(person);
  await chooses(person);
  await person.leave();
}

async function reads({ page, look }) {
  await page.getByRole("link", { name: "Lectures" }).click();
  await page.getByRole("searchbox").fill(given.said);
  await page.locator("mark").first().waitFor();
  await look("lectures");
  await page.getByRole("searchbox").fill("xyzzy");
  await page.getByRole("heading", { name: "Nothing found" }).waitFor();
  await look("lectures-nothing");

  await page.goto(`${base}/lectures/${given.lecture}`);
  await page.getByRole("heading", { name: "Transcript" }).waitFor();
  await page.getByRole("heading", { name: "Summary" }).waitFor();
  await look("lecture");
  for (const [name, start] of [
    ["PDF", "%PDF"],
    ["Subtitles (VTT)", "WEBVTT"],
  ]) {
    if (name !== "PDF") await page.getByRole("button", { name: "Download" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name, exact: true }).click();
    const bytes = await readFile(await (await download).path(), "latin1");
    assert.ok(bytes.startsWith(start), `${name} begins with ${bytes.slice(0, 10)}`);
  }

  const find = page.getByRole("searchbox", { name: "Find in the transcript" });
  await find.fill(given.said);
  await page.getByRole("status").getByText(/^\d+ passages?$/).waitFor();
  assert.equal((await page.locator("mark").first().textContent()).toLowerCase(), given.said.toLowerCase());
  await find.fill("");

  await page.getByRole("button", { name: /^Correct / }).first().click();
  const words = page.getByLabel(/^Words at /).first();
  await words.fill(`${await words.inputValue()} Indeed.`);
  await look("lecture-correction");
  // Somebody else is quicker; who was told what they wrote may write over it.
  await corrects(page, "Another's words.");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Somebody else corrected this meanwhile").waitFor();
  await page.getByText("Another's words.").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/Indeed\./).first().waitFor();
  await page.getByText("The transcript was corrected since").or(page.getByText("are being made")).first().waitFor();

  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("button", { name: "Summarise again…" }).click();
  await look("lecture-order");
  await page.getByRole("dialog").getByRole("button", { name: "Summarise" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  done("lecture");
}

/** The first piece of speech, by a call beside the page. */
async function corrects(page, text) {
  const path = `${base}/api/lectures/${given.lecture}/segments`;
  const { items } = await (await page.request.get(`${path}?limit=1`)).json();
  const answer = await page.request.patch(`${path}/${items[0].id}`, { data: { text } });
  assert.equal(answer.status(), 200);
}

/** Another language and other looks stay chosen. */
async function chooses({ page, look }) {
  await page.goto(`${base}/`);
  await page.getByRole("button", { name: "Language and looks" }).click();
  await page.getByLabel("Dark", { exact: true }).check();
  for (const [language, title, tag] of [
    ["简体中文", "我的房间", "zh-Hans"],
    ["繁體中文", "我的房間", "zh-Hant"],
    ["Русский", "Мои комнаты", "ru"],
  ]) {
    await page.getByLabel(language).check();
    await page.getByRole("heading", { level: 1, name: title }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), tag);
  }
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Мои комнаты" }).waitFor();
  assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
  await look("rooms-ru");
  done("choices");
}

/** What a page shows while it waits, when the service fails, when there is no way to it, and when all is well again. */
async function states() {
  const person = await newPerson();
  const { page } = person;
  await person.logIn(given.email);
  let answer = "wait";
  await page.route("**/api/lectures", async (route) => {
    if (answer === "wait") await page.waitForTimeout(1500);
    if (answer === "fail") return route.fulfill(failure);
    if (answer === "cut") return route.abort("internetdisconnected");
    await route.fallback();
  });
  await page.getByRole("link", { name: "Lectures" }).click();
  await page.getByText("Loading…").waitFor();
  await person.look("lectures-loading", { looksOnly: true });
  await page.getByRole("link", { name: given.title }).waitFor();

  person.expect(/status of 500|ERR_INTERNET_DISCONNECTED/);
  answer = "fail";
  await page.reload();
  await page.getByRole("alert").getByText("on our side").waitFor();
  await person.look("lectures-error");
  answer = "cut";
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("alert").getByText("can't be reached").waitFor();
  await page.context().setOffline(true);
  await page.getByText("You are offline").waitFor();
  await person.look("lectures-offline");
  await page.context().setOffline(false);
  await page.getByText("You are offline").waitFor({ state: "detached" });
  answer = "all";
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("link", { name: given.title }).waitFor();

  person.expect(/status of 404/);
  await page.goto(`${base}/lectures/nowhere`);
  await page.getByRole("alert").getByText("There is no such lecture").waitFor();
  await person.look("lecture-missing");

  // A session that has ended meanwhile leads to the login, and back.
  person.expect(/status of 401/);
  await page.context().clearCookies();
  await page.goto(`${base}/lectures`);
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  done("states");
  await person.leave();
}

/** The first administrator comes by the link that the service printed, which then is of no more use. */
async function administrator() {
  const person = await newPerson();
  const { page } = person;
  await page.goto(`${base}/setup`);
  await page.getByText("has lost its token").waitFor();
  await page.goto("about:blank");
  await page.goto(given.setup);
  await page.getByRole("heading", { name: "Make the first administrator" }).waitFor();
  await person.look("setup");
  await setUp(page);
  await page.getByRole("heading", { name: "Health" }).waitFor();
  await page.getByText("database").waitFor();
  await page.getByText("Rooms captioned").waitFor();
  await page.getByRole("cell", { name: "account.create" }).first().waitFor();
  await person.look("admin");
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();

  person.expect(/status of 403/);
  await page.goto(given.setup);
  await setUp(page);
  await page.getByRole("alert").waitFor();
  done("admin");
  await person.leave();
}

async function setUp(page) {
  await page.getByLabel("Your name").fill("Root");
  await page.getByLabel("E-mail address").fill("root@example.org");
  await page.getByLabel("Password").fill(given.password);
  await page.getByRole("button", { name: "Make the first administrator" }).click();
}

/** Somebody with a browser of their own. */
async function newPerson() {
  const context = await browser.newContext({
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    reducedMotion: "reduce",
    viewport: { width: 1440, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  let expected = /status of 401 .*auth\/me|status of 401|status of 409|status of 404/;
  page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.stack}`));
  page.on("console", (message) => {
    const text = `${message.text()} ${message.location().url}`;
    const isWrong = ["error", "warning"].includes(message.type()) && !expected.test(text);
    if (isWrong) problems.push(`${page.url()}: ${text}`);
  });
  return {
    page,
    look: (name, options) => look(page, name, options),
    expect: (more) => {
      expected = new RegExp(`${expected.source}|${more.source}`);
    },
    logIn: async (email) => {
      await page.goto(`${base}/login`);
      await page.getByLabel("E-mail address").fill(email);
      await page.getByLabel("Password").fill(given.password);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("navigation", { name: "Pages" }).waitFor();
    },
    leave: async () => {
      await context.close();
      assert.deepEqual(problems, [], "scripts fail, or are stopped");
    },
  };
}

/** What is to be seen has no violation of the rules that axe knows, by day and by night; a phone scrolls down only. */
async function look(page, name, { looksOnly = false } = {}) {
  for (const theme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: theme });
    await page.evaluate(drawn);
    if (!looksOnly) await examine(page, `${name}, ${theme}`);
    if (pictures) await picture(page, theme === "light" ? name : `${name}-dark`, theme === "light");
  }
  await page.emulateMedia({ colorScheme: "light" });
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width: SIZES.phone[0], height: SIZES.phone[1] });
  const [whole, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(whole <= seen, `${name} is ${whole} pixels wide on a screen of ${seen}`);
  await page.setViewportSize({ width, height });
}

/** In the page: until it looks as it is to look, colours that change among it. */
async function drawn() {
  await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
  const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
  await Promise.allSettled(changes.map((change) => change.finished));
}

async function examine(page, where) {
  // Evaluated, since our policy of contents takes no scripts from elsewhere.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(told, [], where);
}

async function picture(page, name, everySize) {
  const before = page.viewportSize();
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    if (!everySize && size !== "desktop") continue;
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: join(pictures, `${name}-${size}.png`), fullPage: size === "phone" });
  }
  await page.setViewportSize(before);
}

/** How much script came, as it was sent. */
async function scriptBytes(page) {
  await page.waitForLoadState("networkidle");
  return page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter((entry) => entry.name.endsWith(".js"))
      .reduce((total, entry) => total + entry.encodedBodySize, 0),
  );
}

function done(step, more = {}) {
  process.stdout.write(`${JSON.stringify({ step, ...more })}\n`);
}
