// What else can be done with a room.
import { answered, api } from "../../api/client.js";
import { rooms } from "../../text/rooms.js";
import { fill, useText } from "../../text/index.js";
import { useErrorText } from "../../text/error.js";
import { Menu, MenuButton, MenuFile } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { useRoomChange, type Room } from "./rooms.js";

interface Props {
  room: Room;
  onChange: () => void;
  onRemove: () => void;
}

export function RoomMenu({ room, onChange, onRemove }: Props) {
  const text = useText(rooms);
  const errorText = useErrorText();
  const end = useRoomChange(() =>
    answered(api.POST("/api/rooms/{roomId}/end", { params: { path: { roomId: room.id } } })),
  );
  const endNow = () => end.mutate(undefined, { onError: (error) => toast(errorText(error)) });
  return (
    <Menu icon="more" label={fill(text.more, { title: room.title })}>
      {room.startsAt && <MenuFile href={`/api/rooms/${room.id}/calendar.ics`}>{text.calendar}</MenuFile>}
      <MenuButton onClick={onChange}>{text.edit}</MenuButton>
      {room.status === "LIVE" && <MenuButton onClick={endNow}>{text.end}</MenuButton>}
      <MenuButton onClick={onRemove}>{text.remove}</MenuButton>
    </Menu>
  );
}
