// Which microphone, camera and loudspeaker, and which language one speaks, while one is in the room.
import { useLocalParticipant, useMediaDeviceSelect } from "@livekit/components-react";
import { ParticipantEvent } from "livekit-client";
import { useCallback, useSyncExternalStore } from "react";

import { BlurChoice } from "../../blur/choice.js";
import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Dialog } from "../../ui/dialog.js";
import { Select } from "../../ui/field.js";
import form from "../../ui/form.module.css";
import { SpokenSelect } from "../../ui/spoken-select.js";
import { type CameraBlur, useCameraBlur } from "./blur.js";

interface Props {
  blur: CameraBlur;
  onBlur: (isOn: boolean) => void;
  isCaptioned: boolean;
  onLanguage: (tag: string) => void;
  onClose: () => void;
}

export function DeviceDialog({ blur, onBlur, isCaptioned, onLanguage, onClose }: Props) {
  const text = useText(texts);
  const { isOn, state, isSwitching } = useCameraBlur(blur);
  return (
    <Dialog title={text.devices} onClose={onClose}>
      <div className={form.form}>
        <DeviceSelect kind="audioinput" label={text.microphone} />
        <DeviceSelect kind="videoinput" label={text.camera} />
        <BlurChoice
          isOn={isOn}
          isSwitching={isSwitching}
          onChange={onBlur}
          state={state}
          onRetry={() => onBlur(true)}
        />
        <DeviceSelect kind="audiooutput" label={text.loudspeaker} />
        {isCaptioned && <Spoken onChange={onLanguage} />}
      </div>
    </Dialog>
  );
}

/** What LiveKit has of us is what we are listened to in. */
function Spoken({ onChange }: { onChange: (tag: string) => void }) {
  const language = useOwnAttribute("lectern.language");
  const captions = useOwnAttribute("lectern.captions");
  return captions === "off" ? null : <SpokenSelect value={language} onChange={onChange} />;
}

/** Empty where LiveKit has none. */
function useOwnAttribute(name: string): string {
  const { localParticipant } = useLocalParticipant();
  const subscribe = useCallback(
    (onChange: () => void) => {
      localParticipant.on(ParticipantEvent.AttributesChanged, onChange);
      return () => void localParticipant.off(ParticipantEvent.AttributesChanged, onChange);
    },
    [localParticipant],
  );
  return useSyncExternalStore(subscribe, () => localParticipant.attributes[name] ?? "");
}

function DeviceSelect({ kind, label }: { kind: MediaDeviceKind; label: string }) {
  const text = useText(texts);
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind });
  // Some browsers play on the system's loudspeaker alone.
  if (devices.length === 0) return null;
  return (
    <Select
      label={label}
      value={activeDeviceId}
      onChange={(event) => void setActiveMediaDevice(event.target.value)}
    >
      {devices.map(({ deviceId, label }) => (
        <option key={deviceId} value={deviceId}>
          {label || text.unnamedDevice}
        </option>
      ))}
    </Select>
  );
}
