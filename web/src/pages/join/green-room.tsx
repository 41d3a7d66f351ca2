// Before one comes in: how one looks and sounds, what one is called, and what becomes of what is said.
import { type FormEvent, useEffect, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { BlurChoice } from "../../blur/choice.js";
import { useBlurred } from "../../blur/use-blurred.js";
import { useSession } from "../../session/session.js";
import { useErrorText } from "../../text/error.js";
import { join as texts } from "../../text/join.js";
import { fill, useText } from "../../text/index.js";
import { Button } from "../../ui/button.js";
import { Check, Field } from "../../ui/field.js";
import { Notice } from "../../ui/notice.js";
import { Page } from "../../ui/page.js";
import { SpokenSelect } from "../../ui/spoken-select.js";
import { isHeld } from "./ask.js";
import { DeviceChoice } from "./device-choice.js";
import { useDevice } from "./devices.js";
import type { Problem } from "./door.js";
import { type Entry, lastEntry } from "./entry.js";
import styles from "./join.module.css";
import { Preview } from "./preview.js";

interface Props {
  room: Schemas["RoomView"];
  /** Why the door did not open. */
  problem: Problem | null;
  isAsking: boolean;
  onAsk: (entry: Entry, pin: string) => void;
}

export function GreenRoom({ room, problem, isAsking, onAsk }: Props) {
  const text = useText(texts);
  const errorText = useErrorText();
  const [entry, change] = useEntry();
  const [pin, setPin] = useState("");
  const wait = useCountdown(problem);
  const microphone = useDevice("audio", entry.microphone.isOn, entry.microphone.deviceId);
  const camera = useDevice("video", entry.camera.isOn, entry.camera.deviceId);
  const blurred = useBlurred(camera.stream, entry.blur);
  const asksForPin = room.pinRequired && !isHeld(room);

  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (!isAsking && wait === 0) onAsk({ ...entry, name: entry.name.trim() }, pin.trim());
  };
  const errorAt = (field: Problem["field"]) => (problem?.field === field ? errorText(problem.error) : null);
  return (
    <Page title={room.title}>
      <form onSubmit={onSubmit} className={styles.greenRoom}>
        <div className={styles.looks}>
          <Preview
            name={entry.name}
            microphone={microphone}
            camera={{ ...camera, stream: blurred.stream }}
            isPreparing={blurred.state === "preparing"}
            entry={entry}
            onChange={change}
          />
          <DeviceChoice
            kind="audio"
            device={microphone}
            choice={entry.microphone}
            onChange={(microphone) => change({ microphone })}
          />
          <DeviceChoice
            kind="video"
            device={camera}
            choice={entry.camera}
            onChange={(camera) => change({ camera })}
          />
          <BlurChoice
            isOn={entry.blur}
            onChange={(blur) => change({ blur })}
            state={blurred.state}
            onRetry={blurred.retry}
          />
        </div>
        <div className={styles.form}>
          <Field
            label={text.name}
            hint={text.nameHint}
            error={errorAt("name")}
            value={entry.name}
            onChange={(event) => change({ name: event.target.value })}
            autoComplete="name"
            maxLength={80}
            required
          />
          {asksForPin && (
            <Field
              label={text.pin}
              hint={text.pinHint}
              error={errorAt("pin")}
              value={pin}
              onChange={(event) => setPin(event.target.value)}
              inputMode="numeric"
              autoComplete="off"
              maxLength={12}
              required
            />
          )}
          <CaptionsNotice
            room={room}
            isCaptioned={entry.captions}
            onChange={(captions) => change({ captions })}
          />
          {room.captions && entry.captions && (
            <SpokenSelect value={entry.language} onChange={(language) => change({ language })} />
          )}
          {wait > 0 && <Notice tone="warning">{fill(text.waitSeconds, { seconds: String(wait) })}</Notice>}
          {wait === 0 && problem?.field === null && problem.retryAfter === null && (
            <Notice tone="error">{errorText(problem.error)}</Notice>
          )}
          <Button type="submit" look="primary" pending={isAsking} disabled={wait > 0}>
            {room.lobby && !isHeld(room) ? text.askToJoin : text.join}
          </Button>
          {room.lobby && !isHeld(room) && <p className={styles.hint}>{text.lobbyHint}</p>}
        </div>
      </form>
    </Page>
  );
}

/** What is said in this room is written down: nobody is to find that out later. */
function CaptionsNotice({
  room,
  isCaptioned,
  onChange,
}: {
  room: Schemas["RoomView"];
  isCaptioned: boolean;
  onChange: (on: boolean) => void;
}) {
  const text = useText(texts);
  if (!room.captions) return <p className={styles.hint}>{text.noCaptions}</p>;
  return (
    <div className={styles.consent}>
      <p>
        <b>{text.captionsTitle}</b> {room.summary ? text.captionsAndSummaryText : text.captionsText}
      </p>
      <Check
        label={text.optOut}
        hint={text.optOutHint}
        checked={!isCaptioned}
        onChange={(event) => onChange(!event.target.checked)}
      />
    </div>
  );
}

function useEntry(): [Entry, (change: Partial<Entry>) => void] {
  const { account } = useSession();
  const [entry, setEntry] = useState(lastEntry);
  const [isNamed, setNamed] = useState(entry.name !== "");
  const name = isNamed ? entry.name : (account?.name ?? "");
  const change = (change: Partial<Entry>) => {
    if (change.name !== undefined) setNamed(true);
    setEntry((entry) => ({ ...entry, ...change }));
  };
  return [{ ...entry, name }, change];
}

/** Seconds until asking again is of use. */
function useCountdown(problem: Problem | null): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const until = Date.now() + (problem?.retryAfter ?? 0) * 1000;
    const tick = () => setSeconds(Math.max(0, Math.ceil((until - Date.now()) / 1000)));
    tick();
    const ticking = setInterval(tick, 1000);
    return () => clearInterval(ticking);
  }, [problem]);
  return seconds;
}
