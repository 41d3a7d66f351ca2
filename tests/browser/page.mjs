// The half that runs in the page: joins a room with LiveKit's own client and tells what captions it receives.
import { ConnectionState, Room, RoomEvent } from "livekit-client";

// Called by captions.mjs with where to join and whether to speak; resolves once we are in the room and heard.
window.join = async ({ url, token, speak }) => {
  const room = new Room();

  // The form that LiveKit's components show: a text stream for each update of a segment.
  room.registerTextStreamHandler("lk.transcription", async (reader, { identity }) => {
    const { attributes = {} } = reader.info;
    const text = await reader.readAll();
    await window.report({
      form: "stream",
      participantIdentity: identity,
      segmentId: attributes["lk.segment_id"],
      final: attributes["lk.transcription_final"] === "true",
      text,
      attributes,
    });
  });

  // The older form, a packet of its own kind.
  room.on(RoomEvent.TranscriptionReceived, (segments, participant, publication) => {
    for (const { id, final, text, ...attributes } of segments) {
      window.report({
        form: "transcription",
        participantIdentity: participant?.identity,
        segmentId: id,
        final,
        text,
        attributes: { ...attributes, trackSid: publication?.trackSid },
      });
    }
  });

  // Lectern's own data packets. Who sent one matters: other participants could forge it.
  room.on(RoomEvent.DataReceived, (payload, participant, _kind, topic) => {
    if (topic !== "lectern.captions") return;
    const message = JSON.parse(new TextDecoder().decode(payload));
    window.report({
      form: message.type === "caption" ? "data" : message.type,
      participantIdentity: message.identity,
      segmentId: message.segmentId,
      final: message.final,
      text: message.text,
      attributes: message,
      sender: participant?.identity ?? null,
    });
  });

  room.on(RoomEvent.Disconnected, (reason) => window.report({ event: "disconnected", reason }));
  await room.connect(url, token);
  if (speak) await room.localParticipant.setMicrophoneEnabled(true);
  await window.report({ event: "joined", identity: room.localParticipant.identity, room: room.name });

  window.leave = async () => {
    if (room.state !== ConnectionState.Disconnected) await room.disconnect();
  };
};
