// Another microphone while one is in the room; and the language that one speaks, chosen before and in it.
import { accessible, at, base, inRoom, goIn, hostRoom, more, newContext, newTab, picturesOf, until, watchConnections } from "../kit.mjs";

export default async function devices({ browser }) {
  const { room } = await hostRoom(browser);
  const context = await newContext(browser, ["camera", "microphone"]);
  await watchConnections(context);
  const jane = await newTab(context, "/");
  await goIn(jane, room, "Jane", { off: [] });
  const first = await until("a microphone is on", () => sent(jane, "audio"));

  at("another microphone");
  await more(jane, "Microphone and camera");
  const choice = jane.getByRole("dialog").getByLabel("Microphone");
  const other = await until("there is another to choose", async () => {
    const labels = await choice.locator("option").allTextContents();
    return labels.find((label) => label !== first && !label.includes("Default"));
  });
  await picturesOf(jane, "devices");
  await accessible(jane, "the choice of devices");
  await choice.selectOption({ label: other });
  await until(`${other} is heard`, async () => (await sent(jane, "audio")) === other);
  if ((await choice.locator("option:checked").textContent()) !== other) throw new Error("the dialog shows another");
  await jane.keyboard.press("Escape");

  at("a language of one's own");
  await jane.getByRole("button", { name: "Leave", exact: true }).click();
  await jane.goto(`${base}/join/${room.code}`);
  const before = jane.getByLabel("Language you speak");
  await before.selectOption("");
  await before.selectOption({ label: "Ukrainian" });
  await jane.getByRole("button", { name: "Join", exact: true }).click();
  await inRoom(jane);
  await more(jane, "Microphone and camera");
  const spoken = jane.getByRole("dialog").getByLabel("Language you speak");
  // What LiveKit tells of the attribute is what the dialog shows.
  await until("Ukrainian is what LiveKit knows", async () => (await spoken.inputValue()) === "uk");
  await spoken.selectOption({ label: "German" });
  await until("German is what LiveKit knows", async () => (await spoken.inputValue()) === "de");
  await accessible(jane, "the choice of a language");
  await jane.reload();
  await inRoom(jane);
  await more(jane, "Microphone and camera");
  await until("German is spoken after a reload", async () => (await spoken.inputValue()) === "de");
  await spoken.selectOption("");
  await until("the room's language is spoken again", async () => (await spoken.inputValue()) === "");
}

/** In the page: from which device comes what is sent. */
async function sent(tab, kind) {
  return tab.evaluate((kind) => {
    const senders = window.connections.flatMap((connection) => connection.getSenders());
    const tracks = senders.map(({ track }) => track).filter((track) => track?.kind === kind && track.readyState === "live");
    return tracks[0]?.label ?? null;
  }, kind);
}
