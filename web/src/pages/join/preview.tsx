// How others will see one, with the two switches that matter most.
import { useEffect, useRef } from "react";

import { blur as blurTexts } from "../../text/blur.js";
import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { initials } from "../../ui/speaker.js";
import { MediaToggle } from "../../ui/media-toggle.js";
import { type Device, followLevel } from "./devices.js";
import type { Entry } from "./entry.js";
import styles from "./join.module.css";

interface Props {
  name: string;
  microphone: Device;
  camera: Device;
  /** Whether the picture is about to come, with a blurred background. */
  isPreparing: boolean;
  entry: Entry;
  onChange: (change: Partial<Entry>) => void;
}

export function Preview({ name, microphone, camera, isPreparing, entry, onChange }: Props) {
  const text = useText(texts);
  return (
    <div className={styles.preview}>
      {camera.stream ? (
        <Mirror stream={camera.stream} />
      ) : (
        <NoPicture name={name} isPreparing={isPreparing} />
      )}
      <div className={styles.previewControls}>
        <MediaToggle
          kind="microphone"
          isOn={entry.microphone.isOn}
          label={entry.microphone.isOn ? text.microphoneOff : text.microphoneOn}
          onToggle={() => onChange({ microphone: { ...entry.microphone, isOn: !entry.microphone.isOn } })}
        />
        <MediaToggle
          kind="camera"
          isOn={entry.camera.isOn}
          label={entry.camera.isOn ? text.cameraOff : text.cameraOn}
          onToggle={() => onChange({ camera: { ...entry.camera, isOn: !entry.camera.isOn } })}
        />
      </div>
      {microphone.stream && <Level stream={microphone.stream} />}
    </div>
  );
}

function Mirror({ stream }: { stream: MediaStream }) {
  const text = useText(texts);
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (video.current !== null) video.current.srcObject = stream;
  }, [stream]);
  return <video ref={video} className={styles.mirror} aria-label={text.preview} autoPlay playsInline muted />;
}

function NoPicture({ name, isPreparing }: { name: string; isPreparing: boolean }) {
  const text = useText(texts);
  const blurText = useText(blurTexts);
  return (
    <div className={styles.noPicture}>
      <span aria-hidden="true">{initials(name)}</span>
      <p>{isPreparing ? blurText.preparing : text.noPicture}</p>
    </div>
  );
}

/** Drawn past React: it moves with every frame. */
function Level({ stream }: { stream: MediaStream }) {
  const text = useText(texts);
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(
    () => followLevel(stream, (level) => bar.current?.style.setProperty("--level", level.toFixed(3))),
    [stream],
  );
  return (
    <span className={styles.level} role="img" aria-label={text.level}>
      <span ref={bar} />
    </span>
  );
}
