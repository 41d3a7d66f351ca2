// Doors that don't open: a guessed PIN, a locked room, a room that is over.
import { accessible, at, call, goIn, hostRoom, open, picturesOf, switchOff, until } from "../kit.mjs";

/** So many wrong PINs are let pass. */
const GUESSES = 5;

export default async function door({ browser }) {
  at("a locked room");
  const { host, room } = await hostRoom(browser);
  await host.keyboard.press("p");
  await host.getByRole("button", { name: "Lock", exact: true }).click();
  await host.getByRole("button", { name: "Unlock", exact: true }).waitFor();
  const late = await open(browser, `/join/${room.code}`);
  await knock(late, "Late", "Join");
  await late.getByText("The room is locked").waitFor();
  await accessible(late, "a locked room's door");
  await picturesOf(late, "locked");
  await host.getByRole("button", { name: "Unlock", exact: true }).click();
  await host.getByRole("button", { name: "Lock", exact: true }).waitFor();
  await late.getByRole("button", { name: "Ask again" }).click();
  await goIn(late, room, "Late");

  at("an invitation that has run out");
  await call(host, "POST", `/api/rooms/${room.id}/end`);
  await host.getByText("The room is over").waitFor();
  const early = await open(browser, `/join/${room.code}`);
  await early.getByText("This room is over").waitFor();
  await early.getByText("Ask the host for a new one").waitFor();
  await accessible(early, "an invitation that has run out");
  await picturesOf(early, "expired");

  at("a guessed PIN");
  const guarded = await call(host, "POST", "/api/rooms", { title: "Guarded", settings: { pin: "4711" } });
  const guesser = await open(browser, `/join/${guarded.code}`);
  await guesser.getByLabel("Your name").fill("Mallory");
  await switchOff(guesser, "microphone", "camera");
  const join = guesser.getByRole("button", { name: "Join", exact: true });
  for (let guess = 0; guess <= GUESSES; guess += 1) {
    await guesser.getByLabel("PIN").fill(`000${guess}`);
    const answered = guesser.waitForResponse((response) => response.url().endsWith("/join"));
    await join.click();
    const answer = await answered;
    const told = guess < GUESSES ? "This is not the room's PIN" : "Too many wrong PINs";
    await guesser.getByText(told).waitFor();
    if (guess === GUESSES) await saysWhen(guesser, answer);
  }
  if (await join.isEnabled()) throw new Error("one may go on guessing");
  await accessible(guesser, "a guessed PIN");
  await picturesOf(guesser, "guessed");
}

/** The page counts down from what the service said. */
async function saysWhen(tab, answer) {
  const asked = Number(answer.headers()["retry-after"]);
  const shown = async () => Number(/in (\d+)\ss/.exec(await tab.getByText("Too many wrong PINs").textContent())?.[1]);
  const first = await shown();
  if (answer.status() !== 429 || !(asked > 0) || first > asked || first < asked - 30)
    throw new Error(`status ${answer.status()}, after ${asked} s; the page says ${first} s`);
  await until("the page counts down", async () => (await shown()) < first);
}

async function knock(tab, name, button) {
  await tab.getByLabel("Your name").fill(name);
  await switchOff(tab, "microphone", "camera");
  await tab.getByRole("button", { name: button, exact: true }).click();
}
