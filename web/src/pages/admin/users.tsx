// Who has an account, and what they may do.
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, type Schemas } from "../../api/client.js";
import { useSession } from "../../session/session.js";
import { admin } from "../../text/admin.js";
import { counted, dateAndTime } from "../../text/format.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { Badge } from "../../ui/badge.js";
import { Loading } from "../../ui/loading.js";
import { More } from "../../ui/more.js";
import { ErrorNotice } from "../../ui/notice.js";
import { usePaused } from "../../ui/paused.js";
import { Search } from "../../ui/search.js";
import styles from "./admin.module.css";
import { UserMenu } from "./user-menu.js";

export type User = Schemas["UserView"];

export function UsersPart() {
  const text = useText(admin);
  const [typed, setTyped] = useState("");
  const query = usePaused(typed.trim());
  const list = useUsers(query);
  return (
    <section className={styles["part"]}>
      <h2 id="users">{text.users}</h2>
      <Search label={text.findUser} value={typed} onChange={setTyped} />
      {list.isPending && <Loading />}
      {list.error && <ErrorNotice error={list.error} retry={() => void list.refetch()} />}
      {list.data?.length === 0 && (
        <p role="status" className={styles["about"]}>
          {text.noUser}
        </p>
      )}
      {list.data && list.data.length > 0 && <Table users={list.data} />}
      <More list={list} />
    </section>
  );
}

function useUsers(query: string) {
  return useInfiniteQuery({
    queryKey: ["users", query],
    queryFn: ({ pageParam, signal }) => {
      const wanted = {
        limit: 20,
        ...(query === "" ? {} : { q: query }),
        ...(pageParam === null ? {} : { cursor: pageParam }),
      };
      return answered(api.GET("/api/admin/users", { params: { query: wanted }, signal }));
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor ?? null,
    select: ({ pages }) => pages.flatMap((page): User[] => page.items),
    placeholderData: keepPreviousData,
  });
}

/** On narrow screens the columns in the middle stand as a line below the name. */
function Table({ users }: { users: User[] }) {
  const text = useText(admin);
  return (
    <table className={`${styles["table"]} ${styles["users"]}`} aria-labelledby="users">
      <thead>
        <tr>
          <th scope="col">{text.person}</th>
          <th scope="col">{text.lastLogin}</th>
          <th scope="col">{text.holds}</th>
          <th scope="col">
            <span className="unseen">{text.change}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {users.map((user) => (
          <Row key={user.id} user={user} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ user }: { user: User }) {
  const text = useText(admin);
  const language = useLanguage();
  const { account } = useSession();
  const login = user.lastLoginAt ? dateAndTime(language, user.lastLoginAt) : text.never;
  const made = fill(text.since, { time: dateAndTime(language, user.createdAt) });
  const holds = [
    counted(language, user.rooms, text.someRooms),
    counted(language, user.lectures, text.someLectures),
  ].join(", ");
  return (
    <tr>
      <th scope="row">
        <span className={styles["name"]}>
          <strong>{user.name}</strong>
          {user.id === account?.id && <span className={styles["about"]}>({text.you})</span>}
          {user.role === "ADMIN" && <Badge tone="calm">{text.isAdmin}</Badge>}
          {user.byProvider && <Badge tone="calm">{text.byProvider}</Badge>}
          {user.disabledAt && <Badge tone="warning">{text.isDisabled}</Badge>}
        </span>
        <span className={styles["email"]}>{user.email}</span>
        <span className={styles["narrow"]}>
          {login}, {holds}
        </span>
      </th>
      <td>
        {login}
        <span className={styles["email"]}>{made}</span>
      </td>
      <td>{holds}</td>
      <td>
        <UserMenu user={user} />
      </td>
    </tr>
  );
}
