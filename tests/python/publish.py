"""Joins a LiveKit room with the official Python SDK, speaks and prints every caption as one line of JSON.

    LIVEKIT_URL=ws://… LIVEKIT_TOKEN=… python publish.py [--encrypt KEY] [SPEECH.wav SETTLE_SECONDS]

Plays the file once, in real time, as its microphone; leaves SETTLE_SECONDS after its end and exits with 0. Without a
file it does what it is told: a line of JSON on stdin is {say: "SPEECH.wav"} (16 kHz, one channel) or
{attributes: {…}} (our own, each answered by the event of that name), and the end of input makes it leave.

A line is {form: "stream" | "transcription" | "data" | "health", participantIdentity (the speaker's), segmentId, final,
text, attributes, sender (of data)}, the same that tests/browser/captions.mjs prints, or
{event: "joined" | "spoken" | "attributes" | "seen" | "disconnected", …}; "seen" tells somebody's attributes as they are
from now on.
"""

import argparse
import asyncio
import json
import os
import sys
import wave

from livekit import rtc

FRAME_MS = 20
COMMANDED_RATE_HZ = 16_000
SETTLE_SECONDS_MAX = 600


async def main(speech: str | None, settle_seconds: float, key: str | None) -> None:
    room = rtc.Room()
    _reading = listen(room)
    options = rtc.RoomOptions()
    if key:
        shared = rtc.KeyProviderOptions(shared_key=key.encode())
        options.encryption = rtc.E2EEOptions(key_provider_options=shared)
    await room.connect(setting("LIVEKIT_URL"), setting("LIVEKIT_TOKEN"), options)
    report(event="joined", identity=room.local_participant.identity, room=room.name)
    for participant in room.remote_participants.values():
        see(participant)
    if speech:
        with wave.open(speech, "rb") as recording:
            source = await publish(room, recording.getframerate(), recording.getnchannels())
        await say(source, speech)
        await asyncio.sleep(min(settle_seconds, SETTLE_SECONDS_MAX))
    else:
        await obey(room, await publish(room, COMMANDED_RATE_HZ, 1))
    await room.disconnect()


async def obey(room: rtc.Room, source: rtc.AudioSource) -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        command = json.loads(line)
        if path := command.get("say"):
            await say(source, path)
        if (attributes := command.get("attributes")) is not None:
            await room.local_participant.set_attributes(attributes)
            report(event="attributes", attributes=attributes)


async def publish(room: rtc.Room, rate_hz: int, channels: int) -> rtc.AudioSource:
    source = rtc.AudioSource(rate_hz, channels)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    return source


async def say(source: rtc.AudioSource, path: str) -> None:
    with wave.open(path, "rb") as recording:
        if recording.getsampwidth() != 2:
            sys.exit(f"{path}: only 16-bit WAV is played")
        rate_hz, channels = recording.getframerate(), recording.getnchannels()
        while data := recording.readframes(rate_hz * FRAME_MS // 1000):
            frame = rtc.AudioFrame(data, rate_hz, channels, len(data) // 2 // channels)
            # Waits while the source's queue is full, which is what keeps real time.
            await source.capture_frame(frame)
    await source.wait_for_playout()
    report(event="spoken")


def listen(room: rtc.Room) -> asyncio.Task:
    """Prints the three forms in which captions travel; the task must be held, as the loop holds no reference."""
    streams: asyncio.Queue[tuple[rtc.TextStreamReader, str]] = asyncio.Queue()

    async def read() -> None:
        # One after the other: tasks of their own could end in another order than the streams came in.
        while True:
            reader, identity = await streams.get()
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

    room.register_text_stream_handler("lk.transcription", lambda *stream: streams.put_nowait(stream))

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

    @room.on("participant_connected")
    def connected(participant) -> None:
        see(participant)

    @room.on("participant_attributes_changed")
    def changed(_changes, participant) -> None:
        see(participant)

    @room.on("disconnected")
    def disconnected(reason) -> None:
        report(event="disconnected", reason=reason)

    return asyncio.create_task(read())


def see(participant: rtc.Participant) -> None:
    report(event="seen", identity=participant.identity, kind=participant.kind, attributes=participant.attributes)


def report(**line) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


def setting(name: str) -> str:
    return os.environ.get(name) or sys.exit(f"{name} is not set")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(usage=__doc__)
    arguments.add_argument("speech", nargs="?")
    arguments.add_argument("settle_seconds", nargs="?", type=float, default=0)
    arguments.add_argument("--encrypt", metavar="KEY")
    given = arguments.parse_args()
    asyncio.run(main(given.speech, given.settle_seconds, given.encrypt))
