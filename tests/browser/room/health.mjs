// What a room says of its captions when the recogniser fails, is back, and refuses.
import { accessible, at, caption, guestIn, hostRoom, picturesOf } from "../kit.mjs";

export default async function health({ browser, order }) {
  const { host, room } = await hostRoom(browser);
  const status = host.getByRole("status");

  at("a recogniser that is away");
  await order("the recogniser is away");
  const jane = await guestIn(browser, room, "Jane");
  await jane.getByRole("button", { name: /^Unmute/ }).click();
  const late = "Captions are late for Jane: what is said is kept, and follows";
  for (const tab of [host, jane]) await tab.getByRole("status").getByText(late).waitFor();
  await picturesOf(host, "captions-late");
  await accessible(host, "late captions");

  at("and is back");
  await order("the recogniser is back");
  await status.getByText(late).waitFor({ state: "detached" });
  await caption(host, "Jane", ["consider", "much", "might", "power", "young"]);

  at("a recogniser that refuses");
  await order("the recogniser refuses");
  const ben = await guestIn(browser, room, "Ben");
  await ben.getByRole("button", { name: /^Unmute/ }).click();
  const refused = "No captions for Ben: the recogniser refuses; tell whoever runs this service";
  await status.getByText(refused).waitFor();
  await accessible(host, "captions that are refused");
  await order("the recogniser is back");

  at("whose trouble ends with them");
  await ben.getByRole("button", { name: "Leave" }).click();
  await status.getByText(refused).waitFor({ state: "detached" });
}
