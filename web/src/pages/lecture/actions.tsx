// What can be done with a lecture: fetch it in many forms, hand on its link, summarise it again, erase it.
import { useState } from "react";
import { useLocation } from "wouter";
import { useText } from "../../text/index.js";
import { lecture as texts } from "../../text/lectures.js";
import { Confirm } from "../../ui/confirm.js";
import { FileLink } from "../../ui/button.js";
import { Menu, MenuButton, MenuFile } from "../../ui/menu.js";
import { toast } from "../../ui/toast.js";
import { useErasure, type Lecture } from "./lecture-data.js";
import styles from "./lecture.module.css";
import { OrderDialog } from "./order-dialog.js";

export function LectureActions({ lecture, isHost }: { lecture: Lecture; isHost: boolean }) {
  const text = useText(texts);
  const [asked, setAsked] = useState<"order" | "erase" | null>(null);
  const pdf = lecture.files.find((file) => file.name === "artifact.pdf");
  const others = lecture.files.filter((file) => file !== pdf);
  return (
    <div className={styles["actions"]}>
      {pdf && (
        <FileLink href={pdf.url} look="primary" icon="download">
          {text.pdf}
        </FileLink>
      )}
      <Menu icon="download" label={text.download} labelled="always">
        {others.map((file) => (
          <MenuFile key={file.name} href={file.url}>
            <FormatName file={file.name} />
          </MenuFile>
        ))}
      </Menu>
      <Menu icon="more" label={text.more}>
        <CopyLink />
        {isHost && <MenuButton onClick={() => setAsked("order")}>{text.again}</MenuButton>}
        {isHost && <MenuButton onClick={() => setAsked("erase")}>{text.erase}</MenuButton>}
      </Menu>
      {asked === "order" && <OrderDialog id={lecture.id} onClose={() => setAsked(null)} />}
      {asked === "erase" && <EraseDialog id={lecture.id} onClose={() => setAsked(null)} />}
    </div>
  );
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
