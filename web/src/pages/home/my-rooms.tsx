// One's rooms, or everybody's for an administrator, and the way to a new one.
import { useState } from "react";
import type { Account } from "../../session/session.js";
import { rooms } from "../../text/rooms.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Empty } from "../../ui/empty.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { RoomCard } from "./room-card.js";
import { RoomDialog } from "./room-dialog.js";
import { RoomList } from "./room-list.js";
import { useRooms } from "./rooms.js";

export default function MyRooms({ account }: { account: Account }) {
  const text = useText(rooms);
  const list = useRooms();
  const [isMaking, setMaking] = useState(false);
  const create = (
    <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
      {text.create}
    </Button>
  );
  const isEmpty = list.data?.length === 0;
  return (
    <Page title={account.role === "ADMIN" ? text.allTitle : text.title} action={!isEmpty && create}>
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {isEmpty && (
        <Empty title={text.emptyTitle}>
          <p>{text.emptyText}</p>
          {create}
        </Empty>
      )}
      <RoomList>
        {list.data?.map((room) => (
          <RoomCard key={room.id} room={room} />
        ))}
      </RoomList>
      <More list={list} />
      {isMaking && <RoomDialog onClose={() => setMaking(false)} />}
    </Page>
  );
}
