// Files that people share: sent with their progress in sight, fetched as files and never opened as pages.
import { useRef, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { useErrorText } from "../../text/error.js";
import { size } from "../../text/format.js";
import { room as texts } from "../../text/room.js";
import { fill, useLanguage, useText } from "../../text/index.js";
import { Button, IconButton } from "../../ui/button.js";
import { Empty } from "../../ui/empty.js";
import { deleteFile } from "./deeds.js";
import styles from "./files.module.css";
import { newKey } from "./key.js";
import type { Guard } from "./meeting.js";
import { type Upload, upload } from "./upload.js";

interface Props {
  roomId: string;
  identity: string;
  files: readonly Schemas["SharedFileView"][];
  isHost: boolean;
  guard: Guard;
}

interface Sending {
  readonly key: string;
  readonly name: string;
  readonly share: number;
  readonly error: unknown;
  readonly upload: Upload;
}

export function Files({ roomId, identity, files, isHost, guard }: Props) {
  const text = useText(texts);
  const input = useRef<HTMLInputElement>(null);
  const { sending, send, forget } = useSending(roomId);
  return (
    <div className={styles.files}>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          for (const file of event.target.files ?? []) send(file);
          // The same file may be chosen again.
          event.target.value = "";
        }}
      />
      <Button icon="plus" onClick={() => input.current?.click()}>
        {text.shareFile}
      </Button>
      {sending.map((one) => (
        <SendingFile key={one.key} sending={one} onForget={() => forget(one.key)} />
      ))}
      {files.length === 0 && sending.length === 0 && <Empty title={text.noFiles}>{text.noFilesText}</Empty>}
      <ul className={styles.list}>
        {files.map((file) => (
          <SharedFile
            key={file.id}
            file={file}
            onDelete={isHost || file.identity === identity ? () => guard(deleteFile(roomId, file.id)) : null}
          />
        ))}
      </ul>
    </div>
  );
}

function SharedFile({ file, onDelete }: { file: Schemas["SharedFileView"]; onDelete: (() => void) | null }) {
  const text = useText(texts);
  const language = useLanguage();
  return (
    <li className={styles.file}>
      <a href={file.url} download={file.name}>
        {file.name}
      </a>
      <small>
        {size(language, file.bytes)} · {file.sharedBy}
      </small>
      {onDelete !== null && (
        <IconButton icon="bin" label={`${text.deleteFile}: ${file.name}`} onClick={onDelete} />
      )}
    </li>
  );
}

function SendingFile({
  sending: { name, share, error, upload },
  onForget,
}: {
  sending: Sending;
  onForget: () => void;
}) {
  const text = useText(texts);
  const errorText = useErrorText();
  const stop = () => {
    upload.cancel();
    onForget();
  };
  return (
    <div className={styles.sending} role={error === null ? undefined : "alert"}>
      <span>{name}</span>
      {error === null ? (
        <progress value={share} aria-label={fill(text.sendingFile, { name })} />
      ) : (
        <p>{errorText(error)}</p>
      )}
      <IconButton icon="close" label={error === null ? text.cancel : text.discard} onClick={stop} />
    </div>
  );
}

function useSending(roomId: string) {
  const [sending, setSending] = useState<readonly Sending[]>([]);
  const forget = (key: string) => setSending((all) => all.filter((one) => one.key !== key));
  const change = (key: string, change: Partial<Sending>) =>
    setSending((all) => all.map((one) => (one.key === key ? { ...one, ...change } : one)));
  const send = (file: File) => {
    const key = newKey();
    const started = upload(roomId, file, (share) => change(key, { share }));
    setSending((all) => [...all, { key, name: file.name, share: 0, error: null, upload: started }]);
    started.done.then(
      () => forget(key),
      (error: unknown) => change(key, { error }),
    );
  };
  return { sending, send, forget };
}
