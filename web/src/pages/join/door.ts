// How it stands between somebody and a room, from the invitation until they are in. Pure.
import type { ApiError } from "../../api/error.js";

export type Door =
  /** They say who they are. */
  | { readonly at: "threshold"; readonly problem: Problem | null }
  /** A host has to let them in. */
  | { readonly at: "waiting" }
  /** It does not open, or not now. */
  | { readonly at: "closed"; readonly why: Closed };

/** What to put right before asking again. */
export interface Problem {
  readonly field: "name" | "pin" | null;
  /** What went wrong, to be worded. */
  readonly error: unknown;
  /** Seconds before which asking again is of no use. */
  readonly retryAfter: number | null;
}

export type Closed = "denied" | "expired" | "removed" | "left" | "locked" | "banned" | "full" | "ended";

/** What asks the door, or it is told. */
export type DoorEvent =
  | { readonly kind: "refused"; readonly error: ApiError | Error }
  | { readonly kind: "waiting" }
  | { readonly kind: "told"; readonly what: string }
  | { readonly kind: "again" };

/** Where everybody begins. */
export const THRESHOLD: Door = { at: "threshold", problem: null };

export function nextDoor(door: Door, event: DoorEvent): Door {
  switch (event.kind) {
    case "refused":
      return refused(event.error);
    case "waiting":
      return { at: "waiting" };
    case "told":
      // Who has been told already hears nothing new: streams repeat themselves when they are taken up again.
      return door.at === "waiting" ? told(event.what) : door;
    case "again":
      return THRESHOLD;
  }
}

const CLOSED_BY: Readonly<Record<string, Closed>> = {
  ROOM_LOCKED: "locked",
  BANNED: "banned",
  LOBBY_FULL: "full",
  ROOM_ENDED: "ended",
};

function refused(error: ApiError | Error): Door {
  const code = "code" in error ? error.code : "";
  const why = CLOSED_BY[code];
  if (why !== undefined) return { at: "closed", why };
  return { at: "threshold", problem: problemOf(error, code) };
}

function problemOf(error: ApiError | Error, code: string): Problem {
  const retryAfter = "retryAfter" in error ? error.retryAfter : null;
  if (code === "PIN_WRONG" || code === "PIN_REQUIRED") return { field: "pin", error, retryAfter };
  const isName = "field" in error && error.field === "name";
  return { field: isName ? "name" : null, error, retryAfter };
}

function told(what: string): Door {
  switch (what) {
    case "lobby.denied":
      return { at: "closed", why: "denied" };
    case "lobby.expired":
      return { at: "closed", why: "expired" };
    case "lobby.removed":
      return { at: "closed", why: "removed" };
    case "lobby.left":
      return { at: "closed", why: "left" };
    default:
      return { at: "waiting" };
  }
}

/** Whether asking again may help. */
export function mayAskAgain(why: Closed): boolean {
  return why !== "banned" && why !== "ended";
}
