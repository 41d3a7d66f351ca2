// How it stands with the connection and with captions, in a word each; silent while all is well.
import { useParticipants } from "@livekit/components-react";
import { useEffect, useState } from "react";

import type { Shown } from "../../captions/feed.js";
import type { Interruption } from "../../captions/model.js";
import { room as texts } from "../../text/room.js";
import { fill, useText } from "../../text/index.js";
import { Icon } from "../../ui/icon.js";
import { useOnline } from "../../ui/online.js";
import type { Feed } from "./feed.js";
import styles from "./status.module.css";

interface Props {
  captions: Shown;
  feed: Feed;
  isReconnecting: boolean;
  isLocked: boolean;
  /** Whether the room's settings ask for captions. */
  isCaptioned: boolean;
}

export function Status({ captions, feed, isReconnecting, isLocked, isCaptioned }: Props) {
  const text = useText(texts);
  const isOnline = useOnline();
  const trouble = useCaptionTrouble(captions, isCaptioned);
  return (
    <div className={styles.status}>
      {isLocked && (
        <span className={styles.mark}>
          <Icon name="lock" /> {text.locked}
        </span>
      )}
      <div role="status" className={styles.troubles}>
        {!isOnline && <span data-tone="bad">{text.offline}</span>}
        {isOnline && isReconnecting && <span data-tone="bad">{text.reconnecting}</span>}
        {isOnline && !isReconnecting && feed.state === "away" && (
          <span data-tone="warn">{text.chatAway}</span>
        )}
        {trouble !== null && <span data-tone="warn">{trouble}</span>}
      </div>
    </div>
  );
}

/** So long a room may take until somebody writes along. */
const GRACE_MS = 20_000;

/** Why words may be missing; null while captions work. */
function useCaptionTrouble({ captions }: Shown, isCaptioned: boolean): string | null {
  const text = useText(texts);
  const names = useNames(captions.troubles);
  const isLate = useLate(GRACE_MS);
  const interruption = useFresh(captions.interruption);
  if (captions.isOff || !isCaptioned) return text.captionsOffHere;
  const [first] = captions.troubles.values();
  if (first !== undefined)
    return fill(text[`captions_${first}`], { names: names.join(", ") || text.somebody });
  if (interruption !== null)
    return fill(text.captionsResumed, { seconds: String(Math.ceil(interruption.unheardMs / 1000)) });
  if (isLate && captions.meeting?.live !== true) return text.nobodyWrites;
  return null;
}

/** Whose tracks are in trouble. */
function useNames(troubles: ReadonlyMap<string, unknown>): string[] {
  const people = useParticipants();
  const troubled = people.filter((person) =>
    [...person.trackPublications.keys()].some((sid) => troubles.has(sid)),
  );
  return troubled.map(({ name, identity }) => name || identity);
}

/** So long people are told that something was missed. */
const TOLD_MS = 15_000;

/** An interruption, for as long as it is news. */
function useFresh(interruption: Interruption | null): Interruption | null {
  const [past, setPast] = useState<Interruption | null>(null);
  useEffect(() => {
    const forgetting = setTimeout(() => setPast(interruption), TOLD_MS);
    return () => clearTimeout(forgetting);
  }, [interruption]);
  return interruption === past ? null : interruption;
}

function useLate(ms: number): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const late = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(late);
  }, [ms]);
  return isLate;
}
