"""Deepgram's own client against a local server: deepgram_sdk.py ws://HOST:PORT FILE.wav

Sends the file at the speed of speech, once by the blocking client and once by the asynchronous one, and prints OK
if words and events are what the SDK's users rely on.
"""

import asyncio
import sys
import threading
import time
import wave

try:
    from deepgram import AsyncDeepgramClient, DeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.core.events import EventType
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.listen.v1.types import (
        ListenV1Metadata,
        ListenV1Results,
        ListenV1SpeechStarted,
        ListenV1UtteranceEnd,
    )
    from websockets.exceptions import InvalidStatus
except ImportError as error:
    sys.exit(f"{error}. Install it: {sys.executable} -m pip install -r stt/tests/requirements.txt")

FRAME_SECONDS = 0.1
OPTIONS = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": 16000,
    "channels": 1,
    "interim_results": True,
    "punctuate": True,
    "smart_format": True,
    "endpointing": 300,
    "utterance_end_ms": 1000,
    "vad_events": True,
    "language": "en",
    "keyterm": ["forward", "ten meters"],
}


def environment(url):
    http = url.replace("ws", "http", 1)
    return DeepgramClientEnvironment(base=http, production=url, agent=url, agent_rest=http)


def frames(path):
    """The file and 1.5 s of silence, so that an utterance's end is heard."""
    with wave.open(path) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        audio = file.readframes(file.getnframes()) + bytes(2 * 24000)
    size = int(2 * 16000 * FRAME_SECONDS)
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def blocking(url, path):
    received, events = [], []
    client = DeepgramClient(api_key="none", environment=environment(url))
    with client.listen.v1.connect(**OPTIONS) as connection:
        connection.on(EventType.OPEN, lambda _: events.append("open"))
        connection.on(EventType.MESSAGE, received.append)
        connection.on(EventType.ERROR, lambda error: events.append(f"error: {error}"))
        connection.on(EventType.CLOSE, lambda _: events.append("close"))
        listening = threading.Thread(target=connection.start_listening, daemon=True)
        listening.start()
        connection.send_keep_alive()
        for frame in frames(path):
            connection.send_media(frame)
            time.sleep(FRAME_SECONDS)
        connection.send_finalize()
        connection.send_close_stream()
        listening.join(timeout=15)
        assert not listening.is_alive(), "the server closes the stream"
    assert events == ["open", "close"], events
    check(received)


async def asynchronous(url, path):
    received = []
    client = AsyncDeepgramClient(api_key="none", environment=environment(url))
    async with client.listen.v1.connect(**OPTIONS) as connection:

        async def send():
            for frame in frames(path):
                await connection.send_media(frame)
                await asyncio.sleep(FRAME_SECONDS)
            await connection.send_finalize()
            await connection.send_close_stream()

        sending = asyncio.create_task(send())
        async for message in connection:
            received.append(message)
        await sending
    check(received)


def check(received):
    kinds = [type(message) for message in received]
    results = [message for message in received if isinstance(message, ListenV1Results)]
    text = lambda message: message.channel.alternatives[0].transcript
    finals = [message for message in results if message.is_final]
    spoken = " ".join(text(message) for message in finals if text(message))
    assert spoken == "go forward ten meters", spoken

    assert kinds[0] is ListenV1SpeechStarted, kinds
    assert kinds[-1] is ListenV1Metadata, kinds
    place = lambda wanted: next(n for n, message in enumerate(received) if wanted(message))
    interim = place(lambda m: isinstance(m, ListenV1Results) and not m.is_final)
    final = place(lambda m: isinstance(m, ListenV1Results) and m.speech_final)
    ended = place(lambda m: isinstance(m, ListenV1UtteranceEnd))
    flushed = place(lambda m: isinstance(m, ListenV1Results) and m.from_finalize)
    assert 0 < interim < final < ended < flushed, kinds

    words = finals[0].channel.alternatives[0].words
    assert [word.word for word in words] == spoken.split()
    assert all(before.end <= after.start + 1e-6 for before, after in zip(words, words[1:]))
    assert received[ended].last_word_end == words[-1].end
    metadata = received[-1]
    assert metadata.request_id == finals[0].metadata.request_id
    assert len(metadata.sha256) == 64 and metadata.channels == 1
    assert 4.0 < metadata.duration < 4.5, metadata.duration


def refusal(url):
    client = DeepgramClient(api_key="none", environment=environment(url))
    try:
        with client.listen.v1.connect(**{**OPTIONS, "language": "de"}):
            raise AssertionError("German is refused")
    except ApiError as error:
        assert error.status_code == 400, error
    except InvalidStatus as error:
        # What the SDK lets through with newer versions of the websockets package.
        assert error.response.status_code == 400, error


if __name__ == "__main__":
    _, server, recording = sys.argv
    blocking(server, recording)
    asyncio.run(asynchronous(server, recording))
    refusal(server)
    print("OK")
