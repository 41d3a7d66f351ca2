// Asks before a room and all that came of it is erased.
import { answered, api } from "../../api/client.js";
import { rooms } from "../../text/rooms.js";
import { useText } from "../../text/index.js";
import { shell } from "../../text/shell.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { ErrorNotice } from "../../ui/notice.js";
import { useRoomChange, type Room } from "./rooms.js";

export function RemoveDialog({ room, onClose }: { room: Room; onClose: () => void }) {
  const text = useText(rooms);
  const common = useText(shell);
  const remove = useRoomChange(() =>
    answered(api.DELETE("/api/rooms/{roomId}", { params: { path: { roomId: room.id } } })),
  );
  return (
    <Dialog title={text.removeTitle} onClose={onClose}>
      {remove.error && <ErrorNotice error={remove.error} />}
      <p>{text.removeText.replace("{title}", room.title)}</p>
      <Actions>
        <Button onClick={onClose} autoFocus>
          {common.cancel}
        </Button>
        <Button
          look="danger"
          icon="bin"
          pending={remove.isPending}
          onClick={() => remove.mutate(undefined, { onSuccess: onClose })}
        >
          {text.removeNow}
        </Button>
      </Actions>
    </Dialog>
  );
}
