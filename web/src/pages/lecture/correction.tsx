// Puts right what was misheard. A correction names the version that was read, so that nobody's is lost.
import { useState } from "react";
import { timecode } from "../../text/format.js";
import { fill, useText } from "../../text/index.js";
import { useErrorText } from "../../text/error.js";
import { lecture as texts } from "../../text/lectures.js";
import { shell } from "../../text/shell.js";
import { Button } from "../../ui/button.js";
import { TextArea } from "../../ui/field.js";
import { toast } from "../../ui/toast.js";
import { useCorrection, type Segment } from "./lecture-data.js";
import styles from "./transcript.module.css";

interface Props {
  id: string;
  segments: Segment[];
  onClose: () => void;
}

export function Correction({ id, segments, onClose }: Props) {
  const text = useText(texts);
  const common = useText(shell);
  const errorText = useErrorText();
  const correct = useCorrection(id);
  // As they were read: what comes in meanwhile must not pass for that.
  const [read, setRead] = useState<Segment[]>(segments);
  const [written, setWritten] = useState<Partial<Record<string, string>>>({});
  const [failed, setFailed] = useState<{ id: string; error: unknown } | null>(null);
  const newest = (id: string) => segments.find((segment) => segment.id === id);
  const save = async () => {
    let known = read;
    for (const segment of read) {
      const now = written[segment.id]?.trim() ?? segment.text;
      if (now === segment.text) continue;
      // Whoever was told of another's words has read them.
      const before = failed?.id === segment.id ? (newest(segment.id) ?? segment) : segment;
      try {
        const saved = await correct.mutateAsync({ segment: before, text: now });
        known = known.map((one) => (one.id === saved.id ? saved : one));
      } catch (error) {
        setRead(known);
        setFailed({ id: segment.id, error });
        return;
      }
    }
    if (known !== read) toast(text.saved);
    onClose();
  };
  return (
    <form
      className={styles["correction"]}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {read.map((segment, index) => (
        <TextArea
          key={segment.id}
          label={fill(text.words, { time: timecode(segment.startMs) })}
          hint={failed?.id === segment.id && newest(segment.id)?.text}
          error={failed?.id === segment.id ? errorText(failed.error) : null}
          value={written[segment.id] ?? segment.text}
          onChange={(event) => setWritten({ ...written, [segment.id]: event.target.value })}
          rows={Math.ceil(segment.text.length / 60) + 1}
          maxLength={5000}
          required
          autoFocus={index === 0}
        />
      ))}
      <div className={styles["buttons"]}>
        <Button type="submit" look="primary" pending={correct.isPending}>
          {common.save}
        </Button>
        <Button onClick={onClose}>{common.cancel}</Button>
      </div>
    </form>
  );
}
