"""What there is to compare with: a worker that captions rooms with LiveKit's own Python framework and Deepgram's plugin.

The leanest there can be: no session, no voice detection, no transcript; a recogniser's stream for each track, and its
words as text streams on `lk.transcription`. `make bench PEER=1` runs it; LIVEKIT_URL, LIVEKIT_API_KEY,
LIVEKIT_API_SECRET and DEEPGRAM_URL (a base) say where.
"""

import asyncio
import os
import sys

from livekit import rtc
from livekit.agents import AgentServer, AutoSubscribe, JobContext, cli, stt, utils
from livekit.agents.worker import WorkerPermissions
from livekit.plugins import deepgram

# The framework refuses rooms on a busy machine; here every room has to be taken.
server = AgentServer(load_fnc=lambda: 0.0, port=0, permissions=WorkerPermissions(hidden=True))


@server.rtc_session()
async def caption_room(context: JobContext) -> None:
    room = context.room
    tracks = set()

    @room.on("track_subscribed")
    def subscribed(track, publication, participant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.create_task(caption_track(room, track, publication.sid, participant.identity))
            tracks.add(task)
            task.add_done_callback(tracks.discard)

    await context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)


async def caption_track(room: rtc.Room, track: rtc.Track, sid: str, speaker: str) -> None:
    recogniser = deepgram.STT(base_url=os.environ["DEEPGRAM_URL"] + "/v1/listen")
    stream = recogniser.stream()
    feeding = asyncio.create_task(feed(stream, track))
    segment = utils.shortuuid("SG_")
    async for event in stream:
        if event.type not in (stt.SpeechEventType.INTERIM_TRANSCRIPT, stt.SpeechEventType.FINAL_TRANSCRIPT):
            continue
        is_final = event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
        attributes = {
            "lk.segment_id": segment,
            "lk.transcribed_track_id": sid,
            "lk.transcription_final": "true" if is_final else "false",
        }
        writer = await room.local_participant.stream_text(
            topic="lk.transcription", sender_identity=speaker, attributes=attributes
        )
        await writer.write(event.alternatives[0].text)
        await writer.aclose()
        if is_final:
            segment = utils.shortuuid("SG_")
    await feeding


async def feed(stream: stt.SpeechStream, track: rtc.Track) -> None:
    async for event in rtc.AudioStream(track, sample_rate=16_000, num_channels=1):
        stream.push_frame(event.frame)
    stream.end_input()


if __name__ == "__main__":
    # The bench reads logs there.
    sys.stdout = sys.stderr
    cli.run_app(server)
