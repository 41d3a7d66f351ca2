// A door that does not open: why, and what to do.
import type { Schemas } from "../../api/client.js";
import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { Button, ButtonLink } from "../../ui/button.js";
import { Page } from "../../ui/page.js";
import { type Closed, mayAskAgain } from "./door.js";
import styles from "./join.module.css";

interface Props {
  room: Schemas["RoomView"];
  why: Closed;
  onAgain: () => void;
}

export function ClosedDoor({ room, why, onAgain }: Props) {
  const text = useText(texts);
  return (
    <Page title={room.title} width="form">
      <div role="status" className={styles.closed}>
        <h2>{text[`${why}Title`]}</h2>
        <p>{text[`${why}Text`]}</p>
      </div>
      {mayAskAgain(why) ? (
        <Button look="primary" onClick={onAgain}>
          {text.askAgain}
        </Button>
      ) : (
        <ButtonLink to="/">{text.toStart}</ButtonLink>
      )}
    </Page>
  );
}
