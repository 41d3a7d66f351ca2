// One room: its state, the way in, and its link to hand on.
import { useState, type ReactNode } from "react";
import { dateAndTime } from "../../text/format.js";
import { useLanguage, useText } from "../../text/index.js";
import { rooms } from "../../text/rooms.js";
import { Badge } from "../../ui/badge.js";
import { Icon } from "../../ui/icon.js";
import { CopyLink } from "./copy-link.js";
import { Enter } from "./enter.js";
import styles from "./room-card.module.css";
import { RemoveDialog } from "./remove-dialog.js";
import { RoomDialog } from "./room-dialog.js";
import { RoomMenu } from "./room-menu.js";
import type { Room } from "./rooms.js";

const tones = { LIVE: "live", SCHEDULED: "calm", ENDED: "done" } as const;

export function RoomCard({ room }: { room: Room }) {
  const text = useText(rooms);
  const language = useLanguage();
  const [asked, setAsked] = useState<"change" | "remove" | null>(null);
  const status = room.status as keyof typeof tones;
  const code = room.code ?? "";
  return (
    <li className={styles["card"]}>
      <div className={styles["top"]}>
        <Badge tone={tones[status]}>{text[status]}</Badge>
        <RoomMenu room={room} onChange={() => setAsked("change")} onRemove={() => setAsked("remove")} />
      </div>
      <h2>{room.title}</h2>
      <ul className={styles["facts"]}>
        {room.startsAt && <Fact icon="calendar">{dateAndTime(language, room.startsAt)}</Fact>}
        <Fact icon="link">{code}</Fact>
        {room.lobby && <Fact icon="people">{text.lobby}</Fact>}
        {room.pinRequired && (
          <Fact icon="lock">
            {text.pin} {room.settings?.pin}
          </Fact>
        )}
      </ul>
      <div className={styles["actions"]}>
        <Enter room={room} />
        <CopyLink code={code} />
      </div>
      {asked === "change" && <RoomDialog room={room} onClose={() => setAsked(null)} />}
      {asked === "remove" && <RemoveDialog room={room} onClose={() => setAsked(null)} />}
    </li>
  );
}

function Fact({ icon, children }: { icon: "calendar" | "link" | "people" | "lock"; children: ReactNode }) {
  return (
    <li>
      <Icon name={icon} />
      {children}
    </li>
  );
}
