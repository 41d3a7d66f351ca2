// Why one is not in a room (any more), by what LiveKit's client says.
import { ConnectionError, ConnectionErrorReason, DisconnectReason } from "livekit-client";

export type Out =
  | "left"
  | "ended"
  | "removed"
  /** The same person came in from another window. */
  | "elsewhere"
  | "lost"
  /** LiveKit's server can't be found. */
  | "unreachable"
  /** It was found, but pictures and sound don't get through. */
  | "blocked"
  /** The browser has no WebRTC. */
  | "unsupported"
  | "refused";

/** Why a connection ended. */
export function outBy(reason: DisconnectReason | undefined): Out {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return "left";
    case DisconnectReason.DUPLICATE_IDENTITY:
      return "elsewhere";
    case DisconnectReason.PARTICIPANT_REMOVED:
      return "removed";
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return "ended";
    default:
      return "lost";
  }
}

/** Why a connection did not come about. */
export function outByError(error: unknown): Out {
  if (!(error instanceof ConnectionError)) return "lost";
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      return "refused";
    case ConnectionErrorReason.ServerUnreachable:
      return "unreachable";
    default:
      return "blocked";
  }
}

/** Whether coming again may help. */
export function mayReturn(out: Out): boolean {
  return out !== "ended" && out !== "unsupported";
}
