// Which microphone, camera and loudspeaker, while one is in the room.
import { useMediaDeviceSelect } from "@livekit/components-react";

import { room as texts } from "../../text/room.js";
import { useText } from "../../text/index.js";
import { Dialog } from "../../ui/dialog.js";
import { Select } from "../../ui/field.js";
import form from "../../ui/form.module.css";

export function DeviceDialog({ onClose }: { onClose: () => void }) {
  const text = useText(texts);
  return (
    <Dialog title={text.devices} onClose={onClose}>
      <div className={form.form}>
        <DeviceSelect kind="audioinput" label={text.microphone} />
        <DeviceSelect kind="videoinput" label={text.camera} />
        <DeviceSelect kind="audiooutput" label={text.loudspeaker} />
      </div>
    </Dialog>
  );
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
