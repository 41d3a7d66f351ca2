//! Subtitles, as programs of another make read them.

use lectern_pipelines::{ExportFormat, Lecture, MediaTime, Segment, Word, export};
use serde_json::{Value, json};

use crate::docx::{lecture, person, read_by, segment};

/// What a format could take for its own: its arrow, its times, tags, comments, empty lines.
fn nasty() -> Lecture {
    let mut lecture = lecture();
    let eve = person("eve", "Eve\n\n--> {\\an8}");
    lecture.participants.push(eve.clone());
    lecture.segments.extend([
        segment(4_000, eve.clone(), "\n\n7\n00:00:01,000 --> 00:59:00,000\nForged"),
        segment(5_000, eve.clone(), "NOTE this\r\n\r\nWEBVTT STYLE"),
        segment(6_000, eve.clone(), "<v Ada>I agree</v> &lt;i&gt; {\\an8}"),
        segment(7_000, eve, "العربية: 1 --> 2 👩‍🏫 é\u{301}"),
    ]);
    lecture
}

/// The cues, each line break in their texts a space.
fn read(lecture: &Lecture, format: ExportFormat) -> Vec<Value> {
    let file = export(lecture, None, format);
    let Value::Array(mut cues) = read_by("read_subtitles.py", &[format.as_str()], &file) else {
        panic!("the reader prints a list");
    };
    for cue in &mut cues {
        let text = cue["text"].as_str().expect("a text").to_owned();
        assert!((1..=2).contains(&text.lines().count()), "{text:?}");
        cue["text"] = text.replace('\n', " ").into();
    }
    cues
}

#[test]
fn web_vtt_is_read_as_it_was_said() {
    let cue = |id: &str, start: u64, end: u64, speaker: &str, text: &str| json!({ "id": id, "startMs": start, "endMs": end, "speaker": speaker, "text": text });
    let (ada, eve) = ("<b>Ada</b> & Co.", "Eve --> {\\an8}");
    assert_eq!(
        read(&nasty(), ExportFormat::Vtt),
        [
            cue("SG_1000-1", 1_000, 1_900, ada, "Is 1 < 2 && \"2\" > 1?"),
            cue("SG_2000-1", 2_000, 2_900, "דן", "כן, Ada, 1 < 2."),
            cue("SG_3000-1", 3_000, 3_900, ada, "光合作用 🧲"),
            cue(
                "SG_4000-1",
                4_000,
                4_900,
                eve,
                "7 00:00:01,000 --> 00:59:00,000 Forged"
            ),
            cue("SG_5000-1", 5_000, 5_900, eve, "NOTE this WEBVTT STYLE"),
            cue(
                "SG_6000-1",
                6_000,
                6_900,
                eve,
                "<v Ada>I agree</v> &lt;i&gt; {\\an8}"
            ),
            cue("SG_7000-1", 7_000, 7_900, eve, "العربية: 1 --> 2 👩‍🏫 é\u{301}"),
            cue(
                "gap-1",
                9_000,
                11_000,
                ada,
                "[0:00:09–0:00:11 not recorded: recogniser away]"
            ),
        ]
    );
}

#[test]
fn sub_rip_is_read_as_it_was_said_but_for_its_brackets() {
    let cue = |id: &str, start: u64, end: u64, text: &str| json!({ "id": id, "startMs": start, "endMs": end, "text": text });
    assert_eq!(
        read(&nasty(), ExportFormat::Srt),
        [
            cue("1", 1_000, 1_900, "‹b›Ada‹/b› & Co.: Is 1 ‹ 2 && \"2\" › 1?"),
            cue("2", 2_000, 2_900, "דן: כן, Ada, 1 ‹ 2."),
            cue("3", 3_000, 3_900, "‹b›Ada‹/b› & Co.: 光合作用 🧲"),
            cue(
                "4",
                4_000,
                4_900,
                "Eve --› {\u{2060}\\an8}: 7 00:00:01,000 --› 00:59:00,000 Forged"
            ),
            cue("5", 5_000, 5_900, "NOTE this WEBVTT STYLE"),
            cue("6", 6_000, 6_900, "‹v Ada›I agree‹/v› &lt;i&gt; {\u{2060}\\an8}"),
            cue("7", 7_000, 7_900, "العربية: 1 --› 2 👩‍🏫 é\u{301}"),
            cue(
                "8",
                9_000,
                11_000,
                "‹b›Ada‹/b› & Co.: [0:00:09–0:00:11 not recorded: recogniser away]"
            ),
        ]
    );
}

#[test]
fn long_speech_is_read_whole_and_in_order() {
    let mut lecture = lecture();
    lecture.gaps.clear();
    lecture.segments = vec![monologue()];
    for format in [ExportFormat::Vtt, ExportFormat::Srt] {
        let cues = read(&lecture, format);
        let time = |cue: &Value, field: &str| cue[field].as_u64().expect("a time");
        assert!(cues.len() > 10, "{}", cues.len());
        assert_eq!(time(&cues[0], "startMs"), 0);
        assert_eq!(time(&cues[cues.len() - 1], "endMs"), 100_000);
        for pair in cues.windows(2) {
            assert!(time(&pair[0], "startMs") < time(&pair[0], "endMs"), "{pair:?}");
            assert!(time(&pair[0], "endMs") <= time(&pair[1], "startMs"), "{pair:?}");
        }
        let texts: Vec<&str> = cues.iter().filter_map(|cue| cue["text"].as_str()).collect();
        assert!(texts.join(" ").ends_with(&monologue().text), "{texts:?}");
    }
}

/// Two hundred words, two a second.
fn monologue() -> Segment {
    let words: Vec<Word> = (0..200)
        .map(|number| Word {
            text: format!("word{number}"),
            start: MediaTime::from_millis(number * 500),
            end: MediaTime::from_millis(number * 500 + 500),
            confidence: 1.0,
        })
        .collect();
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    Segment {
        text: texts.join(" "),
        end: MediaTime::from_millis(100_000),
        words,
        ..segment(0, person("ada", "Ada"), "")
    }
}
