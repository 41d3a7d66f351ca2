// The rooms of one's own that people are in.
import { rooms } from "../../text/rooms.js";
import { useText } from "../../text/index.js";
import { ButtonLink } from "../../ui/button.js";
import { Empty } from "../../ui/empty.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { SignedIn } from "../../session/signed-in.js";
import { RoomCard } from "./room-card.js";
import { RoomList } from "./room-list.js";
import { useRooms } from "./rooms.js";

export default function LivePage() {
  const text = useText(rooms);
  return (
    <SignedIn>
      <Page title={text.liveTitle}>
        <Live />
      </Page>
    </SignedIn>
  );
}

function Live() {
  const text = useText(rooms);
  const list = useRooms();
  const live = list.data?.filter((room) => room.status === "LIVE");
  return (
    <>
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {live?.length === 0 && (
        <Empty title={text.liveEmptyTitle}>
          <p>{text.liveEmptyText}</p>
          <ButtonLink to="/" look="primary">
            {text.toRooms}
          </ButtonLink>
        </Empty>
      )}
      <RoomList>
        {live?.map((room) => (
          <RoomCard key={room.id} room={room} />
        ))}
      </RoomList>
      <More list={list} />
    </>
  );
}
