// Who waits at the door, for who holds the room. Pure.
import type { Schemas } from "../../api/client.js";

type Entry = Schemas["EntryView"];

export type LobbyEvent =
  | { readonly kind: "list"; readonly items: readonly Entry[] }
  /** Somebody came, or it was decided about them. */
  | { readonly kind: "entry"; readonly entry: Entry };

/** Those who wait, the longest first. */
export function nextLobby(waiting: readonly Entry[], event: LobbyEvent): readonly Entry[] {
  const items =
    event.kind === "list" ? event.items : [...waiting.filter(({ id }) => id !== event.entry.id), event.entry];
  const left = items.filter(({ state }) => state === "waiting");
  return left.sort((one, other) => Number(one.askedAt > other.askedAt) - Number(one.askedAt < other.askedAt));
}
