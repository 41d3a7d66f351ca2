// Which camera or microphone; or what keeps it from working, and what to do about that.
import { join as texts } from "../../text/join.js";
import { useText } from "../../text/index.js";
import { Select } from "../../ui/field.js";
import { Notice } from "../../ui/notice.js";
import type { Device, DeviceKind } from "./devices.js";
import type { Choice } from "./entry.js";

interface Props {
  kind: DeviceKind;
  device: Device;
  choice: Choice;
  onChange: (choice: Choice) => void;
}

export function DeviceChoice({ kind, device, choice, onChange }: Props) {
  const text = useText(texts);
  if (device.problem !== null) return <Notice tone="warning">{text[`${kind}_${device.problem}`]}</Notice>;
  if (!choice.isOn || device.choices.length < 2) return null;
  const known = device.choices.some(({ deviceId }) => deviceId === choice.deviceId);
  return (
    <Select
      label={kind === "audio" ? text.microphone : text.camera}
      value={known ? choice.deviceId : device.choices[0]?.deviceId}
      onChange={(event) => onChange({ ...choice, deviceId: event.target.value })}
    >
      {device.choices.map(({ deviceId, label }) => (
        <option key={deviceId} value={deviceId}>
          {label || text.unnamedDevice}
        </option>
      ))}
    </Select>
  );
}
