// A network that lets the page and LiveKit's websocket through, and neither sound nor pictures.
import { accessible, at, hostRoom, newContext, newTab, picturesOf, switchOff } from "../kit.mjs";

export default async function blocked({ browser }) {
  const { room } = await hostRoom(browser);
  const context = await newContext(browser, ["camera", "microphone"]);
  await wallIn(context);
  const jane = await newTab(context, `/join/${room.code}`);

  at("a firewall");
  await jane.getByLabel("Your name").fill("Jane");
  await switchOff(jane, "microphone", "camera");
  await jane.getByRole("button", { name: "Join", exact: true }).click();
  await jane.getByText("Sound and pictures don't get through").waitFor();
  await jane.getByText("Try another network").waitFor();
  await accessible(jane, "a firewall");
  await picturesOf(jane, "blocked");
  await jane.getByRole("button", { name: "Join again" }).waitFor();
}

/** WebRTC by relays alone, of which there are none: no pair of addresses ever works. */
async function wallIn(context) {
  await context.addInitScript(() => {
    const Real = window.RTCPeerConnection;
    const walled = (settings) => ({ ...settings, iceServers: [], iceTransportPolicy: "relay" });
    window.RTCPeerConnection = class extends Real {
      constructor(settings) {
        super(walled(settings));
      }
      setConfiguration(settings) {
        super.setConfiguration(walled(settings));
      }
    };
  });
}
