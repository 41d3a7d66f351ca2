// LiveKit's client as our pages set it up is what our own libwebrtc hears: how it sends, and that its words are right.
import { at, goIn, guestIn, hostRoom, newContext, newTab, seen, until, watchConnections } from "../kit.mjs";

/** What is said in fixtures/austen, of which a recogniser of this size hears two thirds. */
const SAID = `mr john dashwood had then leisure to consider how much there might be prudently in his power to do for them
  he was not an ill disposed young man unless to be rather cold hearted and rather selfish is to be ill disposed
  had he married a more amiable woman he might have been made still more respectable than he was
  he might even have been made amiable himself`.split(/\s+/);
const HEARD_MIN = 0.6;

export default async function publisher({ browser }) {
  const { host, room } = await hostRoom(browser);
  const context = await newContext(browser, ["camera", "microphone"]);
  await watchConnections(context);
  const jane = await newTab(context, "/");
  await goIn(jane, room, "Jane", { off: ["microphone"] });
  await jane.getByRole("button", { name: /^Unmute/ }).click();
  const ben = await guestIn(browser, room, "Ben");
  for (const tab of [host, ben]) await seen(tab, "Jane");

  at("how it is sent");
  const layers = await until("video in layers, and sound", async () => {
    const { video, audio } = await outbound(jane);
    return video.some(({ framesEncoded }) => framesEncoded > 0) && audio.packetsSent > 50 && { video, audio };
  });
  const { video, audio } = layers;
  const told = JSON.stringify(layers);
  const rids = new Set(video.map(({ rid }) => rid));
  if (rids.size < 2) throw new Error(`no simulcast: ${told}`);
  if (!video.every(({ codec }) => codec === "video/VP8")) throw new Error(`not VP8: ${told}`);
  if (audio.codec !== "audio/opus" || !audio.isRedundant) throw new Error(`not Opus in RED: ${told}`);
  if (!audio.usesDtx) throw new Error(`no DTX: ${told}`);
  console.log(`sends ${told}`);

  at("what is heard of it");
  const read = await until("all is heard", async () => {
    const page = await host.evaluate(async (id) => (await fetch(`/api/rooms/${id}/captions`)).json(), room.id);
    const words = page.items.filter(({ name }) => name === "Jane").flatMap(({ text }) => text.split(/\s+/));
    return words.length >= SAID.length && words.slice(0, Math.ceil(SAID.length * 1.2));
  });
  const share = common(SAID, read) / SAID.length;
  console.log(`of ${SAID.length} words ${(share * 100).toFixed(0)} % were heard`);
  if (share < HEARD_MIN) throw new Error(`only ${share} of the words were heard: ${read.join(" ")}`);
}

/** In the page: what it sends, by RTP's own statistics and by what was agreed on. */
async function outbound(tab) {
  return tab.evaluate(async () => {
    const video = [];
    let audio = { packetsSent: 0 };
    for (const connection of window.connections) {
      const reports = new Map(await connection.getStats());
      for (const { type, kind, codecId, rid, framesEncoded, frameWidth, packetsSent } of reports.values()) {
        if (type !== "outbound-rtp") continue;
        const codec = reports.get(codecId)?.mimeType;
        if (kind === "video") video.push({ rid, codec, framesEncoded, frameWidth });
        if (kind === "audio") audio = { codec, packetsSent, ...agreedOn(connection) };
      }
    }
    /** Statistics name what is in a redundant packet; that packets are redundant is what the server chose first. */
    function agreedOn(connection) {
      const sdp = connection.remoteDescription?.sdp ?? "";
      const sound = sdp.split(/^(?=m=)/m).find((media) => media.startsWith("m=audio") && media.includes("a=recvonly"));
      const first = /^m=audio \d+ \S+ (\d+)/.exec(sound ?? "")?.[1];
      const red = /a=rtpmap:(\d+) red\/48000/i.exec(sound ?? "")?.[1];
      return { isRedundant: red !== undefined && first === red, usesDtx: /usedtx=1/.test(sound ?? "") };
    }
    return { video: video.filter(({ codec }) => codec !== undefined), audio };
  });
}

/** How many words both have, in the same order. */
function common(said, heard) {
  let row = new Array(heard.length + 1).fill(0);
  for (const word of said) {
    const next = [0];
    for (const [at, other] of heard.entries())
      next.push(word === other.toLowerCase() ? row[at] + 1 : Math.max(row[at + 1], next[at]));
    row = next;
  }
  return row.at(-1);
}
