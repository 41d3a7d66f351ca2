// Beside the pictures: what was said, the chat, who is here, and files. On a phone it is in front of them.
import { type KeyboardEvent, useEffect, useRef } from "react";

import type { Schemas } from "../../api/client.js";
import type { Shown } from "../../captions/feed.js";
import { Transcript } from "../../captions/transcript.js";
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { IconButton } from "../../ui/button.js";
import { Chat } from "./chat.js";
import type { Feed } from "./feed.js";
import { Files } from "./files.js";
import { isHeld } from "../join/ask.js";
import type { Guard } from "./meeting.js";
import styles from "./panel.module.css";
import { People } from "./people.js";

export type Tab = "transcript" | "chat" | "people" | "files";

const TABS: readonly Tab[] = ["transcript", "chat", "people", "files"];

interface Props {
  tab: Tab;
  onTab: (tab: Tab | null) => void;
  room: Schemas["RoomView"];
  identity: string;
  feed: Feed;
  lobby: readonly Schemas["EntryView"][];
  captions: Shown;
  guard: Guard;
}

export function Panel({ tab, onTab, room, identity, feed, lobby, captions, guard }: Props) {
  const text = useText(texts);
  const panel = useRef<HTMLElement>(null);
  // The focus follows what was asked for.
  useEffect(() => panel.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus(), []);
  const { life, tell } = feed;
  return (
    <aside
      ref={panel}
      className={styles.panel}
      aria-label={text.panel}
      onKeyDown={(event) => event.key === "Escape" && !isForInner(event) && onTab(null)}
    >
      <div className={styles.top}>
        <Tabs tab={tab} onTab={onTab} />
        <IconButton icon="close" label={text.closePanel} onClick={() => onTab(null)} />
      </div>
      <div className={styles.body} role="tabpanel" aria-label={text[tab]} tabIndex={-1}>
        {tab === "transcript" && <Transcript shown={captions} />}
        {tab === "chat" && (
          <Chat
            roomId={room.id}
            identity={identity}
            life={life}
            tell={tell}
            isHost={isHeld(room)}
            guard={guard}
          />
        )}
        {tab === "people" && <People room={room} life={life} lobby={lobby} guard={guard} />}
        {tab === "files" && (
          <Files
            roomId={room.id}
            identity={identity}
            files={life.files}
            isHost={isHeld(room)}
            guard={guard}
          />
        )}
      </div>
    </aside>
  );
}

/** Whether Escape closes something in the panel: a menu that is open, a dialog. */
function isForInner({ target, currentTarget }: KeyboardEvent): boolean {
  const isInDialog = target instanceof Element && target.closest("dialog") !== null;
  return isInDialog || currentTarget.querySelector('[aria-expanded="true"]') !== null;
}

/** Arrows go from one to the next, as everywhere. */
function Tabs({ tab, onTab }: { tab: Tab; onTab: (tab: Tab) => void }) {
  const text = useText(texts);
  const list = useRef<HTMLDivElement>(null);
  const move = (steps: number) => {
    const next = TABS[(TABS.indexOf(tab) + steps + TABS.length) % TABS.length] ?? tab;
    onTab(next);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
  };
  return (
    <div
      ref={list}
      role="tablist"
      aria-label={text.panel}
      className={styles.tabs}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") move(1);
        if (event.key === "ArrowLeft") move(-1);
      }}
    >
      {TABS.map((one) => (
        <button
          key={one}
          type="button"
          role="tab"
          data-tab={one}
          aria-selected={one === tab}
          tabIndex={one === tab ? 0 : -1}
          onClick={() => onTab(one)}
        >
          {text[one]}
        </button>
      ))}
    </div>
  );
}
