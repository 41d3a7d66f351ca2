// A connection that breaks and comes back.
import { accessible, at, guestIn, hostRoom, picturesOf, tile } from "../kit.mjs";

export default async function connection({ browser, order }) {
  const { host, room } = await hostRoom(browser);
  const jane = await guestIn(browser, room, "Jane");
  await tile(host, "Jane").waitFor();

  at("LiveKit's connection breaks");
  await order("the wire is cut");
  const told = jane.getByRole("status").getByText("Reconnecting…");
  await told.waitFor();
  await picturesOf(jane, "reconnecting");
  await accessible(jane, "a connection that broke");

  at("and comes back");
  await order("the wire is mended");
  await told.waitFor({ state: "detached" });
  // What happens from now on is seen again.
  const ben = await guestIn(browser, room, "Ben", { off: ["microphone"] });
  await tile(jane, "Ben").waitFor();
  await tile(ben, "Jane").waitFor();
  await jane.getByRole("contentinfo", { name: "Controls" }).waitFor();
}
