// What administrators look after: whether all is well, what goes on, and who did what.
import { SignedIn } from "../../session/signed-in.js";
import { useSession } from "../../session/session.js";
import { admin } from "../../text/admin.js";
import { useText } from "../../text/index.js";
import { Empty } from "../../ui/empty.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { RoomCard } from "../home/room-card.js";
import { RoomList } from "../home/room-list.js";
import { useRooms } from "../home/rooms.js";
import styles from "./admin.module.css";
import { AuditPart } from "./audit.js";
import { FiguresPart } from "./figures.js";
import { HealthPart } from "./health.js";
import { UsersPart } from "./users.js";

export default function AdminPage() {
  const text = useText(admin);
  return (
    <SignedIn>
      <Page title={text.title}>
        <ForAdministrators />
      </Page>
    </SignedIn>
  );
}

function ForAdministrators() {
  const text = useText(admin);
  const { account } = useSession();
  if (account?.role !== "ADMIN") {
    return (
      <Empty title={text.forbiddenTitle}>
        <p>{text.forbidden}</p>
      </Empty>
    );
  }
  return (
    <>
      <HealthPart />
      <FiguresPart />
      <LivePart />
      <UsersPart />
      <AuditPart />
    </>
  );
}

function LivePart() {
  const text = useText(admin);
  const list = useRooms();
  const live = list.data?.filter((room) => room.status === "LIVE");
  return (
    <section className={styles["part"]}>
      <h2>{text.live}</h2>
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {live?.length === 0 && <p className={styles["about"]}>{text.noneLive}</p>}
      <RoomList>
        {live?.map((room) => (
          <RoomCard key={room.id} room={room} />
        ))}
      </RoomList>
      <More list={list} />
    </section>
  );
}
