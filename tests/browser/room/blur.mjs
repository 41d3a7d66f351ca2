// A blurred background: chosen before joining, kept in the room, turned off there, and never a sharp picture meanwhile.
import { accessible, at, hostRoom, inRoom, more, newContext, newTab, picturesOf, until } from "../kit.mjs";

/** How much of a picture's edges may be left of it. */
const LEFT_MAX = 0.5;
const LABEL = "Blur my background";

export default async function blur({ browser }) {
  const { host, room } = await hostRoom(browser);
  const context = await newContext(browser, ["camera", "microphone"]);
  const jane = await newTab(context, `/join/${room.code}`);
  await jane.getByLabel("Your name").fill("Jane");

  at("a green room without blur");
  const own = 'video[aria-label="Your camera"]';
  const sharp = await until("there is a picture", () => edges(jane, own));
  if ((await fetched(jane)).length > 0) throw new Error("the model is fetched before anybody wants it");
  await picturesOf(jane, "blur-off");

  at("a blur that can't be loaded");
  await context.route("**/*.tflite", (route) => route.abort());
  await jane.getByLabel(LABEL).check();
  await jane.getByText("The blur could not be loaded").waitFor();
  if ((await edges(jane, own)) !== null) throw new Error("a picture is shown all the same");
  await accessible(jane, "a blur that can't be loaded");
  await picturesOf(jane, "blur-failed");
  await context.unroute("**/*.tflite");

  at("a blur on its way");
  let go;
  const held = new Promise((resolve) => (go = resolve));
  await context.route("**/*.tflite", (route) => held.then(() => route.continue()));
  await watch(jane, own);
  await jane.getByRole("button", { name: "Try again" }).click();
  await jane.getByText("Preparing the blur…").first().waitFor();
  await accessible(jane, "a blur on its way");
  await picturesOf(jane, "blur-preparing");
  go();

  at("a blurred picture");
  const left = await until("there is a blurred picture", () => edges(jane, own));
  await jane.waitForTimeout(1_000);
  await jane.getByText("Preparing the blur…").waitFor({ state: "detached" });
  const worst = await sharpest(jane);
  console.log(`edges: ${sharp.toFixed(2)} sharp, ${left.toFixed(2)} blurred, ${worst.toFixed(2)} at most since then`);
  if (!(worst < LEFT_MAX * sharp)) throw new Error(`a picture was shown as it is: ${worst} of ${sharp}`);
  console.log(`fetched for it: ${JSON.stringify(await fetched(jane))}`);
  await accessible(jane, "a blurred picture");
  await picturesOf(jane, "blur-on");

  at("others see it blurred");
  const janes = 'figure[aria-label^="Jane"] video';
  await watch(host, janes);
  await jane.getByRole("button", { name: "Join", exact: true }).click();
  await inRoom(jane);
  await until("the host sees Jane", () => edges(host, janes));
  await host.waitForTimeout(3_000);

  at("a camera that can't be blurred when it is turned on again");
  await jane.getByRole("button", { name: "Turn camera off" }).click();
  await context.route("**/*.tflite", (route) => route.abort());
  const turnOn = jane.getByRole("button", { name: "Turn camera on" });
  await turnOn.click();
  await jane.getByText("Your background could not be blurred").waitFor();
  await turnOn.waitFor();
  if ((await edges(host, janes)) !== null) throw new Error("a picture is sent all the same");
  await context.unroute("**/*.tflite");
  await turnOn.click();
  await until("the host sees Jane again", () => edges(host, janes));
  await host.waitForTimeout(3_000);
  const sent = await sharpest(host);

  at("and sharp, once it is off");
  await more(jane, "Microphone and camera");
  const choice = jane.getByRole("dialog").getByLabel(LABEL);
  if (!(await choice.isChecked())) throw new Error("the room does not know of the choice");
  await accessible(jane, "the choice of devices with blur");
  await choice.uncheck();
  const clear = await until("the host sees Jane as she is", async () => {
    const now = await edges(host, janes);
    return now > sent / LEFT_MAX && now;
  });
  console.log(`edges at the host: ${sent.toFixed(2)} blurred at most, ${clear.toFixed(2)} sharp`);

  at("and blurred again, also after a reload");
  const blurred = async () => {
    const now = await edges(host, janes);
    return now !== null && now < LEFT_MAX * clear;
  };
  await until("the choice can be made", () => choice.isEnabled());
  await choice.check();
  await until("the host sees Jane blurred again", blurred);
  await jane.reload();
  await inRoom(jane);
  await watch(host, janes);
  await until("the host sees Jane blurred after a reload", blurred);
  if (!((await sharpest(host)) < LEFT_MAX * clear)) throw new Error("a sharp picture came with the reload");
}

/** What was fetched to blur: names and bytes. */
async function fetched(tab) {
  return tab.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter(({ name }) => /wasm|tflite|processor/.test(name))
      .map(({ name, encodedBodySize }) => [name.split("/").at(-1), encodedBodySize]),
  );
}

/** How sharp a picture is: the greatest difference of neighbours; null where there is none. */
async function edges(tab, selector) {
  await tab.evaluate(() => {
    window.edgesOf ??= (video) => {
      if (!video || video.videoWidth === 0 || video.readyState < 2) return null;
      // As large everywhere, so that figures compare.
      const [width, height] = [320, 180];
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(video, 0, 0, width, height);
      const { data } = context.getImageData(0, 0, width, height);
      let most = 0;
      for (let at = 4; at < data.length; at += 4) {
        if ((at / 4) % width !== 0) most = Math.max(most, Math.abs(data[at + 1] - data[at - 3]));
      }
      // Before its first picture, a video is of one colour.
      return most < 2 ? null : most;
    };
  });
  return tab.evaluate((selector) => window.edgesOf(document.querySelector(selector)), selector);
}

/** From now on, looks at each picture that is drawn. */
async function watch(tab, selector) {
  await edges(tab, selector);
  await tab.evaluate((selector) => {
    window.sharpest = 0;
    clearInterval(window.watching);
    window.watching = setInterval(() => {
      window.sharpest = Math.max(window.sharpest, window.edgesOf(document.querySelector(selector)) ?? 0);
    }, 30);
  }, selector);
}

async function sharpest(tab) {
  return tab.evaluate(() => window.sharpest);
}
