// A camera as others are to see it, before one joins.
import { useEffect, useState } from "react";

import { BackgroundBlur, type BlurState } from "./background-blur.js";

interface Blurred {
  readonly of: MediaStream;
  readonly stream: MediaStream | null;
  readonly state: BlurState;
}

/** The camera's stream as it may be shown: null until it is blurred, if it is to be. */
export function useBlurred(camera: MediaStream | null, isOn: boolean) {
  const [blurred, setBlurred] = useState<Blurred | null>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    const track = camera?.getVideoTracks()[0];
    if (!isOn || camera === null || track === undefined) {
      setBlurred(null);
      return;
    }
    let isCurrent = true;
    const show = (change: Partial<Blurred>) => {
      if (isCurrent)
        setBlurred((blurred) => ({
          ...(blurred?.of === camera ? blurred : { of: camera, stream: null, state: "preparing" as const }),
          ...change,
        }));
    };
    const blur = new BackgroundBlur((state) => show({ state }));
    const element = document.createElement("video");
    element.muted = true;
    element.playsInline = true;
    element.srcObject = camera;
    const begun = element
      .play()
      .catch(() => undefined)
      // The kind is LiveKit's, whose client is not fetched for its name alone.
      .then(() => blur.init({ kind: "video" as Parameters<typeof blur.init>[0]["kind"], track, element }));
    begun.then(
      () => show({ stream: new MediaStream([blur.processedTrack ?? track]) }),
      () => undefined, // It was told.
    );
    return () => {
      isCurrent = false;
      setBlurred(null);
      void begun.catch(() => undefined).then(() => blur.destroy());
      element.srcObject = null;
    };
  }, [camera, isOn, attempt]);
  const own = blurred !== null && blurred.of === camera ? blurred : null;
  return {
    stream: isOn ? (own?.stream ?? null) : camera,
    state: isOn && camera !== null ? (own?.state ?? "preparing") : null,
    retry: () => setAttempt(attempt + 1),
  };
}
