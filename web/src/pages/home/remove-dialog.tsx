// Asks before a room and all that came of it is erased.
import { answered, api } from "../../api/client.js";
import { fill, useText } from "../../text/index.js";
import { rooms } from "../../text/rooms.js";
import { Confirm } from "../../ui/confirm.js";
import { useRoomChange, type Room } from "./rooms.js";

export function RemoveDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const text = useText(rooms);
  const remove = useRoomChange(() =>
    answered(api.DELETE("/api/rooms/{roomId}", { params: { path: { roomId: room.id } } })),
  );
  return (
    <Confirm
      title={text.removeTitle}
      action={text.removeNow}
      error={remove.error}
      isPending={remove.isPending}
      onConfirm={() => remove.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      {fill(text.removeText, { title: room.title })}
    </Confirm>
  );
}
