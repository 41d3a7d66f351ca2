// How captions look and sound: each choice of their settings is to be seen, and screen readers say what is settled, once.
import { accessible, at, caption, guestIn, has, hostRoom, more, picturesOf, until } from "../kit.mjs";

const WORDS = ["consider", "much", "might", "power", "young"];

export default async function words({ browser }) {
  const { host, room } = await hostRoom(browser);
  await more(host, "Caption settings");
  await host.getByLabel("Read captions to my screen reader").check();
  await picturesOf(host, "caption-settings");
  await accessible(host, "the settings of captions");
  await host.keyboard.press("Escape");

  at("what screen readers say");
  // Of a region that came with its words they would say nothing: it is there before.
  await host.locator('[role="log"][aria-live="polite"]').waitFor({ state: "attached" });
  await listen(host);
  const jane = await guestIn(browser, room, "Jane");
  await jane.getByRole("button", { name: /^Unmute/ }).click();
  await caption(host, "Jane", WORDS);
  const heard = await until("three settled pieces are said", async () => {
    const said = await host.evaluate(() => window.said);
    return said.length >= 3 && said;
  });
  const settled = await host.evaluate(() => [...window.settled]);
  const strange = heard.filter((one) => !settled.some((text) => one === `Jane: ${text}`));
  if (strange.length > 0) throw new Error(`said and not settled: ${strange.join(" | ")}\nsettled: ${settled.join(" | ")}`);
  const twice = heard.filter((one, place) => heard.indexOf(one) !== place);
  if (twice.length > 0) throw new Error(`said twice: ${twice.join(" | ")}`);

  at("where captions stand");
  const overlay = host.getByRole("region", { name: "Captions" });
  const stage = host.getByRole("main");
  const middle = async (box) => box.y + box.height / 2;
  for (const [position, isThere] of [
    ["top", (words, all) => words < all.y + all.height / 2],
    ["below", (words, all, pictures) => words > pictures.y + pictures.height],
    ["bottom", (words, all) => words > all.y + all.height / 2],
  ]) {
    await choose(host, "Position", position);
    await until(`captions stand at the ${position}`, async () => {
      const [words, all, pictures] = await Promise.all([overlay, stage, host.getByRole("figure").first()].map(boxOf));
      return words && all && pictures && isThere(await middle(words), all, pictures);
    });
    await picturesOf(host, `captions-${position}`);
  }

  at("how large they are");
  const pixels = () => style(overlay, "fontSize").then(Number.parseFloat);
  const usual = await pixels();
  await choose(host, "Size", "small");
  let last = await until("small captions are smaller", async () => {
    const now = await pixels();
    return now < usual && now;
  });
  for (const size of ["medium", "large", "huge"]) {
    await choose(host, "Size", size);
    last = await until(`${size} captions are larger`, async () => {
      const now = await pixels();
      return now > last && now;
    });
  }
  await picturesOf(host, "captions-huge");
  await choose(host, "Size", "medium");

  at("on which ground");
  const grounds = new Set();
  for (const contrast of ["soft", "strong", "page"]) {
    await choose(host, "Contrast", contrast);
    await until(`${contrast} captions`, async () => (await overlay.getAttribute("data-contrast")) === contrast);
    // Chromium draws what a change of theme inherits a moment later.
    const ground = await until(`${contrast} captions have a ground of their own`, async () => {
      const colour = await style(overlay, "backgroundColor");
      return !grounds.has(colour) && colour;
    });
    grounds.add(ground);
    if (contrast === "strong") await until("black", async () => (await style(overlay, "backgroundColor")) === "rgb(0, 0, 0)");
    await accessible(host, `${contrast} captions`);
    await picturesOf(host, `captions-${contrast}`);
  }

  at("what was chosen stays");
  await choose(host, "Size", "large");
  await host.reload();
  await has(overlay, "captions after a reload");
  const kept = [await overlay.getAttribute("data-size"), await overlay.getAttribute("data-contrast")];
  if (kept.join() !== "large,page") throw new Error(`kept: ${kept}`);
}

/** In the page: what is added to the region that is read out, and what was shown as settled. */
async function listen(tab) {
  await tab.evaluate(() => {
    window.said = [];
    window.settled = new Set();
    const clean = (text) => text.replace(/\s+/g, " ").trim();
    const region = document.querySelector('[role="log"][aria-live="polite"]');
    const hear = (node) => node.nodeType === Node.ELEMENT_NODE && window.said.push(clean(node.textContent));
    new MutationObserver((changes) => {
      for (const piece of document.querySelectorAll('section[aria-label="Captions"] [data-final="true"]'))
        window.settled.add(clean(piece.textContent));
      for (const { target, addedNodes, type } of changes) {
        if (region.contains(target) && type === "characterData") window.said.push(`changed: ${target.textContent}`);
        if (region === target) addedNodes.forEach(hear);
      }
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
  });
}

async function choose(tab, label, value) {
  await more(tab, "Caption settings");
  await tab.getByRole("dialog").getByLabel(label).selectOption(value);
  await tab.keyboard.press("Escape");
  await tab.getByRole("dialog").waitFor({ state: "detached" });
}

async function boxOf(locator) {
  return locator.boundingBox();
}

async function style(locator, property) {
  return locator.evaluate((element, property) => getComputedStyle(element)[property], property);
}
