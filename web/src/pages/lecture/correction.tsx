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
  const [written, setWritten] = useState<Partial<Record<string, string>>>({});
  const [failed, setFailed] = useState<{ id: string; error: unknown } | null>(null);
  const save = async () => {
    for (const segment of segments) {
      const now = written[segment.id]?.trim() ?? segment.text;
      if (now === segment.text) continue;
      try {
        await correct.mutateAsync({ segment, text: now });
      } catch (error) {
        setFailed({ id: segment.id, error });
        return;
      }
    }
    if (Object.keys(written).length > 0) toast(text.saved);
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
      {segments.map((segment, index) => (
        <TextArea
          key={segment.id}
          label={fill(text.words, { time: timecode(segment.startMs) })}
          hint={failed?.id === segment.id && written[segment.id] !== segment.text ? segment.text : undefined}
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
