// Cameras and microphones before joining: plain browser means, so that LiveKit's client is not fetched yet.
import { useEffect, useState } from "react";

export type DeviceKind = "audio" | "video";

/** Why there is no picture or sound. */
export type DeviceProblem = "denied" | "missing" | "busy" | "insecure" | "unknown";

export interface Device {
  /** Null while it is off, being opened, or can't be. */
  readonly stream: MediaStream | null;
  readonly problem: DeviceProblem | null;
  /** What there is to choose from; named once the browser may name them. */
  readonly choices: readonly MediaDeviceInfo[];
}

/** Opens a device for as long as it is wanted; `deviceId` is empty for the system's own choice. */
export function useDevice(kind: DeviceKind, isWanted: boolean, deviceId: string): Device {
  const [opened, setOpened] = useState<{ stream: MediaStream | null; problem: DeviceProblem | null }>(CLOSED);
  const choices = useChoices(kind, opened.stream);
  useEffect(() => {
    if (!isWanted) {
      setOpened(CLOSED);
      return;
    }
    let isCurrent = true;
    let stream: MediaStream | null = null;
    open(kind, deviceId).then(
      (opened) => {
        stream = opened;
        if (isCurrent) setOpened({ stream, problem: null });
        else stop(stream);
      },
      (error: unknown) => isCurrent && setOpened({ stream: null, problem: problemOf(error) }),
    );
    return () => {
      isCurrent = false;
      stop(stream);
    };
  }, [kind, isWanted, deviceId]);
  return { ...opened, choices };
}

const CLOSED = { stream: null, problem: null };

async function open(kind: DeviceKind, deviceId: string): Promise<MediaStream> {
  // Browsers have no devices for pages that others could have changed on their way.
  if (navigator.mediaDevices === undefined) throw new DOMException("no secure page", "SecurityError");
  const chosen = deviceId === "" ? {} : { deviceId: { ideal: deviceId } };
  const wanted = kind === "audio" ? { audio: chosen } : { video: { ...chosen, width: 640, height: 360 } };
  return navigator.mediaDevices.getUserMedia(wanted);
}

function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** What an error of the browser's means for who sees it. */
export function problemOf(error: unknown): DeviceProblem {
  const name = typeof error === "object" && error !== null && "name" in error ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "SecurityError":
      return "insecure";
    default:
      return "unknown";
  }
}

function useChoices(kind: DeviceKind, stream: MediaStream | null): readonly MediaDeviceInfo[] {
  const [choices, setChoices] = useState<readonly MediaDeviceInfo[]>([]);
  useEffect(() => {
    const devices = navigator.mediaDevices;
    if (devices === undefined) return;
    const look = async () => {
      const all = await devices.enumerateDevices();
      setChoices(all.filter((device) => device.kind === `${kind}input` && device.deviceId !== ""));
    };
    void look();
    const onChange = () => void look();
    devices.addEventListener("devicechange", onChange);
    return () => devices.removeEventListener("devicechange", onChange);
  }, [kind, stream]);
  return choices;
}

/** Tells how loud it is, from 0 to 1, as often as the screen is drawn. */
export function followLevel(stream: MediaStream, tell: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let frame = 0;
  const measure = () => {
    analyser.getFloatTimeDomainData(samples);
    tell(loudness(samples));
    frame = requestAnimationFrame(measure);
  };
  measure();
  return () => {
    cancelAnimationFrame(frame);
    void context.close();
  };
}

/** The level of speech as people hear it: -60 dB and less is silence, -10 dB is loud. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12);
  return Math.min(1, Math.max(0, (decibels + 60) / 50));
}
