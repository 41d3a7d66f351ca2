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
import { deleteMessage, editMessage, react, write } from "./deeds.js";
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
            onEdit={(text) => guard(editMessage(roomId, message, text, tell))}
            onDelete={() => guard(deleteMessage(roomId, message, tell))}
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
  onEdit: (text: string) => void;
  onDelete: () => void;
  onReact: (emoji: string, whether: "put" | "take") => void;
}

function Message({ message, identity, mayDelete, onEdit, onDelete, onReact }: MessageProps) {
  const text = useText(texts);
  const [isEditing, setEditing] = useState(false);
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
      <Words message={message} isEditing={isEditing} onEdit={onEdit} onDone={() => setEditing(false)} />
      {!isDeleted && !isEditing && <Reactions message={message} identity={identity} onReact={onReact} />}
      {!isDeleted && !isEditing && (
        <span className={styles.tools}>
          {message.identity === identity && (
            <IconButton icon="edit" label={text.editMessage} onClick={() => setEditing(true)} />
          )}
          {mayDelete && <IconButton icon="bin" label={text.deleteMessage} onClick={onDelete} />}
        </span>
      )}
    </article>
  );
}

function Words({
  message: { text: words },
  isEditing,
  onEdit,
  onDone,
}: Pick<MessageProps, "message" | "onEdit"> & { isEditing: boolean; onDone: () => void }) {
  const text = useText(texts);
  if (words === null || words === undefined) return <p className={styles.deleted}>{text.deleted}</p>;
  if (!isEditing) return <p>{words}</p>;
  return (
    <Editing
      words={words}
      onDone={(edited) => {
        onDone();
        if (edited !== null && edited !== words) onEdit(edited);
      }}
    />
  );
}

/** In the message's own place. Enter keeps what was changed, Escape does not. */
function Editing({ words, onDone }: { words: string; onDone: (edited: string | null) => void }) {
  const text = useText(texts);
  const [written, setWritten] = useState(words);
  const keep = () => onDone(written.trim() === "" ? null : written.trim());
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      // It is for this message, and closes no panel.
      event.stopPropagation();
      onDone(null);
    }
    if (!isSending(event)) return;
    event.preventDefault();
    keep();
  };
  return (
    <div className={styles.editing}>
      <textarea
        aria-label={text.editMessage}
        maxLength={TEXT_CHARACTERS_MAX}
        value={written}
        onChange={(event) => setWritten(event.target.value)}
        onKeyDown={onKeyDown}
        autoFocus
      />
      <Button look="quiet" onClick={() => onDone(null)}>
        {text.cancel}
      </Button>
      <Button look="primary" onClick={keep}>
        {text.keepMessage}
      </Button>
    </div>
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
    if (!isSending(event)) return;
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

/** Enter sends, with shift it begins a new line; never while an input method composes a word. */
function isSending({ key, shiftKey, nativeEvent }: KeyboardEvent): boolean {
  return key === "Enter" && !shiftKey && !nativeEvent.isComposing;
}
