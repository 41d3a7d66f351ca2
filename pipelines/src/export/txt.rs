//! Text to read: one paragraph per utterance, with its time and speaker.

use super::{
    calendar::date_of,
    gap_notice,
    paragraph::{Joining, paragraphs},
    plain::{name_of, plain},
};
use crate::{Labels, Lecture};

pub(super) fn write(lecture: &Lecture, labels: &Labels) -> String {
    let names: Vec<_> = lecture.participants.iter().map(name_of).collect();
    let mut head = format!(
        "{}\n{}\n",
        plain(lecture.called()),
        date_of(lecture.started_at, labels)
    );
    if !names.is_empty() {
        head = format!("{head}{}\n", names.join(", "));
    }
    let said = paragraphs(&lecture.segments, Joining::Utterances, &[])
        .into_iter()
        .map(|paragraph| {
            let line = format!(
                "[{}] {}: {}",
                paragraph.start,
                name_of(paragraph.speaker),
                paragraph.text
            );
            (paragraph.start, line)
        });
    let missing = lecture.gaps.iter().map(|gap| {
        (
            gap.start,
            format!("{} {}", gap_notice(gap, labels), name_of(&gap.speaker)),
        )
    });
    let mut lines: Vec<_> = said.chain(missing).collect();
    lines.sort_by_key(|(start, _)| *start);
    lines
        .into_iter()
        .fold(head, |text, (_, line)| format!("{text}\n{line}\n"))
}
