"""Prints, as JSON, the cues that other people's readers find in the subtitles on standard input.

    read_subtitles.py vtt < lecture.vtt
    read_subtitles.py srt < lecture.srt
"""

import html
import io
import json
import sys

import srt
import webvtt


def cues_of_vtt(text):
    # webvtt-py leaves what WebVTT escapes as it is.
    return [
        {
            "id": cue.identifier,
            "startMs": cue.start_time.in_milliseconds(),
            "endMs": cue.end_time.in_milliseconds(),
            "speaker": html.unescape(cue.voice),
            "text": html.unescape(cue.text),
        }
        for cue in webvtt.from_string(text)
    ]


def cues_of_srt(text):
    return [
        {
            "id": str(cue.index),
            "startMs": round(cue.start.total_seconds() * 1000),
            "endMs": round(cue.end.total_seconds() * 1000),
            "text": cue.content,
        }
        for cue in srt.parse(text, ignore_errors=False)
    ]


text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="").read()
json.dump({"vtt": cues_of_vtt, "srt": cues_of_srt}[sys.argv[1]](text), sys.stdout)
