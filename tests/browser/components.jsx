// LiveKit's own React components, unchanged, as a front end would use them; tells what each hook has to show.
import {
  LiveKitRoom,
  useChat,
  useParticipants,
  useTracks,
  useTrackTranscription,
  useTranscriptions,
  useVoiceAssistant,
} from "@livekit/components-react";
import { ParticipantKind, Track } from "livekit-client";
import { useEffect } from "react";
import { createRoot } from "react-dom/client";

// Called by captions.mjs; resolves once we are in the room.
window.join = ({ url, token, speak }) =>
  new Promise((joined, failed) => {
    const root = createRoot(document.body.appendChild(document.createElement("main")));
    window.leave = () => root.unmount();
    root.render(
      <LiveKitRoom serverUrl={url} token={token} connect audio={speak} onConnected={() => joined(window.report({ event: "joined" }))} onError={failed}>
        <People />
        <Assistant />
        <Captions />
        <Chat />
        <h2>useTrackTranscription</h2>
        <Tracks />
      </LiveKitRoom>,
    );
  });

function People() {
  const people = useParticipants().map(({ identity, name, kind }) => ({ identity, name, kind: ParticipantKind[kind] }));
  useReport("useParticipants", people);
  return <p>In the room: {people.map(({ name, identity }) => name || identity).join(", ")}</p>;
}

function Assistant() {
  const { agent, state, agentAttributes } = useVoiceAssistant();
  useReport("useVoiceAssistant", { identity: agent?.identity, name: agent?.name, state, attributes: agentAttributes });
  return <p>Assistant: {agent ? `${agent.name}, ${state}` : "none"}</p>;
}

function Chat() {
  const { chatMessages, send } = useChat();
  useReport(
    "useChat",
    chatMessages.map(({ id, from, message, editTimestamp }) => ({ id, from: from?.identity, message, edited: Boolean(editTimestamp) })),
  );
  window.write = async (text) => window.report({ event: "written", id: (await send(text)).id });
  return chatMessages.map(({ id, from, message }) => (
    <p key={id}>
      {from?.name}: {message}
    </p>
  ));
}

// The newer form, text streams.
function Captions() {
  const captions = useTranscriptions().map(({ text, participantInfo, streamInfo: { attributes = {} } }) => ({
    participantIdentity: participantInfo.identity,
    trackSid: attributes["lk.transcribed_track_id"],
    segmentId: attributes["lk.segment_id"],
    final: attributes["lk.transcription_final"] === "true",
    text,
  }));
  useReport("useTranscriptions", captions);
  return (
    <>
      <h2>useTranscriptions</h2>
      <Lines captions={captions} />
    </>
  );
}

function Tracks() {
  const tracks = useTracks([Track.Source.Microphone], { onlySubscribed: false });
  return tracks.map((track) => <TrackCaptions key={track.publication.trackSid} track={track} />);
}

// The older form, transcription packets.
function TrackCaptions({ track }) {
  const captions = useTrackTranscription(track).segments.map(({ id, final, text }) => ({
    participantIdentity: track.participant.identity,
    trackSid: track.publication.trackSid,
    segmentId: id,
    final,
    text,
  }));
  useReport("useTrackTranscription", captions);
  return <Lines captions={captions} />;
}

function Lines({ captions }) {
  const names = new Map(useParticipants().map(({ identity, name }) => [identity, name || identity]));
  return captions.map(({ participantIdentity, segmentId, final, text }) => (
    <p key={segmentId} style={{ color: final ? "black" : "gray" }}>
      <b>{names.get(participantIdentity) ?? participantIdentity}</b> {text}
    </p>
  ));
}

function useReport(hook, shown) {
  const line = JSON.stringify(shown);
  useEffect(() => {
    window.report({ form: "shown", hook, shown: JSON.parse(line) });
  }, [hook, line]);
}
