// Who is here and who waits; for who holds the room, what can be done about it.
import { useParticipants } from "@livekit/components-react";
import { type Participant, ParticipantKind, Track } from "livekit-client";
import { useState } from "react";

import type { Schemas } from "../../api/client.js";
import { room as texts } from "../../text/room.js";
import { fill, useText } from "../../text/index.js";
import { Avatar } from "../../ui/avatar.js";
import { Button } from "../../ui/button.js";
import { Actions, Dialog } from "../../ui/dialog.js";
import { Glyph } from "../../ui/glyph.js";
import { Menu, MenuButton } from "../../ui/menu.js";
import { isHeld } from "../join/ask.js";
import { Bans } from "./bans.js";
import { admitAll, decide, lowerHand, moderate } from "./deeds.js";
import type { Life } from "./life.js";
import type { Guard } from "./meeting.js";
import styles from "./people.module.css";

interface Props {
  room: Schemas["RoomView"];
  life: Life;
  lobby: readonly Schemas["EntryView"][];
  guard: Guard;
}

export function People({ room, life, lobby, guard }: Props) {
  const text = useText(texts);
  const people = useParticipants().filter(({ kind }) => kind !== ParticipantKind.AGENT);
  const isHost = isHeld(room);
  return (
    <div className={styles.people}>
      {isHost && <Lobby roomId={room.id} waiting={lobby} guard={guard} />}
      {life.hands.length > 0 && <Hands roomId={room.id} hands={life.hands} isHost={isHost} guard={guard} />}
      <section>
        <h2>{fill(text.inTheRoom, { count: String(people.length) })}</h2>
        <ul className={styles.list}>
          {people.map((person) => (
            <Person key={person.identity} person={person} roomId={room.id} isHost={isHost} guard={guard} />
          ))}
        </ul>
      </section>
      {isHost && <HostTools room={room} isLocked={life.isLocked} guard={guard} />}
    </div>
  );
}

function Lobby({ roomId, waiting, guard }: { roomId: string; waiting: Props["lobby"]; guard: Guard }) {
  const text = useText(texts);
  if (waiting.length === 0) return null;
  return (
    <section className={styles.lobby}>
      <div className={styles.heading}>
        <h2>{fill(text.waitingAtTheDoor, { count: String(waiting.length) })}</h2>
        {waiting.length > 1 && <Button onClick={() => guard(admitAll(roomId))}>{text.admitAll}</Button>}
      </div>
      <ul className={styles.list}>
        {waiting.map(({ id, name, addressBanned }) => (
          <li key={id} className={styles.person}>
            <span className={styles.name}>
              {name}
              {addressBanned && <small>{text.addressBanned}</small>}
            </span>
            <Button
              look="quiet"
              aria-label={`${text.deny} ${name}`}
              onClick={() => guard(decide(roomId, id, "deny"))}
            >
              {text.deny}
            </Button>
            <Button
              look="primary"
              aria-label={`${text.admit} ${name}`}
              onClick={() => guard(decide(roomId, id, "admit"))}
            >
              {text.admit}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Hands({
  roomId,
  hands,
  isHost,
  guard,
}: {
  roomId: string;
  hands: Life["hands"];
  isHost: boolean;
  guard: Guard;
}) {
  const text = useText(texts);
  return (
    <section>
      <h2>{text.hands}</h2>
      <ol className={styles.list}>
        {hands.map(({ identity, name }) => (
          <li key={identity} className={styles.person}>
            <span className={styles.handMark}>
              <Glyph name="hand" />
            </span>
            <span className={styles.name}>{name}</span>
            {isHost && (
              <Button
                look="quiet"
                aria-label={`${text.lowerHand}: ${name}`}
                onClick={() => guard(lowerHand(roomId, identity))}
              >
                {text.lowerHand}
              </Button>
            )}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Person({
  person,
  roomId,
  isHost,
  guard,
}: {
  person: Participant;
  roomId: string;
  isHost: boolean;
  guard: Guard;
}) {
  const text = useText(texts);
  const name = person.name || person.identity;
  const act = (action: Schemas["Action"]) => () => guard(moderate(roomId, action, person.identity));
  const isSharing = person.getTrackPublication(Track.Source.ScreenShare) !== undefined;
  return (
    <li className={styles.person}>
      <Avatar name={name} identity={person.identity} />
      <span className={styles.name}>
        {person.isLocal ? fill(text.you, { name }) : name}
        {isHostOf(person) && <small>{text.host}</small>}
      </span>
      {!person.isMicrophoneEnabled && (
        <span className={styles.muted} role="img" aria-label={text.isMuted}>
          <Glyph name="microphoneOff" />
        </span>
      )}
      {isHost && !person.isLocal && (
        <Menu icon="more" label={fill(text.aboutPerson, { name })}>
          {person.isMicrophoneEnabled && <MenuButton onClick={act("mute")}>{text.mutePerson}</MenuButton>}
          {isSharing && <MenuButton onClick={act("stop-screen")}>{text.stopTheirScreen}</MenuButton>}
          <MenuButton onClick={act("kick")}>{text.remove}</MenuButton>
          <MenuButton onClick={act("ban")}>{text.ban}</MenuButton>
          <MenuButton onClick={act("pass-host")}>{text.passHost}</MenuButton>
        </Menu>
      )}
    </li>
  );
}

/** What the token says that they are; it travels in their metadata. */
function isHostOf({ metadata }: Participant): boolean {
  try {
    const { role } = JSON.parse(metadata ?? "{}") as { role?: unknown };
    return role === "host";
  } catch {
    return false;
  }
}

function HostTools({
  room,
  isLocked,
  guard,
}: {
  room: Schemas["RoomView"];
  isLocked: boolean;
  guard: Guard;
}) {
  const text = useText(texts);
  const [asked, ask] = useState<"panic" | "end" | null>(null);
  const confirm = (action: "panic" | "end") => {
    ask(null);
    guard(moderate(room.id, action));
  };
  return (
    <section>
      <h2>{text.hostTools}</h2>
      <div className={styles.tools}>
        <Button onClick={() => guard(moderate(room.id, "mute-all"))}>{text.muteAll}</Button>
        <Button icon="lock" onClick={() => guard(moderate(room.id, isLocked ? "unlock" : "lock"))}>
          {isLocked ? text.unlock : text.lock}
        </Button>
        <Button look="danger" onClick={() => ask("panic")}>
          {text.panic}
        </Button>
        <Button look="danger" onClick={() => ask("end")}>
          {text.end}
        </Button>
      </div>
      <Bans roomId={room.id} guard={guard} />
      {asked !== null && (
        <Dialog title={text[`${asked}Title`]} onClose={() => ask(null)}>
          <p>{text[`${asked}Text`]}</p>
          <Actions>
            <Button onClick={() => ask(null)}>{text.cancel}</Button>
            <Button look="danger" onClick={() => confirm(asked)}>
              {text[`${asked}Confirm`]}
            </Button>
          </Actions>
        </Dialog>
      )}
    </section>
  );
}
