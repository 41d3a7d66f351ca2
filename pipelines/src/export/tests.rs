use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    ActionItem, Aside, Chapter, ChatLine, CitedLine, GapReason, KeyTerm, MediaTime, MeetingId, Participant,
    ParticipantIdentity, Question, RoomName, Segment, SegmentId, SharedFile, SummarySource, TrackSid,
    UnixMillis, Word,
};

/// What `identity` says from `start_ms` to `end_ms`; its id is made of identity and start.
pub(crate) fn segment(identity: &str, start_ms: u64, end_ms: u64, utterance: u32, text: &str) -> Segment {
    Segment {
        id: SegmentId::parse(format!("SG_{identity}_{start_ms}")).expect("a good id"),
        track: TrackSid::parse(format!("TR_{identity}")).expect("a good SID"),
        speaker: participant(identity, &format!("Dr. {identity}")),
        start: MediaTime::from_millis(start_ms),
        end: MediaTime::from_millis(end_ms),
        text: text.to_owned(),
        language: Some("en".to_owned()),
        words: Vec::new(),
        is_final: true,
        utterance,
    }
}

/// A short lecture with everything in it: two speakers, a listener, words, markup, overlap and a gap.
pub(crate) fn lecture() -> Lecture {
    let mut segments = vec![
        segment(
            "ada",
            1200,
            6400,
            0,
            "Welcome to the first lecture of this course on distributed systems.",
        ),
        segment("ada", 6500, 9000, 0, "Today: *time* & <b>clocks</b>."),
        segment(
            "bob",
            8000,
            20_000,
            0,
            "Is it true that A --> B means that A happened before B, and that no clock in the world can tell, if \
             nobody sends a message from one to the other?",
        ),
        segment("ada", 65_000, 66_000, 1, "Да, именно так."),
    ];
    segments[1].speaker.name = "Ada <Lovelace>\n& Co. \u{202e}".to_owned();
    segments[3].words = [
        ("Да,", 65_000, 65_300),
        ("именно", 65_300, 65_700),
        ("так.", 65_700, 66_000),
    ]
    .map(|(text, start, end)| Word {
        text: text.to_owned(),
        start: MediaTime::from_millis(start),
        end: MediaTime::from_millis(end),
        confidence: 0.5,
    })
    .to_vec();
    Lecture {
        meeting: MeetingId::parse("MT_1").expect("a good id"),
        room: RoomName::parse("physics-101").expect("a good name"),
        room_title: None,
        revision: 0,
        started_at: UnixMillis(1_795_256_100_000),
        duration: Duration::from_secs(70),
        participants: vec![
            participant("ada", "Dr. ada"),
            participant("bob", "Dr. bob"),
            participant("eve", "#panic() *Eve*"),
        ],
        segments,
        gaps: vec![Gap {
            track: TrackSid::parse("TR_bob").expect("a good SID"),
            speaker: participant("bob", "Dr. bob"),
            start: MediaTime::from_millis(23_000),
            end: MediaTime::from_millis(60_000),
            reason: GapReason::RecogniserAway,
        }],
    }
}

/// What was written and shared in [`lecture`].
pub(crate) fn aside() -> Aside {
    Aside {
        messages: vec![ChatLine {
            at: UnixMillis(1_795_256_103_500),
            name: "#panic() *Eve*".to_owned(),
            text: "Is that\nso?".to_owned(),
        }],
        files: vec![SharedFile {
            at: UnixMillis(1_795_256_104_000),
            name: "clocks.pdf".to_owned(),
            shared_by: "Dr. ada".to_owned(),
            bytes: 1_449_000,
        }],
    }
}

/// A summary of [`lecture`].
pub(crate) fn summary() -> Summary {
    let id = |id: &str| SegmentId::parse(id).expect("a good id");
    let line = |text: &str, citations: &[&str]| CitedLine {
        text: text.to_owned(),
        citations: citations.iter().map(|citation| id(citation)).collect(),
    };
    Summary {
        source: SummarySource::EXTRACTIVE,
        title: "Time in [distributed] systems".to_owned(),
        language: Some("en".to_owned()),
        abstract_lines: vec![line("No clock can tell.", &["SG_ada_1200", "SG_bob_8000"])],
        chapters: vec![
            Chapter {
                title: "Welcome".to_owned(),
                start: MediaTime::ZERO,
                end: MediaTime::from_millis(20_000),
                lines: vec![line("1. A course begins.", &["SG_ada_1200"])],
            },
            Chapter {
                title: "Answer".to_owned(),
                start: MediaTime::from_millis(20_000),
                end: MediaTime::from_millis(70_000),
                lines: Vec::new(),
            },
        ],
        key_terms: vec![
            KeyTerm {
                term: "clock".to_owned(),
                explanation: "What can't tell.".to_owned(),
                citations: vec![id("SG_bob_8000")],
            },
            KeyTerm {
                term: "time".to_owned(),
                explanation: String::new(),
                citations: vec![id("SG_ada_6500")],
            },
        ],
        action_items: vec![ActionItem {
            text: "Read the paper.".to_owned(),
            owner: Some("Dr. bob".to_owned()),
            citations: vec![id("SG_ada_65000")],
        }],
        questions: vec![Question {
            question: "Can a clock tell what happened *before*?".to_owned(),
            answer: "No clock in the world can.".to_owned(),
            citations: vec![id("SG_bob_8000")],
        }],
        coverage_percent: 100,
        dropped_lines: 0,
        is_outdated: false,
    }
}

fn participant(identity: &str, name: &str) -> Participant {
    Participant {
        identity: ParticipantIdentity::parse(identity).expect("a good identity"),
        name: name.to_owned(),
    }
}

fn exported(lecture: &Lecture, format: ExportFormat) -> String {
    String::from_utf8(export(lecture, Some(&summary()), format)).expect("UTF-8")
}

#[test]
fn vtt_of_the_example() {
    insta::assert_snapshot!(exported(&lecture(), ExportFormat::Vtt));
}

#[test]
fn srt_of_the_example() {
    insta::assert_snapshot!(exported(&lecture(), ExportFormat::Srt));
}

#[test]
fn txt_of_the_example() {
    insta::assert_snapshot!(exported(&lecture(), ExportFormat::Txt));
}

#[test]
fn md_of_the_example() {
    insta::assert_snapshot!(exported(&lecture(), ExportFormat::Md));
}

#[test]
fn json_of_the_example() {
    insta::assert_snapshot!(exported(&lecture(), ExportFormat::Json));
}

#[test]
fn json_keeps_texts_as_they_came_and_hides_nothing() {
    let mut lecture = lecture();
    lecture.segments[0].text = "a\u{202e}b\n\"c\" \u{feff}".to_owned();
    let json = exported(&lecture, ExportFormat::Json);
    assert!(
        json.contains(r#"a\u202eb\n\"c\" \ufeff"#),
        "hidden characters are written as they are"
    );
    let value: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
    assert_eq!(value["segments"][0]["text"], lecture.segments[0].text);
}

#[test]
fn empty_lecture_exports_too() {
    let empty = Lecture {
        participants: Vec::new(),
        segments: Vec::new(),
        gaps: Vec::new(),
        ..lecture()
    };
    for format in ExportFormat::ALL {
        // Packed; what is in it is read by its own test.
        if format == ExportFormat::Docx {
            assert!(export(&empty, None, format).starts_with(b"PK"));
            continue;
        }
        let file = String::from_utf8(export(&empty, None, format)).expect("UTF-8");
        assert!(
            format == ExportFormat::Srt || file.contains("physics-101"),
            "{format:?}: {file}"
        );
    }
}

#[test]
fn every_format_is_found_by_its_name() {
    for format in ExportFormat::ALL {
        assert_eq!(ExportFormat::parse(format.as_str()), Some(format));
    }
    assert_eq!(ExportFormat::parse("html"), None);
}

/// A cue as a player reads it.
#[derive(Debug, PartialEq)]
struct Shown {
    id: String,
    start: u64,
    end: u64,
    voice: String,
    lines: Vec<String>,
}

/// Reads WebVTT by the rules of its parser: blocks between blank lines, tags, character references.
fn read_vtt(file: &str) -> Vec<Shown> {
    let mut blocks = file.split("\n\n");
    assert_eq!(blocks.next(), Some("WEBVTT"));
    let mut cues = Vec::new();
    for block in blocks {
        if block.starts_with("NOTE ") {
            assert!(!block.contains("-->"));
            continue;
        }
        let mut lines = block.trim_end_matches('\n').lines();
        let id = lines.next().expect("an id").to_owned();
        let (start, end) = lines
            .next()
            .expect("times")
            .split_once(" --> ")
            .expect("an arrow");
        let payload = lines.collect::<Vec<_>>().join("\n");
        assert!(!id.contains("-->") && !payload.contains("-->"), "{block}");
        let (voice, text) = payload
            .strip_prefix("<v ")
            .expect("a voice")
            .split_once('>')
            .expect("its end");
        let text = text.strip_suffix("</v>").expect("the voice's end");
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        cues.push(Shown {
            id,
            start: millis_of(start, '.'),
            end: millis_of(end, '.'),
            voice: unescaped(voice),
            lines: text.lines().map(unescaped).collect(),
        });
    }
    cues
}

/// Reads SubRip as players do: blocks between blank lines.
fn read_srt(file: &str) -> Vec<Shown> {
    file.split_terminator("\n\n")
        .map(|block| {
            let mut lines = block.lines();
            let id = lines.next().expect("a counter").to_owned();
            let (start, end) = lines
                .next()
                .expect("times")
                .split_once(" --> ")
                .expect("an arrow");
            let lines: Vec<_> = lines.map(str::to_owned).collect();
            assert!(
                !lines.is_empty() && !lines.iter().any(|line| line.contains("-->")),
                "{block}"
            );
            Shown {
                id,
                start: millis_of(start, ','),
                end: millis_of(end, ','),
                voice: String::new(),
                lines,
            }
        })
        .collect()
}

fn millis_of(stamp: &str, point: char) -> u64 {
    let (seconds, millis) = stamp.split_once(point).expect("milliseconds");
    assert_eq!(millis.len(), 3);
    let fields: Vec<u64> = seconds
        .split(':')
        .map(|field| field.parse().expect("a number"))
        .collect();
    assert_eq!(fields.len(), 3);
    ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1000 + millis.parse::<u64>().expect("a number")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Texts that have ended a cue, a tag or a file somewhere.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Zа-я,.!? ]{0,200}",
        "(-->|<v X>|&amp;|\n\n|\r|WEBVTT|NOTE|1\n|\\{|世界|\u{202e}| |[a-z]){0,40}",
        "[a-z]{60,100}",
        "[世界时间，。]{0,80}",
    ]
}

fn any_lecture() -> impl Strategy<Value = Lecture> {
    let said = (
        0..3_u32,
        0..100_000_u64,
        0..9_000_u64,
        any_text(),
        any_text(),
        any::<bool>(),
    );
    prop::collection::vec(said, 0..8).prop_map(|said| {
        let mut lecture = lecture();
        lecture.segments = said
            .into_iter()
            .enumerate()
            .map(|(number, (speaker, start, length, text, name, timed))| {
                let mut segment = segment(&format!("p{speaker}"), start, start + length, 0, &text);
                segment.id = SegmentId::parse(format!("{number}-->{number}")).expect("a good id");
                segment.speaker.name = name;
                if timed {
                    segment.words = words_of(&text, start, length);
                }
                segment
            })
            .collect();
        lecture.segments.sort_by_key(|segment| segment.start);
        lecture
    })
}

fn words_of(text: &str, start: u64, length: u64) -> Vec<Word> {
    let count = text.split_whitespace().count().max(1) as u64;
    text.split_whitespace()
        .zip(0..)
        .map(|(word, number)| Word {
            text: word.to_owned(),
            start: MediaTime::from_millis(start + length * number / count),
            end: MediaTime::from_millis(start + length * (number + 1) / count),
            confidence: 0.9,
        })
        .collect()
}

/// What each segment's cues say together, in the order of `lecture`'s segments.
fn said_by_id(lecture: &Lecture, cues: &[Shown]) -> Vec<(String, String)> {
    lecture
        .segments
        .iter()
        .map(|segment| {
            let id = format!("{}-", segment.id.as_str().replace("-->", "--_"));
            let of_segment = cues.iter().filter(|cue| {
                cue.id
                    .strip_prefix(&id)
                    .is_some_and(|number| number.parse::<u32>().is_ok())
            });
            let text: String = of_segment
                .flat_map(|cue| cue.lines.iter())
                .map(|line| letters(line))
                .collect();
            (letters(&plain(&segment.text)), text)
        })
        .collect()
}

proptest! {
    #[test]
    fn vtt_reads_back_to_the_same_words_voices_and_order(lecture in any_lecture()) {
        let cues = read_vtt(&exported(&lecture, ExportFormat::Vtt));
        for (said, shown) in said_by_id(&lecture, &cues) {
            prop_assert_eq!(said, shown);
        }
        let voices: Vec<_> = lecture.segments.iter().map(|segment| name_of(&segment.speaker)).collect();
        let mut ids: Vec<_> = cues.iter().map(|cue| cue.id.clone()).collect();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), cues.len(), "ids are used twice");
        prop_assert!(cues.iter().all(|cue| cue.id.starts_with("gap-") || voices.contains(&cue.voice)));
        prop_assert!(cues.iter().all(|cue| cue.start < cue.end));
        prop_assert!(cues.is_sorted_by_key(|cue| cue.start), "times go back");
    }

    #[test]
    fn subtitles_have_two_lines_of_readable_length(lecture in any_lecture()) {
        for cue in read_vtt(&exported(&lecture, ExportFormat::Vtt)) {
            prop_assert!((1..=2).contains(&cue.lines.len()), "{:?}", cue);
            for line in &cue.lines {
                prop_assert!(plain::columns(line) <= cue::LINE_COLUMNS_MAX, "{:?}", line);
            }
        }
        for cue in read_srt(&exported(&lecture, ExportFormat::Srt)) {
            prop_assert!((1..=2).contains(&cue.lines.len()), "{:?}", cue);
            for line in &cue.lines {
                prop_assert!(plain::columns(&line.replace('\u{2060}', "")) <= cue::LINE_COLUMNS_MAX, "{:?}", line);
            }
        }
    }

    #[test]
    fn srt_counts_from_one_and_never_goes_back(lecture in any_lecture()) {
        let cues = read_srt(&exported(&lecture, ExportFormat::Srt));
        for (number, cue) in cues.iter().enumerate() {
            prop_assert_eq!(&cue.id, &(number + 1).to_string());
            prop_assert!(cue.start < cue.end);
        }
        prop_assert!(cues.is_sorted_by_key(|cue| cue.start), "times go back");
        prop_assert!(cues.iter().flat_map(|cue| &cue.lines).all(|line| !line.contains(['<', '>'])));
        prop_assert_eq!(cues.len(), read_vtt(&exported(&lecture, ExportFormat::Vtt)).len().max(cues.len()));
    }

    #[test]
    fn json_is_valid_and_lossless(lecture in any_lecture()) {
        let json: serde_json::Value =
            serde_json::from_str(&exported(&lecture, ExportFormat::Json)).expect("valid JSON");
        for (segment, written) in lecture.segments.iter().zip(json["segments"].as_array().expect("a list")) {
            prop_assert_eq!(&written["text"], &serde_json::json!(segment.text));
            prop_assert_eq!(&written["name"], &serde_json::json!(segment.speaker.name));
            prop_assert_eq!(&written["startMs"], &serde_json::json!(segment.start.as_millis()));
        }
    }

    #[test]
    fn nothing_said_breaks_a_paragraph_out_of_its_line(lecture in any_lecture()) {
        let txt = exported(&lecture, ExportFormat::Txt);
        prop_assert!(!txt.chars().any(|c| c != '\n' && plain::is_hidden(c)));
        let (head, body) = txt.split_once("\n\n").expect("a head");
        prop_assert!(head.starts_with("physics-101\n"));
        for paragraph in body.trim_end().split("\n\n") {
            prop_assert!(paragraph.starts_with('[') && !paragraph.contains('\n'), "{:?}", paragraph);
        }
    }
}
