// What each page says when there is nothing, when the service fails, and when there is no way to it; and what it says
// while its script is on the way, or does not come. pages.mjs goes there with its people.
import assert from "node:assert/strict";

/** What the service answers when it fails. */
export const FAILURE = {
  status: 500,
  contentType: "application/json",
  body: JSON.stringify({ success: false, error: { code: "INTERNAL", message: "no" }, requestId: "1" }),
};
const NOTHING = { items: [], nextCursor: null };
const TROUBLE = /status of 500|ERR_INTERNET_DISCONNECTED/;
const LIGHT = { themes: ["light"] };

/**
 * Pages that show what there is: which calls bring it (`holds`), which of them may bring nothing (`empties`, all if
 * not given), what stands there then (`says`) and what can be done (`next`), and what stands there when all is well.
 */
const shows = (lecture, title) => [
  {
    path: "/",
    holds: /\/api\/rooms$/,
    says: "You have no rooms yet",
    next: (main) => main.getByRole("button", { name: "New room" }),
    well: (main) => main.getByRole("heading", { level: 2 }),
  },
  {
    path: "/live",
    holds: /\/api\/rooms$/,
    says: "No room is live",
    next: (main) => main.getByRole("link", { name: "To my rooms" }),
    well: (main) => main.getByRole("heading", { level: 2 }),
  },
  {
    path: "/lectures",
    holds: /\/api\/lectures$/,
    says: "No lectures yet",
    next: (main) => main.getByRole("link", { name: "Rooms" }),
    well: (main) => main.getByRole("link", { name: title }),
  },
  {
    path: `/lectures/${lecture}`,
    holds: /\/api\/lectures\/[^/]+$/,
    empties: /\/segments$/,
    says: "Nobody has said anything that could be understood",
    next: (main) => main.getByRole("link", { name: "All lectures" }),
    well: (main) => main.getByRole("heading", { name: "Transcript" }),
  },
  {
    path: "/admin",
    holds: /\/api\/rooms$|\/api\/admin\/users$|\/api\/audit$|\/readyz$|\/metrics$/,
    parts: 5,
    says: "Nothing was done yet",
    next: (main) => main.getByRole("searchbox", { name: "Find by name or address" }),
    well: (main) => main.getByRole("cell", { name: "account.create" }),
  },
];

/** Pages that ask for something. */
const FORMS = [
  {
    path: "/login",
    asks: /\/api\/auth\/login$/,
    fields: { "E-mail address": "ada@example.org", Password: "correct horse battery" },
    button: "Log in",
    closed: async (main) => {
      await main.getByText("Were you invited?").waitFor();
      // It is there until the page knows.
      await main.getByRole("link", { name: "Make an account" }).waitFor({ state: "detached" });
    },
  },
  {
    path: "/register",
    asks: /\/api\/auth\/register$/,
    fields: { "Your name": "Ada", "E-mail address": "ada@example.org", Password: "correct horse battery" },
    button: "Make an account",
    closed: async (main) => {
      await main.getByText("Nobody can register here").waitFor();
      await main.getByRole("link", { name: "Log in" }).waitFor();
    },
  },
];

/** As who may see everything. */
export async function statesOfLists(person, base, { lecture, title }) {
  person.expect(TROUBLE);
  const { page } = person;
  const main = page.getByRole("main");
  for (const { path, holds, empties = holds, parts = 1, says, next, well } of shows(lecture, title)) {
    const name = path.replace(lecture, "one");
    const service = await standIn(page, holds, empties);
    service.answer = "fail";
    await page.goto(`${base}${path}`);
    await alerts(main, "on our side", parts);
    await person.look(`error ${name}`, LIGHT);

    service.answer = "cut";
    await page.context().setOffline(true);
    await page.getByText("You are offline").waitFor();
    await tryAgain(page);
    await alerts(main, "can't be reached", parts);
    await person.look(`offline ${name}`, LIGHT);

    await page.context().setOffline(false);
    service.answer = "all";
    await tryAgain(page);
    await well(main).first().waitFor();
    await main.getByRole("alert").first().waitFor({ state: "detached" });

    service.answer = "nothing";
    await page.reload();
    await main.getByText(says).waitFor();
    await next(main).first().waitFor();
    await person.look(`empty ${name}`, LIGHT);
    await service.leave();
  }
}

/** As who is not logged in. */
export async function statesOfForms(person, base) {
  person.expect(TROUBLE);
  const { page } = person;
  const main = page.getByRole("main");
  for (const { path, asks, fields, button, closed } of FORMS) {
    const service = await standIn(page, asks, /\/api\/auth\/options$/);
    service.answer = "fail";
    await page.goto(`${base}${path}`);
    for (const [label, text] of Object.entries(fields)) await main.getByLabel(label).fill(text);
    await main.getByRole("button", { name: button }).click();
    await alerts(main, "on our side", 1);
    await person.look(`error ${path}`, LIGHT);

    service.answer = "cut";
    await page.context().setOffline(true);
    await page.getByText("You are offline").waitFor();
    await main.getByRole("button", { name: button }).click();
    await alerts(main, "can't be reached", 1);
    // Nobody types it again.
    for (const [label, text] of Object.entries(fields)) assert.equal(await main.getByLabel(label).inputValue(), text);
    await person.look(`offline ${path}`, LIGHT);

    await page.context().setOffline(false);
    service.answer = "nothing";
    await page.reload();
    await closed(main);
    await person.look(`closed ${path}`, LIGHT);
    await service.leave();
  }
}

/** What is to be seen before the scripts are there, and in place of a page whose script is slow or does not come. */
export async function statesOfScripts(person, base) {
  person.expect(/ERR_INTERNET_DISCONNECTED|status of 404|did not come|Failed to fetch dynamically imported/);
  const { page } = person;
  const start = await hold(page, "**/assets/index-*.js");
  // No time passes for what is to be seen, however long a busy machine takes.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Animation.enable");
  await devtools.send("Animation.setPlaybackRate", { playbackRate: 0 });
  // A page loads as long as its scripts do.
  await page.goto(base, { waitUntil: "commit" });
  await page.getByText("Lectern", { exact: true }).waitFor();
  const late = page.getByText("This takes long.");
  await late.waitFor({ state: "attached" });
  assert.ok(!(await late.isVisible()), "a page that has just begun to load says that it takes long");
  await devtools.send("Animation.setPlaybackRate", { playbackRate: 1 });
  await devtools.detach();
  await page.evaluate(() => document.getAnimations().forEach((animation) => animation.finish()));
  await late.waitFor();
  start.go();
  await page.getByRole("heading", { level: 1, name: "Meet, and read what was said" }).waitFor();
  await late.waitFor({ state: "detached" });

  const slow = await hold(page, "**/assets/login-*.js");
  await page.getByRole("main").getByRole("link", { name: "Log in" }).click();
  const status = page.getByRole("main").getByRole("status");
  await status.getByText("Loading…").waitFor({ state: "attached" });
  const delay = await status.evaluate((element) => getComputedStyle(element).animationDelay);
  assert.equal(delay, "0.2s", "what comes at once needs no spinner");
  await page.getByRole("link", { name: "Lectern" }).waitFor();
  slow.go();
  await page.getByRole("heading", { name: "Log in" }).waitFor();

  // There is no network; or there is a newer version, in which the script has another name.
  for (const [answer, script, link, there] of [
    [(route) => route.abort("internetdisconnected"), "register", "Make an account", "Your name"],
    [(route) => route.fulfill({ status: 404 }), "login", "Log in", "E-mail address"],
  ]) {
    await page.goto(base);
    const scripts = `**/assets/${script}-*.js`;
    await page.route(scripts, answer);
    await page.getByRole("main").getByRole("link", { name: link }).click();
    await page.getByRole("heading", { level: 1, name: "This page did not load" }).waitFor();
    await person.look(`no script ${script}`);
    // What is here already still works.
    await page.getByRole("link", { name: "Lectern" }).click();
    await page.getByRole("heading", { level: 1, name: "Meet, and read what was said" }).waitFor();
    await page.goBack();
    await page.unroute(scripts);
    await page.getByRole("button", { name: "Load again" }).click();
    await page.getByLabel(there).waitFor();
  }
}

/** Answers some calls in the service's place: fails, is out of reach, has nothing; "all" lets them through. */
async function standIn(page, holds, empties) {
  const service = { answer: "all" };
  const isAsked = ({ pathname }) => holds.test(pathname) || empties.test(pathname);
  const answer = async (route) => {
    const { pathname } = new URL(route.request().url());
    if (service.answer === "fail" && holds.test(pathname)) return route.fulfill(FAILURE);
    if (service.answer === "cut" && holds.test(pathname)) return route.abort("internetdisconnected");
    if (service.answer === "nothing" && empties.test(pathname)) return route.fulfill(nothing(pathname));
    return route.fallback();
  };
  await page.route(isAsked, answer);
  service.leave = () => page.unroute(isAsked, answer);
  return service;
}

function nothing(path) {
  if (path === "/metrics") return { contentType: "text/plain", body: "" };
  if (path === "/readyz") return { json: { ok: true, checks: [] } };
  if (path === "/api/auth/options") return { json: { registration: false, oidc: null } };
  return { json: NOTHING };
}

/** Keeps a script back until it may go. */
async function hold(page, scripts) {
  let go;
  const free = new Promise((resolve) => (go = resolve));
  await page.route(scripts, async (route) => {
    await free;
    await route.fallback();
  });
  return { go };
}

/** So many parts of the page say that. */
async function alerts(main, words, count) {
  const told = main.getByRole("alert").filter({ hasText: words });
  await told.nth(count - 1).waitFor();
  assert.equal(await told.count(), count);
}

/** In one go: what is well again by itself takes its button away. */
async function tryAgain(page) {
  await page.getByRole("button", { name: "Try again" }).first().waitFor();
  await page.evaluate(() => {
    const buttons = [...document.querySelectorAll("button")];
    for (const button of buttons.filter(({ textContent }) => textContent === "Try again")) button.click();
  });
}
