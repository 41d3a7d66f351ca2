// Another microphone while one is in the room.
import { accessible, at, goIn, hostRoom, more, newContext, newTab, picturesOf, until, watchConnections } from "../kit.mjs";

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
}

/** In the page: from which device comes what is sent. */
async function sent(tab, kind) {
  return tab.evaluate((kind) => {
    const senders = window.connections.flatMap((connection) => connection.getSenders());
    const tracks = senders.map(({ track }) => track).filter((track) => track?.kind === kind && track.readyState === "live");
    return tracks[0]?.label ?? null;
  }, kind);
}
