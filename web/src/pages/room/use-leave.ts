// Leaves the room; the page sees it by the connection's end.
import { useRoomContext } from "@livekit/components-react";

export function useLeave(): () => void {
  const room = useRoomContext();
  return () => void room.disconnect();
}
