//! WebVTT, as <https://www.w3.org/TR/webvtt1/> has it.

use std::fmt::Write;

use super::{
    calendar::date_of,
    cue::{Cue, cues, lines},
    plain::{name_of, plain},
};
use crate::{Labels, Lecture, MediaTime};

pub(super) fn write(lecture: &Lecture, labels: &Labels) -> String {
    let mut file = format!(
        "WEBVTT\n\nNOTE {}, {}\n",
        escaped(&plain(lecture.called())),
        date_of(lecture.started_at, labels)
    );
    for cue in cues(lecture, labels, |_| 0) {
        write_cue(&mut file, &cue).expect("a string takes everything");
    }
    file
}

fn write_cue(file: &mut String, cue: &Cue<'_>) -> std::fmt::Result {
    let text = lines("", &cue.pieces)
        .iter()
        .map(|line| escaped(line))
        .collect::<Vec<_>>()
        .join("\n");
    let name = escaped(&name_of(cue.speaker));
    writeln!(file, "\n{}\n{} --> {}", cue.id, stamp(cue.start), stamp(cue.end))?;
    writeln!(file, "<v {name}>{text}</v>")
}

/// `HH:MM:SS.mmm`.
fn stamp(time: MediaTime) -> String {
    let millis = time.as_millis();
    let seconds = millis / 1000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
}

/// `text` without anything that ends a tag, begins one, or makes an arrow.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
