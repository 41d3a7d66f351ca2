//! Word documents, as a program of another make reads them.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use lectern_pipelines::{
    Chapter, CitedLine, ExportFormat, Gap, GapReason, KeyTerm, Lecture, MediaTime, MeetingId, Participant,
    ParticipantIdentity, RoomName, Segment, SegmentId, Summary, SummarySource, TrackSid, UnixMillis, export,
};
use serde_json::{Value, json};

use crate::support::{repository, variable};

pub(crate) fn person(identity: &str, name: &str) -> Participant {
    Participant {
        identity: ParticipantIdentity::parse(identity).expect("an identity"),
        name: name.to_owned(),
    }
}

pub(crate) fn segment(start: u64, speaker: Participant, text: &str) -> Segment {
    Segment {
        id: SegmentId::parse(format!("SG_{start}")).expect("an id"),
        track: TrackSid::parse("TR_1").expect("a SID"),
        speaker,
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(start + 900),
        text: text.to_owned(),
        language: None,
        words: Vec::new(),
        is_final: true,
        utterance: 0,
    }
}

/// Two people in three scripts, with markup and what nobody sees, and a gap.
pub(crate) fn lecture() -> Lecture {
    let (ada, dan) = (person("ada", "<b>Ada</b> & Co."), person("dan", "דן"));
    Lecture {
        meeting: MeetingId::parse("MT_1").expect("an id"),
        room: RoomName::parse("k3j-9xw").expect("a name"),
        room_title: Some("Physics \u{ffff}101".to_owned()),
        revision: 0,
        started_at: UnixMillis(1_795_256_100_000),
        duration: Duration::from_secs(70),
        participants: vec![ada.clone(), dan.clone()],
        segments: vec![
            segment(1_000, ada.clone(), "Is 1 < 2 && \"2\" > 1?\u{1}"),
            segment(2_000, dan, "כן, Ada, 1 < 2."),
            segment(3_000, ada.clone(), "光合作用 🧲"),
        ],
        gaps: vec![Gap {
            track: TrackSid::parse("TR_1").expect("a SID"),
            speaker: ada,
            start: MediaTime::from_millis(9_000),
            end: MediaTime::from_millis(11_000),
            reason: GapReason::RecogniserAway,
        }],
    }
}

fn summary() -> Summary {
    let cited = |text: &str| CitedLine {
        text: text.to_owned(),
        citations: vec![SegmentId::parse("SG_2000").expect("an id")],
    };
    Summary {
        source: SummarySource::EXTRACTIVE,
        title: "Order".to_owned(),
        language: Some("en".to_owned()),
        abstract_lines: vec![cited("One is less than two.")],
        chapters: vec![Chapter {
            title: "סדר".to_owned(),
            start: MediaTime::ZERO,
            end: MediaTime::from_millis(12_000),
            lines: vec![cited("Yes.")],
        }],
        key_terms: vec![KeyTerm {
            term: "less".to_owned(),
            explanation: "<".to_owned(),
            citations: vec![SegmentId::parse("SG_1000").expect("an id")],
        }],
        action_items: Vec::new(),
        questions: Vec::new(),
        coverage_percent: 100,
        dropped_lines: 0,
        is_outdated: false,
    }
}

/// What one of the readers in `tests/python` finds in a file.
pub(crate) fn read_by(script: &str, arguments: &[&str], file: &[u8]) -> Value {
    let mut child = Command::new(variable("LECTERN_PYTHON"))
        .arg(repository("tests/python").join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut input = child.stdin.take().expect("it was asked for");
    input.write_all(file).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{script} can't read it");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn word_document_is_read_by_another_program() {
    let (lecture, summary) = (lecture(), summary());
    let document = export(&lecture, Some(&summary), ExportFormat::Docx);
    assert_eq!(
        document,
        export(&lecture, Some(&summary), ExportFormat::Docx),
        "the same bytes"
    );
    let read = read_by("read_docx.py", &[], &document);
    assert_eq!(read["title"], "Order");
    let note = "Built-in extractive summary: sentences picked from the transcript, written by no model. It covers 100 % of the transcript.";
    let ltr = |style: &str, text: &str| json!({ "style": style, "text": text, "rightToLeft": false });
    let rtl = |style: &str, text: &str| json!({ "style": style, "text": text, "rightToLeft": true });
    assert_eq!(
        read["paragraphs"],
        json!([
            ltr("Title", "Order"),
            ltr("Subtitle", "Physics \u{fffd}101, 21 November 2026, 10:15 UTC"),
            ltr("Normal", "Participants: <b>Ada</b> & Co., דן"),
            ltr("Heading 1", "Summary"),
            ltr("List Bullet", "One is less than two. (0:00:02)"),
            ltr("Note", note),
            ltr("Heading 1", "Chapters"),
            rtl("Heading 2", "סדר (0:00:00–0:00:12)"),
            ltr("List Bullet", "Yes. (0:00:02)"),
            ltr("Heading 1", "Key terms"),
            ltr("List Bullet", "less: < (0:00:01)"),
            ltr("Heading 1", "Transcript"),
            ltr("Normal", "0:00:01 <b>Ada</b> & Co.: Is 1 < 2 && \"2\" > 1?"),
            rtl("Normal", "0:00:02 דן: כן, Ada, 1 < 2."),
            ltr("Normal", "0:00:03 <b>Ada</b> & Co.: 光合作用 🧲"),
            ltr(
                "Normal",
                "[0:00:09–0:00:11 not recorded: recogniser away] <b>Ada</b> & Co."
            ),
        ])
    );
}
