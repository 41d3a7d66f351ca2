// Who may not come in any more, and the way back for them.
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { answered, api } from "../../api/client.js";
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { ErrorNotice } from "../../ui/notice.js";
import { moderate } from "./deeds.js";
import type { Guard } from "./meeting.js";
import styles from "./people.module.css";

export function Bans({ roomId, guard }: { roomId: string; guard: Guard }) {
  const text = useText(texts);
  const [isOpen, setOpen] = useState(false);
  return (
    <details className={styles.bans} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text.bans}</summary>
      {isOpen && <List roomId={roomId} guard={guard} />}
    </details>
  );
}

function List({ roomId, guard }: { roomId: string; guard: Guard }) {
  const text = useText(texts);
  const { data, error, refetch } = useQuery({
    queryKey: ["bans", roomId],
    queryFn: () => answered(api.GET("/api/rooms/{roomId}/bans", { params: { path: { roomId } } })),
    // Whoever was banned a moment ago is in it.
    staleTime: 0,
  });
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />;
  if (data?.items.length === 0) return <p>{text.noBans}</p>;
  const unban = (identity: string) => guard(moderate(roomId, "unban", identity).then(() => refetch()));
  return (
    <ul className={styles.list}>
      {data?.items.map(({ identity, name }) => (
        <li key={identity} className={styles.person}>
          <span className={styles.name}>{name ?? identity}</span>
          <Button onClick={() => unban(identity)}>{text.unban}</Button>
        </li>
      ))}
    </ul>
  );
}
