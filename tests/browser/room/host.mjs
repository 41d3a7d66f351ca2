// What a host does about people: mutes them, sends them out for good and lets them back, and hands the room over.
import { about, accessible, at, base, goIn, guestIn, has, hostRoom, open, picturesOf, register, tile } from "../kit.mjs";

export default async function host({ browser }) {
  const { host, room } = await hostRoom(browser);
  const speaking = { off: ["camera"] };
  const jane = await guestIn(browser, room, "Jane", speaking);
  const ben = await open(browser, "/");
  await register(ben, "Ben");
  await goIn(ben, room, "Ben", speaking);
  await host.keyboard.press("p");

  at("one is muted");
  await heard(host, "Jane");
  await heard(host, "Ben");
  await about(host, "Jane", "Mute");
  await jane.getByText("A host muted you. You can unmute yourself.").waitFor();
  await muted(host, "Jane");
  await jane.getByRole("button", { name: /^Unmute/ }).waitFor();
  await heard(host, "Ben");
  await jane.getByRole("button", { name: /^Unmute/ }).click();
  await heard(host, "Jane");

  at("all are muted");
  await host.getByRole("button", { name: "Mute all" }).click();
  for (const [tab, name] of [[jane, "Jane"], [ben, "Ben"]]) {
    await tab.getByText("A host muted everybody.").waitFor();
    await tab.getByRole("button", { name: /^Unmute/ }).waitFor();
    await muted(host, name);
  }
  await accessible(host, "what a host sees of people");

  at("one is banned");
  await about(host, "Jane", "Ban for good");
  await jane.getByText("You were sent out").waitFor();
  await tile(host, "Jane").waitFor({ state: "detached" });
  await jane.getByRole("button", { name: "Join again" }).click();
  await jane.getByRole("button", { name: "Join", exact: true }).click();
  await jane.getByText("You can't come into this room").waitFor();
  await accessible(jane, "a banned guest's door");
  await picturesOf(jane, "banned");

  at("and let back");
  await host.getByText("Banned people").click();
  const banned = host.getByRole("listitem").filter({ hasText: "Jane" });
  await banned.getByRole("button", { name: "Let back" }).click();
  await host.getByText("Nobody is banned.").waitFor();
  await goIn(jane, room, "Jane");
  await tile(host, "Jane").waitFor();

  at("the room is handed over");
  await about(host, "Jane", "Make host");
  await has(host.getByText(/has no account|have to log in/), "why Jane can't hold the room");
  await about(host, "Ben", "Make host");
  await ben.getByText("The room has another host.").waitFor();
  await ben.keyboard.press("p");
  await ben.getByRole("button", { name: "Mute all" }).waitFor();
  await ben.getByRole("button", { name: "What to do about Ada" }).waitFor();
  await host.getByRole("button", { name: "Mute all" }).waitFor({ state: "detached" });
  await host.getByRole("button", { name: "What to do about Jane" }).waitFor({ state: "detached" });
  const mark = (tab, name) => tab.getByRole("listitem").filter({ hasText: name }).filter({ hasText: "Host" });
  await has(mark(host, "Ben"), "that Ben is the host");
  await mark(host, "Ada").waitFor({ state: "detached" });
  await about(ben, "Jane", "Remove from room");
  await jane.getByText("You were sent out").waitFor();
  await host.goto(`${base}/join/${room.code}`);
  await host.getByRole("button", { name: "Join", exact: true }).waitFor();
}

async function heard(tab, name) {
  const mark = tile(tab, name).getByRole("img", { name: "Microphone is off" });
  await tile(tab, name).waitFor();
  await mark.waitFor({ state: "detached" });
}

async function muted(tab, name) {
  await tile(tab, name).getByRole("img", { name: "Microphone is off" }).waitFor();
}
