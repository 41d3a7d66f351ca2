// How people make themselves seen: who speaks is large, hands, reactions that fly, and messages that one changes.
import { accessible, at, guestIn, has, hostRoom, more, picturesOf, tile, until } from "../kit.mjs";

export default async function signs({ browser }) {
  const { host, room } = await hostRoom(browser);
  const ben = await guestIn(browser, room, "Ben");
  const jane = await guestIn(browser, room, "Jane", { off: [] });

  at("who speaks is large");
  await tile(host, "Jane").waitFor();
  await alike(host, ["Ada (you)", "Ben", "Jane"]);
  await more(host, "Speaker view");
  await until("Jane is large", async () => (await area(host, "Jane")) > 3 * (await area(host, "Ben")));
  await picturesOf(host, "speaker");
  await accessible(host, "the speaker view");
  await host.getByRole("button", { name: "Keep Ben large" }).click();
  await until("Ben is kept large", async () => (await area(host, "Ben")) > 3 * (await area(host, "Jane")));
  await host.getByRole("button", { name: "Keep Ben large" }).click();
  await more(host, "Grid view");
  await until("all are alike again", () => isAlike(host, ["Ada (you)", "Ben", "Jane"]));

  at("words hide nobody who stands in rows");
  const words = host.getByRole("region", { name: "Captions" });
  await words.locator("p").first().waitFor();
  await until("words stand below all pictures", async () => {
    const boxes = await Promise.all((await host.getByRole("figure").all()).map((figure) => figure.boundingBox()));
    const line = await words.boundingBox();
    return line && boxes.every((box) => box && box.y + box.height <= line.y);
  });

  at("a reaction flies");
  await jane.getByRole("button", { name: "Reactions" }).click();
  await jane.getByRole("button", { name: "React with 🎉" }).first().click();
  await Promise.all(
    [[host, "Jane"], [ben, "Jane"], [jane, "Jane (you)"]].map(([tab, name]) => has(tile(tab, name).getByText("🎉"), "🎉")),
  );
  await tile(ben, "Jane").getByText("🎉").waitFor({ state: "detached" });

  at("a hand");
  await ben.getByRole("button", { name: "Raise hand" }).click();
  for (const tab of [host, jane]) await tile(tab, "Ben").getByRole("img", { name: "Hand is up" }).waitFor();
  await ben.getByRole("button", { name: "Lower hand" }).click();
  for (const tab of [host, jane])
    await tile(tab, "Ben").getByRole("img", { name: "Hand is up" }).waitFor({ state: "detached" });

  at("a message is changed");
  for (const tab of [host, ben]) await tab.keyboard.press("t");
  await ben.getByRole("textbox", { name: "Message", exact: true }).fill("Volume the frist");
  await ben.keyboard.press("Enter");
  const message = (tab, text) => tab.getByRole("log").getByRole("article").filter({ hasText: text });
  await message(host, "Volume the frist").waitFor();
  if ((await message(host, "frist").getByRole("button", { name: "Edit message" }).count()) > 0)
    throw new Error("a host may change what others wrote");
  await message(ben, "frist").getByRole("button", { name: "Edit message" }).click();
  await ben.getByRole("textbox", { name: "Edit message" }).fill("never mind");
  await ben.keyboard.press("Escape");
  await message(ben, "Volume the frist").waitFor();
  await message(ben, "frist").getByRole("button", { name: "Edit message" }).click();
  await ben.getByRole("textbox", { name: "Edit message" }).fill("Volume the first");
  await accessible(ben, "a message that is being changed");
  await picturesOf(ben, "editing");
  const slow = await held(ben, "PATCH");
  await ben.getByRole("textbox", { name: "Edit message" }).press("Enter");
  await message(ben, "Volume the first").waitFor();
  if ((await message(host, "Volume the first").count()) > 0) throw new Error("it was there before it was sent");
  await slow.release();
  for (const tab of [ben, host]) await has(message(tab, "Volume the first").getByText("edited"), "that it was edited");

  at("a change that can't be");
  await ben.route("**/chat/*", (route) => route.abort("internetdisconnected"));
  await message(ben, "first").getByRole("button", { name: "Edit message" }).click();
  await ben.getByRole("textbox", { name: "Edit message" }).fill("Volume the second");
  await ben.keyboard.press("Enter");
  await ben.getByText("The service can't be reached").first().waitFor();
  await message(ben, "Volume the first").waitFor();
  await ben.unroute("**/chat/*");

  at("a message is taken away");
  const away = await held(ben, "DELETE");
  await message(ben, "first").getByRole("button", { name: "Delete message" }).click();
  await message(ben, "This message was deleted.").waitFor();
  await message(host, "Volume the first").waitFor();
  await away.release();
  await message(host, "This message was deleted.").waitFor();
}

async function area(tab, name) {
  const box = await tile(tab, name).boundingBox();
  return box === null ? 0 : box.width * box.height;
}

async function isAlike(tab, names) {
  const areas = await Promise.all(names.map((name) => area(tab, name)));
  return Math.min(...areas) > 0.9 * Math.max(...areas);
}

async function alike(tab, names) {
  await until("all are alike", () => isAlike(tab, names));
}

/** Holds back a call about a message until it is released. */
async function held(tab, method) {
  let release;
  const released = new Promise((done) => (release = done));
  await tab.route("**/chat/*", async (route) => {
    if (route.request().method() === method) await released;
    await route.fallback();
  });
  return {
    release: async () => {
      release();
      await tab.unroute("**/chat/*", { behavior: "wait" }).catch(() => tab.unroute("**/chat/*"));
    },
  };
}
