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

import { FAILURE, statesOfForms, statesOfLists, statesOfScripts } from "./states.mjs";

const SCRIPT_BYTES_MAX = 250_000;
/** Builds and machines are shared: what comes, comes by then. */
const PATIENCE_MS = 60_000;
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
  await otherStates();
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
  await shares(person);
  await refuses(person);
  await chooses(person);
  await person.leave();
}

/** A link for who has no account: made, read by, and taken back. */
async function shares({ page, look }) {
  await page.goto(`${base}/lectures/${given.lecture}`);
  await page.getByRole("button", { name: "Share" }).click();
  const dialog = page.getByRole("dialog", { name: "Share this lecture" });
  await dialog.getByLabel("How long").selectOption("7");
  await look("share");
  await dialog.getByRole("button", { name: "Make a link" }).click();
  const field = dialog.getByLabel("The link");
  const link = await field.inputValue();
  await dialog.getByText(/^It works until/).waitFor();
  await dialog.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Link copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  await look("share-made");
  const stranger = await readsByLink(link);

  // Whoever opens it again is told of the link, and can take it back.
  await page.reload();
  await page.getByRole("button", { name: "Share" }).click();
  await dialog.getByText("There has been a link since").waitFor();
  await look("share-again");
  await dialog.getByRole("button", { name: "Take the link back" }).click();
  await dialog.getByRole("button", { name: "Make a link" }).waitFor();
  await stranger.page.reload();
  await stranger.page.getByRole("alert").getByText("of no use any more").waitFor();
  await stranger.look("shared-ended");
  await stranger.leave();
  done("share");
}

/** Somebody without an account reads, and changes nothing; no request has the token in its address. */
async function readsByLink(link) {
  const person = await newPerson();
  const { page } = person;
  const token = link.split("#share=")[1];
  const addresses = [];
  page.on("request", (request) => addresses.push(`${request.url()} ${request.headers().referer ?? ""}`));
  const letGo = await holdBack(page, "**/api/lectures/*");
  const opened = await page.goto(link);
  assert.match(opened.headers()["x-robots-tag"], /noindex/);
  await page.getByText("Loading…").first().waitFor();
  letGo();
  await page.getByRole("heading", { name: "Transcript" }).waitFor();
  await page.getByRole("heading", { name: "Summary" }).waitFor();
  await person.look("shared");
  for (const name of [/^Correct /, "Share", "More actions"]) {
    assert.equal(await page.getByRole("button", { name }).count(), 0, `${name} for a reader`);
  }
  assert.equal(await page.getByRole("heading", { name: "Written meanwhile" }).count(), 0);
  for (const [name, start] of [
    ["PDF", "%PDF"],
    ["Subtitles (VTT)", "WEBVTT"],
  ]) {
    if (name !== "PDF") await page.getByRole("button", { name: "Download" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name, exact: true }).click();
    const bytes = await readFile(await (await download).path(), "latin1");
    assert.ok(bytes.startsWith(start), `${name} begins with ${bytes.slice(0, 10)}`);
  }
  // A link within the lecture takes the token's place in the address; the tab still knows it.
  await page.getByRole("main").getByRole("link", { name: /^\d+:\d\d$/ }).first().click();
  await page.reload();
  await page.getByRole("heading", { name: "Transcript" }).waitFor();
  assert.deepEqual(addresses.filter((address) => address.includes(token)), []);

  person.expect(/status of 500|ERR_INTERNET_DISCONNECTED/);
  await page.route("**/api/lectures/*", (route) => route.fulfill(FAILURE));
  await page.reload();
  await page.getByRole("alert").getByText("on our side").waitFor();
  await page.unroute("**/api/lectures/*");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: "Transcript" }).waitFor();
  await page.context().setOffline(true);
  await page.getByText("You are offline").waitFor();
  await page.context().setOffline(false);
  return person;
}

/** What is wrong with a field is said beside it, in the reader's language. */
async function refuses({ page, look, expect }) {
  expect(/status of 422/);
  await page.goto(`${base}/`);
  await page.evaluate(() => localStorage.setItem("lectern.language", "ru"));
  await page.reload();
  await page.getByRole("button", { name: "Новая комната" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("О чём встреча?").fill("   ");
  await dialog.getByRole("button", { name: "Новая комната" }).click();
  await dialog.getByText("Напишите здесь что-нибудь.").waitFor();
  await look("room-refused-ru");
  await page.evaluate(() => localStorage.removeItem("lectern.language"));
  await page.reload();
  done("refused");
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

/** What a page shows while it waits, where there is nothing, and when a session has ended. */
async function states() {
  const person = await newPerson();
  const { page } = person;
  await person.logIn(given.email);
  const letGo = await holdBack(page, "**/api/lectures");
  await page.getByRole("link", { name: "Lectures" }).click();
  await page.getByText("Loading…").waitFor();
  await person.look("lectures-loading", { looksOnly: true });
  letGo();
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
  await governs(person);
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

/** The states that every page may be in (states.mjs), side by side for who is logged in and who is not. */
async function otherStates() {
  const [root, nobody] = [await newPerson(), await newPerson()];
  await root.logIn("root@example.org");
  await Promise.all([
    statesOfLists(root, base, given).then(() => done("lists")),
    statesOfForms(nobody, base)
      .then(() => statesOfScripts(nobody, base))
      .then(() => done("forms and scripts")),
  ]);
  await root.leave();
  await nobody.leave();
}

/** Accounts: found, switched off and on, given a new password, made administrators, and deleted with an heir. */
async function governs({ page, look, expect }) {
  const search = page.getByRole("searchbox", { name: "Find by name or address" });
  const rows = page.getByRole("table", { name: "Accounts" }).locator("tbody tr");
  const does = async (row, action) => {
    await row.getByRole("button", { name: /^Change / }).click();
    await row.getByRole("button", { name: action }).click();
  };
  await search.fill("xyzzy");
  await page.getByText("Nobody of that name or address").waitFor();
  await look("users-nothing");
  await search.fill("ROOT@");
  const own = rows.filter({ hasText: "root@example.org" });
  await own.getByText("(you)").waitFor();
  expect(/status of 409/);
  await does(own, "Make a host");
  await page.getByText("Nobody would be left").waitFor();

  await search.fill(given.email);
  const host = rows.filter({ hasText: given.email });
  await does(host, "Switch off…");
  await look("user-disable");
  await page.getByRole("dialog").getByRole("button", { name: "Switch off" }).click();
  await host.getByText("Switched off").waitFor();
  await refusedLogin();
  await does(host, "Switch on");
  await host.getByText("Switched off").waitFor({ state: "detached" });

  await does(host, "New password…");
  await page.getByRole("dialog").getByRole("button", { name: "Make the link" }).click();
  const link = await page.getByRole("dialog").getByLabel("Their link").inputValue();
  await look("user-password");
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
  await usesLink(link);

  await does(host, "Make an administrator");
  await host.getByText("Administrator").waitFor();
  await look("users");
  await does(host, "Delete…");
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel(/^Who takes/).selectOption({ label: "Root (you)" });
  await look("user-delete");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await page.getByText("Account deleted").waitFor();
  await host.waitFor({ state: "detached" });
  await page.goto(`${base}/lectures/${given.lecture}`);
  await page.getByRole("button", { name: "Share" }).waitFor();

  // What the accounts show while they wait.
  const letGo = await holdBack(page, "**/api/admin/users*");
  await page.goto(`${base}/admin`);
  const part = page.locator("section", { has: page.getByRole("heading", { name: "Accounts" }) });
  await part.getByText("Loading…").waitFor();
  letGo();
  await rows.first().waitFor();
  await page.unroute("**/api/admin/users*");
  done("users");
}

/** Whoever is switched off is told so once they have shown who they are. */
async function refusedLogin() {
  const person = await newPerson();
  const { page } = person;
  person.expect(/status of 403/);
  await page.goto(`${base}/login`);
  await page.getByLabel("E-mail address").fill(given.email);
  await page.getByLabel("Password").fill(given.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").getByText("switched off").waitFor();
  await person.leave();
}

/** A new password, which is refused beside its field until it is good; the link then is of no more use. */
async function usesLink(link) {
  const person = await newPerson();
  const { page } = person;
  person.expect(/status of 422/);
  await page.goto(link);
  await page.getByLabel("New password").fill("password password");
  await page.getByRole("button", { name: "Save and log in" }).click();
  await page.getByText("Others would try this among the first").waitFor();
  await person.look("new-password");
  await page.getByLabel("New password").fill("three words of mine");
  await page.getByRole("button", { name: "Save and log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  await page.goto("about:blank");
  await page.goto(link);
  await page.getByLabel("New password").fill("four words in order");
  await page.getByRole("button", { name: "Save and log in" }).click();
  await page.getByRole("alert").getByText("of no use any more").waitFor();
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

/** Keeps these calls waiting; the function that comes back lets them go, and all later ones. */
async function holdBack(page, addresses) {
  let letGo;
  const allowed = new Promise((resolve) => {
    letGo = resolve;
  });
  await page.route(addresses, async (route) => {
    await allowed;
    await route.fallback();
  });
  return letGo;
}

/** What is to be seen has no violation of the rules that axe knows, by day and by night; a phone scrolls down only. */
async function look(page, name, { looksOnly = false, themes = ["light", "dark"] } = {}) {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme });
    await page.evaluate(drawn);
    if (!looksOnly) await examine(page, `${name}, ${theme}`);
    if (pictures) await picture(page, theme === "light" ? name : `${name}-dark`);
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

async function picture(page, name) {
  const before = page.viewportSize();
  for (const [size, [width, height]] of Object.entries(SIZES)) {
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: join(pictures, `${name.replaceAll("/", "")}-${size}.png`), fullPage: size === "phone" });
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
