//! SubRip: numbered subtitles, the speaker named where somebody else begins.
//!
//! The format has no escapes, and players strip what looks like a tag. So angle brackets become their typographic
//! likes, and a brace gets a word joiner (invisible) that keeps it from opening a style.

use std::fmt::Write;

use unicode_segmentation::UnicodeSegmentation;

use super::{
    cue::{cues, lines},
    plain::{columns, name_of},
};
use crate::{Labels, Lecture, MediaTime, Participant};

pub(super) fn write(lecture: &Lecture, labels: &Labels) -> String {
    let mut file = String::new();
    let mut before = None;
    for (number, cue) in cues(lecture, labels, |speaker| columns(&prefix(speaker)))
        .iter()
        .enumerate()
    {
        let speaker = &cue.speaker.identity;
        let prefix = match before.replace(speaker) == Some(speaker) {
            true => String::new(),
            false => prefix(cue.speaker),
        };
        let text = lines(&prefix, &cue.pieces).join("\n");
        let (start, end) = (stamp(cue.start), stamp(cue.end));
        write!(file, "{}\n{start} --> {end}\n{}\n\n", number + 1, literal(&text))
            .expect("a string takes everything");
    }
    file
}

/// The speaker's name as it precedes the words, never much of a line.
fn prefix(speaker: &Participant) -> String {
    let name = name_of(speaker);
    if columns(&name) <= NAME_COLUMNS_MAX {
        return format!("{name}:");
    }
    let mut short = String::new();
    for grapheme in name.graphemes(true) {
        if columns(&short) + columns(grapheme) >= NAME_COLUMNS_MAX {
            break;
        }
        short.push_str(grapheme);
    }
    format!("{}…:", short.trim_end())
}

const NAME_COLUMNS_MAX: usize = 20;

/// `HH:MM:SS,mmm`.
fn stamp(time: MediaTime) -> String {
    let millis = time.as_millis();
    let seconds = millis / 1000;
    format!(
        "{:02}:{:02}:{:02},{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
}

/// `text` without anything that a player takes for a tag, a style or a line of times.
fn literal(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›").replace('{', "{\u{2060}")
}
