// What can be done with a lecture: fetch it in many forms, hand on its link, summarise it again, erase it.
import { useState } from "react";
import { useLocation } from "wouter";
import { lecture as texts } from "../../text/lectures.js";
import { errorText } from "../../text/error.js";
import { language, useText } from "../../text/index.js";
import { Confirm } from "../../ui/confirm.js";
import { Button, FileLink } from "../../ui/button.js";
import { Menu, MenuButton, MenuFile } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { useErasure, type Lecture } from "./lecture-data.js";
import styles from "./lecture.module.css";
import { fetchFile } from "./fetch-file.js";
import { OrderDialog } from "./order-dialog.js";
import { ShareDialog } from "./share-dialog.js";
import { useShareToken } from "./share.js";

export function LectureActions({ lecture, isHost }: { lecture: Lecture; isHost: boolean }) {
  const text = useText(texts);
  const [asked, setAsked] = useState<"share" | "order" | "erase" | null>(null);
  const token = useShareToken(lecture.id);
  const pdf = lecture.files.find((file) => file.name === "artifact.pdf");
  const others = lecture.files.filter((file) => file !== pdf);
  return (
    <div className={styles["actions"]}>
      {pdf && <Pdf url={pdf.url} token={token} />}
      {isHost && (
        <Button icon="link" onClick={() => setAsked("share")}>
          {text.share}
        </Button>
      )}
      <Menu icon="download" label={text.download} labelled="always">
        {others.map((file) => (
          <Other key={file.name} file={file} token={token} />
        ))}
      </Menu>
      {(token === null || isHost) && (
        <Menu icon="more" label={text.more}>
          <CopyLink />
          {isHost && <MenuButton onClick={() => setAsked("order")}>{text.again}</MenuButton>}
          {isHost && <MenuButton onClick={() => setAsked("erase")}>{text.erase}</MenuButton>}
        </Menu>
      )}
      {asked === "share" && <ShareDialog id={lecture.id} onClose={() => setAsked(null)} />}
      {asked === "order" && <OrderDialog id={lecture.id} onClose={() => setAsked(null)} />}
      {asked === "erase" && <EraseDialog id={lecture.id} onClose={() => setAsked(null)} />}
    </div>
  );
}

function Pdf({ url, token }: { url: string; token: string | null }) {
  const text = useText(texts);
  if (token === null) {
    return (
      <FileLink href={url} look="primary" icon="download">
        {text.pdf}
      </FileLink>
    );
  }
  return (
    <Button look="primary" icon="download" onClick={() => keep({ url, name: "lecture.pdf" }, token)}>
      {text.pdf}
    </Button>
  );
}

function Other({ file, token }: { file: Lecture["files"][number]; token: string | null }) {
  const name = <FormatName file={file.name} />;
  if (token === null) return <MenuFile href={file.url}>{name}</MenuFile>;
  return <MenuButton onClick={() => keep(file, token)}>{name}</MenuButton>;
}

/** By the lecture's link; what goes wrong is said. */
function keep(file: { url: string; name: string }, token: string): void {
  fetchFile(file, token).catch((error: unknown) => toast(errorText(error, language.current())));
}

/** `transcript.vtt` in words; a form that is new to us by its name. */
function FormatName({ file }: { file: string }) {
  const text = useText(texts);
  const ending = formats.find((format) => file.endsWith(`.${format}`));
  return ending === undefined ? file : text[ending];
}

const formats = ["vtt", "srt", "txt", "md", "docx", "json"] as const;

function CopyLink() {
  const text = useText(texts);
  const copy = async () => {
    const link = location.origin + location.pathname;
    try {
      await navigator.clipboard.writeText(link);
      toast(text.copied);
    } catch {
      // Only pages that came by TLS, or from this machine, may copy: then it is shown.
      toast(link);
    }
  };
  return <MenuButton onClick={() => void copy()}>{text.copyLink}</MenuButton>;
}

function EraseDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const text = useText(texts);
  const [, go] = useLocation();
  const erase = useErasure(id);
  return (
    <Confirm
      title={text.eraseTitle}
      action={text.eraseNow}
      error={erase.error}
      isPending={erase.isPending}
      onConfirm={() => erase.mutate(undefined, { onSuccess: () => go("/lectures") })}
      onClose={onClose}
    >
      {text.eraseText}
    </Confirm>
  );
}
