// The connection to LiveKit's room: made once, ended when the page goes.
import { type DisconnectReason, MediaDeviceFailure, Room, RoomEvent } from "livekit-client";
import { useEffect, useState } from "react";

import type { Schemas } from "../../api/client.js";
import { BlurError } from "../../blur/background-blur.js";
import type { Entry } from "../join/entry.js";
import { CameraBlur } from "./blur.js";
import { speak } from "./deeds.js";
import { type Out, outBy, outByError } from "./out.js";

export type Connection =
  | { readonly at: "joining" }
  | { readonly at: "in"; readonly room: Room; readonly blur: CameraBlur; readonly isReconnecting: boolean }
  | { readonly at: "out"; readonly out: Out };

/** A device that did not open, or not with a blurred background, for whatever reason; or a language that could not be told. */
export type Trouble = "denied" | "missing" | "busy" | "blur" | "language";

export function useConnection(
  { token, wsUrl, roomId }: Schemas["Admission"],
  entry: Entry,
  onTrouble: (trouble: Trouble) => void,
): Connection {
  const [connection, setConnection] = useState<Connection>({ at: "joining" });
  useEffect(() => {
    if (typeof RTCPeerConnection === "undefined") {
      setConnection({ at: "out", out: "unsupported" });
      return;
    }
    const room = newRoom(entry);
    const blur = new CameraBlur(room, entry.blur, () => onTrouble("blur"));
    const begin = async () => {
      // Before they say a word.
      if (entry.captions && entry.language !== "")
        await speak(roomId, entry.language).catch(() => onTrouble("language"));
      await publish(room, entry);
    };
    // Its last events come when the page may be elsewhere already.
    let isCurrent = true;
    const show = (connection: Connection) => isCurrent && setConnection(connection);
    room
      .on(RoomEvent.Reconnecting, () => show({ at: "in", room, blur, isReconnecting: true }))
      .on(RoomEvent.SignalReconnecting, () => show({ at: "in", room, blur, isReconnecting: true }))
      .on(RoomEvent.Reconnected, () => show({ at: "in", room, blur, isReconnecting: false }))
      .on(RoomEvent.Disconnected, (reason?: DisconnectReason) => show({ at: "out", out: outBy(reason) }))
      .on(RoomEvent.MediaDevicesError, (error: Error) => {
        // That blur tells of itself: of a camera that is turned on again, the room tells nothing.
        if (!(error instanceof BlurError)) onTrouble(troubleOf(error));
      });
    room.connect(wsUrl, token).then(
      () => {
        show({ at: "in", room, blur, isReconnecting: false });
        void begin();
      },
      (error: unknown) => show({ at: "out", out: outByError(error) }),
    );
    return () => {
      isCurrent = false;
      void room.disconnect();
    };
    // A meeting is joined once: later choices are made in the room.
  }, [token, wsUrl, roomId]);
  return connection;
}

function newRoom({ microphone, camera }: Entry): Room {
  return new Room({
    // Pictures are fetched in the size in which they are shown, and sent only while somebody looks.
    adaptiveStream: true,
    dynacast: true,
    publishDefaults: { simulcast: true, videoCodec: "vp8", dtx: true, red: true },
    audioCaptureDefaults: {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(microphone.deviceId === "" ? {} : { deviceId: microphone.deviceId }),
    },
    videoCaptureDefaults: camera.deviceId === "" ? {} : { deviceId: camera.deviceId },
  });
}

/** Opens what was on in the green room. What fails is told by the room's event. */
async function publish(room: Room, { microphone, camera }: Entry): Promise<void> {
  const own = room.localParticipant;
  if (own.permissions?.canPublish === false) return;
  if (microphone.isOn) await own.setMicrophoneEnabled(true).catch(() => undefined);
  if (camera.isOn) await own.setCameraEnabled(true).catch(() => undefined);
}

function troubleOf(error: Error): Trouble {
  switch (MediaDeviceFailure.getFailure(error)) {
    case MediaDeviceFailure.PermissionDenied:
      return "denied";
    case MediaDeviceFailure.NotFound:
      return "missing";
    default:
      return "busy";
  }
}
