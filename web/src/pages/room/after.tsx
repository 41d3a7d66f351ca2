// After a room: why one is not in it any more, and where to go from here.
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Button, ButtonLink } from "../../ui/button.js";
import { Page } from "../../ui/page.js";
import styles from "./after.module.css";
import { mayReturn, type Out } from "./out.js";

interface Props {
  title: string;
  out: Out;
  /** What comes of what was said; null where nothing was. */
  lectureId: string | null;
  onAgain: () => void;
}

export function AfterRoom({ title, out, lectureId, onAgain }: Props) {
  const text = useText(texts);
  const readsOn = lectureId !== null && (out === "left" || out === "ended");
  return (
    <Page title={title} width="form">
      <div role="status" className={styles.after}>
        <h2>{text[`${out}Title`]}</h2>
        <p>{text[`${out}Text`]}</p>
        {readsOn && <p>{text.lectureComes}</p>}
      </div>
      <div className={styles.ways}>
        {readsOn && (
          <ButtonLink to={`/lectures/${lectureId}`} look="primary">
            {text.toLecture}
          </ButtonLink>
        )}
        {mayReturn(out) && (
          <Button look={readsOn ? "plain" : "primary"} onClick={onAgain}>
            {text.joinAgain}
          </Button>
        )}
        <ButtonLink to="/" look="quiet">
          {text.toStart}
        </ButtonLink>
      </div>
    </Page>
  );
}
