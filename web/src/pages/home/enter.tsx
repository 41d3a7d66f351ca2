// The way into a room; one that is over is opened again first.
import { useLocation } from "wouter";
import { answered, api } from "../../api/client.js";
import { useErrorText } from "../../text/error.js";
import { useText } from "../../text/index.js";
import { rooms } from "../../text/rooms.js";
import { Button, ButtonLink } from "../../ui/button.js";
import { toast } from "../../ui/toast.js";
import { joinPath } from "./link.js";
import { useRoomChange, type Room } from "./rooms.js";

export function Enter({ room }: { room: Room }) {
  const text = useText(rooms);
  const errorText = useErrorText();
  const [, go] = useLocation();
  const path = joinPath(room.code ?? "");
  const open = useRoomChange(() =>
    answered(api.POST("/api/rooms/{roomId}/start", { params: { path: { roomId: room.id } } })),
  );
  const reopen = () =>
    open.mutate(undefined, { onSuccess: () => go(path), onError: (error) => toast(errorText(error)) });
  if (room.status === "ENDED") {
    return (
      <Button pending={open.isPending} onClick={reopen}>
        {text.reopen}
      </Button>
    );
  }
  return (
    <ButtonLink to={path} look={room.status === "LIVE" ? "primary" : "plain"}>
      {text.enter}
    </ButtonLink>
  );
}
