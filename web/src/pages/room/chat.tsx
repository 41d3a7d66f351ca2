// What people write. One's own words are there at once, and say so if they could not be sent.
import { type FormEvent, type KeyboardEvent, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { room as texts } from "../../text/room.js";
import { useLanguage, useText } from "../../text/index.js";
import { Button, IconButton } from "../../ui/button.js";
import { Empty } from "../../ui/empty.js";
import { Glyph } from "../../ui/glyph.js";
import { speakerColour } from "../../ui/speaker.js";
import styles from "./chat.module.css";
import { deleteMessage, react, write } from "./deeds.js";
import type { Life, LifeEvent, Unsent } from "./life.js";
import { newKey } from "./key.js";
import type { Guard } from "./meeting.js";
import { EMOJI } from "./reactions.js";
import { useFollowing } from "./scroll.js";

/** As long as the service takes. */
const TEXT_CHARACTERS_MAX = 2000;

interface Props {
  roomId: string;
  identity: string;
  life: Life;
  tell: (event: LifeEvent) => void;
  isHost: boolean;
  guard: Guard;
}

export function Chat({ roomId, identity, life, tell, isHost, guard }: Props) {
  const text = useText(texts);
  const { list, onScroll } = useFollowing(life);
  const send = (written: string, key: string = newKey()) => void write(roomId, key, written, tell);
  const isEmpty = life.messages.length + life.unsent.length === 0;
  return (
    <>
      <div
        ref={list}
        className={styles.messages}
        onScroll={onScroll}
        role="log"
        aria-label={text.chat}
        tabIndex={0}
      >
        {isEmpty && <Empty title={text.chatEmpty}>{text.chatEmptyText}</Empty>}
        {life.messages.map((message) => (
          <Message
            key={message.id}
            message={message}
            identity={identity}
            mayDelete={isHost || message.identity === identity}
            onDelete={() => guard(deleteMessage(roomId, message.id))}
            onReact={(emoji, whether) => guard(react(roomId, message.id, emoji, whether))}
          />
        ))}
        {life.unsent.map((one) => (
          <UnsentMessage
            key={one.key}
            unsent={one}
            onAgain={() => send(one.text, one.key)}
            onDiscard={() => tell({ kind: "discard", key: one.key })}
          />
        ))}
      </div>
      <Writing onSend={send} />
    </>
  );
}

interface MessageProps {
  message: Schemas["MessageView"];
  identity: string;
  mayDelete: boolean;
  onDelete: () => void;
  onReact: (emoji: string, whether: "put" | "take") => void;
}

function Message({ message, identity, mayDelete, onDelete, onReact }: MessageProps) {
  const text = useText(texts);
  const language = useLanguage();
  const time = new Intl.DateTimeFormat(language, { timeStyle: "short" }).format(new Date(message.at));
  const isDeleted = message.text === null || message.text === undefined;
  return (
    <article className={styles.message}>
      <header>
        <b style={{ color: speakerColour(message.identity) }}>{message.name}</b>
        <time dateTime={message.at}>{time}</time>
        {message.editedAt && !isDeleted && <span className={styles.edited}>{text.edited}</span>}
      </header>
      {isDeleted ? <p className={styles.deleted}>{text.deleted}</p> : <p>{message.text}</p>}
      {!isDeleted && <Reactions message={message} identity={identity} onReact={onReact} />}
      {!isDeleted && mayDelete && (
        <span className={styles.tools}>
          <IconButton icon="bin" label={text.deleteMessage} onClick={onDelete} />
        </span>
      )}
    </article>
  );
}

function Reactions({ message, identity, onReact }: Pick<MessageProps, "message" | "identity" | "onReact">) {
  const text = useText(texts);
  const [isChoosing, setChoosing] = useState(false);
  const put = [...new Set(message.reactions.map(({ emoji }) => emoji))];
  const isOwn = (emoji: string) =>
    message.reactions.some((one) => one.emoji === emoji && one.identity === identity);
  const press = (emoji: string) => {
    setChoosing(false);
    onReact(emoji, isOwn(emoji) ? "take" : "put");
  };
  return (
    <div className={styles.reactions}>
      {put.map((emoji) => (
        <button key={emoji} type="button" aria-pressed={isOwn(emoji)} onClick={() => press(emoji)}>
          {emoji} {message.reactions.filter((one) => one.emoji === emoji).length}
        </button>
      ))}
      <button
        type="button"
        className={styles.add}
        aria-label={text.addReaction}
        aria-expanded={isChoosing}
        onClick={() => setChoosing(!isChoosing)}
      >
        <Glyph name="smile" />
      </button>
      {isChoosing &&
        EMOJI.filter((emoji) => !put.includes(emoji)).map((emoji) => (
          <button
            key={emoji}
            type="button"
            aria-label={`${text.react} ${emoji}`}
            onClick={() => press(emoji)}
          >
            {emoji}
          </button>
        ))}
    </div>
  );
}

function UnsentMessage({
  unsent,
  onAgain,
  onDiscard,
}: {
  unsent: Unsent;
  onAgain: () => void;
  onDiscard: () => void;
}) {
  const text = useText(texts);
  return (
    <article className={styles.message} data-unsent={unsent.hasFailed ? "failed" : "sending"}>
      <header>
        <b>{text.me}</b>
        {!unsent.hasFailed && <span className={styles.edited}>{text.sending}</span>}
      </header>
      <p>{unsent.text}</p>
      {unsent.hasFailed && (
        <div className={styles.failed} role="alert">
          <span>{text.notSent}</span>
          <Button onClick={onAgain}>{text.sendAgain}</Button>
          <Button look="quiet" onClick={onDiscard}>
            {text.discard}
          </Button>
        </div>
      )}
    </article>
  );
}

/** Enter sends, with shift it begins a new line; never while an input method composes a word. */
function Writing({ onSend }: { onSend: (text: string) => void }) {
  const text = useText(texts);
  const [written, setWritten] = useState("");
  const send = () => {
    const trimmed = written.trim();
    if (trimmed === "") return;
    onSend(trimmed);
    setWritten("");
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form className={styles.writing} onSubmit={onSubmit}>
      <textarea
        aria-label={text.message}
        placeholder={text.message}
        rows={1}
        maxLength={TEXT_CHARACTERS_MAX}
        value={written}
        onChange={(event) => setWritten(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <button type="submit" className={styles.send} aria-label={text.send} title={text.send}>
        <Glyph name="send" />
      </button>
    </form>
  );
}
