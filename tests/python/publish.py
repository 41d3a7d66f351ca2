"""Joins a LiveKit room with the official Python SDK, speaks a WAV and prints every caption as one line of JSON.

    LIVEKIT_URL=ws://… LIVEKIT_TOKEN=… python publish.py SPEECH.wav SETTLE_SECONDS

Plays the file once, in real time, as its microphone; leaves SETTLE_SECONDS after its end and exits with 0. A line is
{form: "stream" | "transcription" | "data" | "health", participantIdentity (the speaker's), segmentId, final, text,
attributes, sender (of data)}, the same that tests/browser/captions.mjs prints, or
{event: "joined" | "spoken" | "disconnected", …}.
"""

import asyncio
import json
import os
import sys
import wave

from livekit import rtc

FRAME_MS = 20
SETTLE_SECONDS_MAX = 600


async def main(path: str, settle_seconds: float) -> None:
    room = rtc.Room()
    listen(room)
    with wave.open(path, "rb") as recording:
        if recording.getsampwidth() != 2:
            sys.exit(f"{path}: only 16-bit WAV is played")
        await room.connect(setting("LIVEKIT_URL"), setting("LIVEKIT_TOKEN"))
        report(event="joined", identity=room.local_participant.identity, room=room.name)
        await speak(room, recording)
    report(event="spoken")
    await asyncio.sleep(min(settle_seconds, SETTLE_SECONDS_MAX))
    await room.disconnect()


async def speak(room: rtc.Room, recording: wave.Wave_read) -> None:
    source = rtc.AudioSource(recording.getframerate(), recording.getnchannels())
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    samples = recording.getframerate() * FRAME_MS // 1000
    while data := recording.readframes(samples):
        frame = rtc.AudioFrame(
            data, recording.getframerate(), recording.getnchannels(), len(data) // 2 // recording.getnchannels()
        )
        # Waits while the source's queue is full, which is what keeps real time.
        await source.capture_frame(frame)
    await source.wait_for_playout()


def listen(room: rtc.Room) -> None:
    """Prints the three forms in which captions travel."""
    reading: set[asyncio.Task] = set()

    async def read(reader: rtc.TextStreamReader, identity: str) -> None:
        text = await reader.read_all()
        attributes = reader.info.attributes or {}
        report(
            form="stream",
            participantIdentity=identity,
            segmentId=attributes.get("lk.segment_id"),
            final=attributes.get("lk.transcription_final") == "true",
            text=text,
            attributes=attributes,
        )

    def opened(reader: rtc.TextStreamReader, identity: str) -> None:
        task = asyncio.create_task(read(reader, identity))
        reading.add(task)  # the loop itself holds no reference
        task.add_done_callback(reading.discard)

    room.register_text_stream_handler("lk.transcription", opened)

    @room.on("transcription_received")
    def transcribed(segments, participant, publication) -> None:
        for segment in segments:
            report(
                form="transcription",
                participantIdentity=participant.identity if participant else None,
                segmentId=segment.id,
                final=segment.final,
                text=segment.text,
                attributes={
                    "language": segment.language,
                    "startTime": segment.start_time,
                    "endTime": segment.end_time,
                    "trackSid": publication.sid if publication else None,
                },
            )

    @room.on("data_received")
    def received(packet: rtc.DataPacket) -> None:
        if packet.topic != "lectern.captions":
            return
        message = json.loads(packet.data)
        report(
            form="data" if message["type"] == "caption" else message["type"],
            participantIdentity=message.get("identity"),
            segmentId=message.get("segmentId"),
            final=message.get("final"),
            text=message.get("text"),
            attributes=message,
            # Who sent it matters: other participants could forge one.
            sender=packet.participant.identity if packet.participant else None,
        )

    @room.on("disconnected")
    def disconnected(reason) -> None:
        report(event="disconnected", reason=reason)


def report(**line) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def setting(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"{name} is not set")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
