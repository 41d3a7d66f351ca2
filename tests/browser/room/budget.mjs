// How little it takes to see the first page and the green room: counted, never timed.
import { at, hostRoom, newContext, newTab } from "../kit.mjs";

/** Bytes as they are sent, compressed; the layout's shift as browsers measure it. A quarter more than it is. */
const BUDGET = { requests: 17, scriptBytes: 120_000, bytes: 125_000, nodes: 105, shift: 0.1 };

export default async function budget({ browser }) {
  const { room } = await hostRoom(browser);
  await spend(browser, "the first page", "/", (tab) => tab.getByLabel("Code or link"));
  await spend(browser, "the green room", `/join/${room.code}`, (tab) => tab.getByRole("img", { name: "How loud your microphone is" }));
}

async function spend(browser, name, path, shown) {
  at(`what ${name} takes`);
  const context = await newContext(browser, ["camera", "microphone"]);
  await context.addInitScript(() => {
    window.shift = 0;
    const add = ({ value, hadRecentInput }) => (window.shift += hadRecentInput ? 0 : value);
    new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({ type: "layout-shift", buffered: true });
  });
  const tab = await newTab(context, path);
  await shown(tab).waitFor();
  await tab.waitForLoadState("networkidle");
  const spent = await tab.evaluate(() => {
    const fetched = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const sum = (entries) => entries.reduce((total, { encodedBodySize }) => total + encodedBodySize, 0);
    return {
      requests: fetched.length,
      scriptBytes: sum(fetched.filter(({ name }) => name.endsWith(".js"))),
      bytes: sum(fetched),
      nodes: document.querySelectorAll("*").length,
      shift: window.shift,
      strange: fetched.map(({ name }) => name).filter((name) => new URL(name).origin !== location.origin),
      blocking: fetched.filter((one) => one.renderBlockingStatus === "blocking").map(({ name }) => name),
    };
  });
  const told = JSON.stringify(spent);
  console.log(told);
  if (spent.scriptBytes === 0) throw new Error(`${name} has no scripts: ${told}`);
  for (const [what, most] of Object.entries(BUDGET)) {
    if (!(spent[what] <= most)) throw new Error(`${name} takes more ${what} than ${most}: ${told}`);
  }
  if (spent.strange.length > 0) throw new Error(`${name} fetches from elsewhere: ${told}`);
  // One style of our own, which is to be there before anything is drawn.
  if (spent.blocking.some((url) => !url.endsWith(".css")) || spent.blocking.length > 1)
    throw new Error(`${name} is not drawn before there is more than its style: ${told}`);
}
