"""Joins an encrypted LiveKit room with the official Python SDK, plays a tone and prints what it hears and is sent.

    LIVEKIT_URL=ws://… LIVEKIT_TOKEN=… python encrypted.py KEY [pbkdf2 | hkdf]

Plays 1 kHz until its input ends. A line of JSON on stdout is {heard: HZ} (each half second of a tone, as it is) or
{said: TEXT} (a packet of data, which it sends back in capitals). The line "ratchet" on stdin makes it go on to the next
key, and anything else is sent as data.
"""

import asyncio
import json
import math
import os
import struct
import sys

from livekit import rtc

RATE_HZ = 48_000
TONE_HZ = 1_000
LOUD = 2_000


async def main(key: str, derivation: str = "pbkdf2") -> None:
    room = rtc.Room()
    tasks: set[asyncio.Task] = set()

    def start(work) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)  # the loop itself holds no reference
        task.add_done_callback(tasks.discard)

    @room.on("track_subscribed")
    def subscribed(track, _publication, _participant) -> None:
        start(listen(track))

    @room.on("data_received")
    def received(packet: rtc.DataPacket) -> None:
        text = packet.data.decode()
        report(said=text)
        start(room.local_participant.publish_data(text.upper(), reliable=True, topic="test"))

    options = rtc.KeyProviderOptions(shared_key=key.encode(), key_derivation_function=FUNCTIONS[derivation])
    await room.connect(
        os.environ["LIVEKIT_URL"],
        os.environ["LIVEKIT_TOKEN"],
        rtc.RoomOptions(encryption=rtc.E2EEOptions(key_provider_options=options)),
    )
    source = rtc.AudioSource(RATE_HZ, 1)
    track = rtc.LocalAudioTrack.create_audio_track("tone", source)
    await room.local_participant.publish_track(track, rtc.TrackPublishOptions())
    start(play(source))
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async for line in commands:
        if line.strip() == b"ratchet":
            room.e2ee_manager.key_provider.ratchet_shared_key(0)
        else:
            await room.local_participant.publish_data(line.strip(), reliable=True, topic="test")
    await room.disconnect()


async def play(source: rtc.AudioSource) -> None:
    turns = (math.sin(index * TONE_HZ * math.tau / RATE_HZ) for index in range(RATE_HZ // 100))
    data = b"".join(struct.pack("<h", int(turn * 8_000)) for turn in turns)
    while True:
        await source.capture_frame(rtc.AudioFrame(data, RATE_HZ, 1, RATE_HZ // 100))


async def listen(track: rtc.Track) -> None:
    rises, samples, last = 0, 0, 0
    async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
        frame = list(event.frame.data)
        if max(map(abs, frame)) < LOUD:
            rises, samples = 0, 0
            continue
        for sample in frame:
            rises += last < 0 <= sample
            last = sample
        samples += len(frame)
        if samples >= RATE_HZ // 2:
            report(heard=rises * RATE_HZ / samples)
            rises, samples = 0, 0


def report(**line) -> None:
    print(json.dumps(line), flush=True)


FUNCTIONS = {
    "pbkdf2": rtc.KeyDerivationFunction.PBKDF2,
    "hkdf": rtc.KeyDerivationFunction.HKDF,
}

if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
