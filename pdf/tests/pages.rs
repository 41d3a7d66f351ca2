//! What a reader finds in the PDF, as poppler reads it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use lectern_pdf::{Fonts, Rendered, render_pdf, render_stream};
use lectern_pipelines::{
    ActionNotes, Attendee, ChapterNotes, ChatNotes, Entry, FileNotes, Line, MediaTime, Minutes, PageSize,
    QuestionNotes, Source, TermNotes, UnixMillis,
};

/// Whoever writes these into a name or says them must get them back, letter by letter.
const INJECTIONS: [&str; 10] = [
    "#panic()",
    "*bold* _emph_",
    "$x^2$",
    "<label> @label",
    "]#text[",
    "= Heading",
    "\\u{202e} \\",
    "`raw` ```typ #panic()```",
    "// comment /* */",
    "\"quoted\" #sys.inputs",
];

#[test]
fn same_minutes_give_the_same_bytes() {
    assert_eq!(rendered(&minutes()).bytes, rendered(&minutes()).bytes);
    let other = Minutes {
        title: "Another".to_owned(),
        ..minutes()
    };
    assert_ne!(rendered(&minutes()).bytes, rendered(&other).bytes);
}

#[test]
fn text_of_every_part_is_there() {
    let text = text_of(&rendered(&minutes()).bytes);
    for part in [
        "Order without clocks",
        "21 November 2026, 10:15 UTC",
        "physics-101",
        "Events are ordered by messages.",
        "Built-in extractive summary",
        "Happened before",
        "Lamport clock",
        "A counter in every message.",
        "Read the paper.",
        "What orders events?",
        "The messages between machines.",
        "Where are the slides?",
        "slides.pdf 1.4 MB, shared by Ada Lovelace",
        "Ada Lovelace",
        "Also there: Noël Ørsted",
        "Welcome to the course.",
        "[0:00:30–0:01:00 not recorded: recogniser away]",
        "0:01:05",
        "1 / 3",
        "3 / 3",
    ] {
        assert!(text.contains(part), "{part:?} is missing from {text}");
    }
}

#[test]
fn cyrillic_and_greek_come_out_as_they_are() {
    let rendered = rendered(&minutes());
    let text = text_of(&rendered.bytes);
    assert!(
        text.contains("Съешь ещё этих мягких французских булок") && text.contains("Ξεσκεπάζω"),
        "{text}"
    );
    assert_eq!(rendered.missing, Vec::<char>::new());
}

#[test]
fn markup_in_names_and_words_is_printed_as_it_stands() {
    for injection in INJECTIONS {
        let mut minutes = minutes();
        minutes.title = injection.to_owned();
        minutes.room = injection.to_owned();
        minutes.participants[0].name = injection.to_owned();
        minutes.chapters[0].title = injection.to_owned();
        minutes.summary[0].text = injection.to_owned();
        minutes.action_items[0].owner = Some(injection.to_owned());
        minutes.transcript[1] = Entry::Paragraph {
            speaker: 0,
            start: MediaTime::ZERO,
            end: MediaTime::ZERO,
            text: injection.to_owned(),
        };
        let text = text_of(&rendered(&minutes).bytes);
        // Title, room, contents, summary, chapter twice, action, participant, speaker, words; more in headers.
        assert!(text.matches(injection).count() >= 9, "{injection:?} in {text}");
    }
}

#[test]
fn no_title_however_odd_stops_the_pages() {
    for title in [
        "",
        " ",
        "\u{202e}",
        "\u{0}\n",
        &"x".repeat(2000),
        &"слово ".repeat(300),
    ] {
        let odd = Minutes {
            title: title.to_owned(),
            room: title.to_owned(),
            ..minutes()
        };
        assert!(rendered(&odd).pages >= 2, "{title:?}");
    }
}

#[test]
fn empty_minutes_still_make_a_page() {
    let empty = Minutes {
        participants: Vec::new(),
        summary: Vec::new(),
        chapters: Vec::new(),
        key_terms: Vec::new(),
        action_items: Vec::new(),
        questions: Vec::new(),
        chat: Vec::new(),
        files: Vec::new(),
        transcript: Vec::new(),
        language: None,
        ..minutes()
    };
    assert!(text_of(&rendered(&empty).bytes).contains("Nobody spoke."));
}

#[test]
fn minutes_without_a_summary_say_nothing_of_one() {
    let transcript = Minutes {
        title: "Thermodynamics".to_owned(),
        source_note: String::new(),
        summary: Vec::new(),
        chapters: Vec::new(),
        key_terms: Vec::new(),
        action_items: Vec::new(),
        questions: Vec::new(),
        chat: Vec::new(),
        files: Vec::new(),
        transcript: Vec::new(),
        ..minutes()
    };
    let text = text_of(&rendered(&transcript).bytes);
    assert!(
        text.contains("Thermodynamics") && !text.contains("Summary"),
        "{text}"
    );
}

#[test]
fn characters_without_a_glyph_are_named_never_blank() {
    let mut minutes = minutes();
    minutes.participants[1].name = "王小明 \u{E123}".to_owned();
    let rendered = rendered(&minutes);
    assert_eq!(rendered.missing, ['小', '明', '王', '\u{E123}']);
    let text = text_of(&rendered.bytes);
    assert!(text.contains("[U+738B][U+5C0F][U+660E] [U+E123]"), "{text}");
    assert!(
        text.contains("U+5C0F U+660E U+738B: install fonts-noto-cjk"),
        "{text}"
    );
}

#[test]
fn document_is_tagged_titled_dated_and_of_the_paper_that_was_asked_for() {
    let letter = Minutes {
        page_size: PageSize::Letter,
        language: Some("de-AT".to_owned()),
        ..minutes()
    };
    let info = poppler("pdfinfo", &["-isodates", "-"], &rendered(&letter).bytes);
    for fact in [
        "Title:           Order without clocks",
        "CreationDate:    2026-11-21T10:15:00Z",
        "Tagged:          yes",
        "Pages:           3",
        "Page size:       612 x 792 pts (letter)",
    ] {
        assert!(info.contains(fact), "{fact:?} is missing from {info}");
    }
    let structure = poppler("pdfinfo", &["-struct", "-"], &rendered(&letter).bytes);
    for tag in ["H1", "H2", "TOC", "Link"] {
        assert!(structure.contains(tag), "{tag:?} is missing from {structure}");
    }
}

#[test]
fn pages_say_that_they_are_accessible_and_of_what_language() {
    let rendered = rendered(&Minutes {
        language: Some("de-AT".to_owned()),
        ..minutes()
    });
    assert_eq!(rendered.flaw, None);
    let file = String::from_utf8_lossy(&rendered.bytes);
    let metadata = poppler("pdfinfo", &["-meta", "-"], &rendered.bytes);
    assert!(metadata.contains("<pdfuaid:part>1</pdfuaid:part>"), "{metadata}");
    for entry in [
        "/MarkInfo",
        "/Marked true",
        "/StructTreeRoot",
        "/DisplayDocTitle true",
        "/Lang(de-AT)",
        "/Outlines",
    ] {
        assert!(file.contains(entry), "{entry}");
    }
}

#[test]
fn odd_letters_and_titles_still_make_accessible_pages() {
    let mut odd = minutes();
    odd.title = " \u{200b}".to_owned();
    odd.chapters[0].title = String::new();
    odd.summary[0].text = "\u{E123} \u{fffd} a\u{301}\u{301} \u{ad}".to_owned();
    assert_eq!(rendered(&odd).flaw, None);
}

/// The fonts that `scripts/setup test` installs, in one line and in paragraphs of their own.
#[test]
fn seven_scripts_are_set_side_by_side() {
    let fonts = Fonts::load(&[]).expect("the system's fonts");
    let scripts = [
        "Latin",
        "кириллица",
        "ελληνικά",
        "汉字",
        "かな",
        "العربية",
        "עברית",
        "देवनागरी",
    ];
    let mut minutes = minutes();
    minutes.summary[0].text = scripts.join(" ");
    for language in ["en", "ar", "he", "zh", "hi"] {
        minutes.language = Some(language.to_owned());
        let rendered = render_pdf(&minutes, &fonts).expect("pages");
        assert_eq!(
            (rendered.missing, rendered.flaw),
            (Vec::new(), None),
            "{language}: `scripts/setup test` installs fonts"
        );
        // Marks of Arabic and Devanagari come out in an order of poppler's own.
        let text = text_of(&rendered.bytes);
        for script in &scripts[..5] {
            assert!(text.contains(script), "{script} in {text}");
        }
    }
}

#[test]
fn pages_speak_the_language_of_the_summary_where_fonts_have_it() {
    let in_language = |language: &str, fonts: &Fonts| {
        let minutes = Minutes {
            language: Some(language.to_owned()),
            ..minutes()
        };
        let rendered = render_pdf(&minutes, fonts).expect("pages");
        assert_eq!(rendered.missing, Vec::<char>::new(), "{language}");
        text_of(&rendered.bytes)
    };
    let installed = Fonts::load(&[]).expect("the system's fonts");
    for (language, labels) in [
        ("de", ["MITSCHRIFT", "Wichtige Begriffe", "sprach 0:00:20"]),
        (
            "ru",
            ["КОНСПЕКТ ЛЕКЦИИ", "Ключевые понятия", "время речи 0:00:20"],
        ),
        ("zh", ["讲座笔记", "关键术语", "发言 0:00:20"]),
        ("zh-Hant", ["講座筆記", "關鍵術語", "發言 0:00:20"]),
    ] {
        let text = in_language(language, &installed);
        for label in labels {
            assert!(text.contains(label), "{label} in {text}");
        }
        assert!(!text.contains("Key terms"), "{text}");
    }
    // Several words come out in an order of poppler's own.
    for (language, label) in [("ar", "المدة"), ("he", "תקציר")] {
        let text = in_language(language, &installed);
        assert!(text.contains(label), "{label} in {text}");
    }
    for language in ["zh", "fi"] {
        let text = in_language(language, &Fonts::built_in());
        assert!(text.contains("Key terms"), "{language}: {text}");
    }
}

#[test]
fn summary_and_contents_lead_to_the_transcript() {
    let links = poppler("pdfinfo", &["-dests", "-"], &rendered(&minutes()).bytes);
    let annotations = rendered(&minutes());
    let count = String::from_utf8_lossy(&annotations.bytes)
        .matches("/Subtype/Link")
        .count();
    // Nine sections and one chapter in the contents; a chapter, a line, a term, an action and an answer lead on.
    assert!(count >= 15, "{count} links; {links}");
}

#[test]
fn minutes_travel_as_json() {
    let json = serde_json::to_vec(&minutes()).expect("minutes become JSON");
    let mut bytes = Vec::new();
    let said = render_stream(json.as_slice(), &mut bytes, &Fonts::built_in()).expect("pages");
    assert_eq!((bytes, said.pages), (rendered(&minutes()).bytes, 3));
}

#[test]
fn two_hours_of_talk_are_set_whole() {
    let mut minutes = minutes();
    let sentence =
        "The order of events needs no common clock, only the messages that pass between machines. ";
    let talk = (0..600).map(|number| Entry::Paragraph {
        speaker: number % 2,
        start: MediaTime::from_millis(number as u64 * 12_000),
        end: MediaTime::from_millis(number as u64 * 12_000 + 11_000),
        text: format!("{}Mark{number}.", sentence.repeat(3)),
    });
    minutes.transcript = [Entry::Chapter { chapter: 0 }].into_iter().chain(talk).collect();
    let rendered = rendered(&minutes);
    let text = text_of(&rendered.bytes);
    let found = (0..600)
        .filter(|number| text.contains(&format!("Mark{number}.")))
        .count();
    assert_eq!(found, 600);
    assert!(text.contains(&format!("{0} / {0}", rendered.pages)));
}

fn rendered(minutes: &Minutes) -> Rendered {
    render_pdf(minutes, &Fonts::built_in()).expect("pages")
}

/// The words in reading order, each run of white space one space.
fn text_of(pdf: &[u8]) -> String {
    let text = poppler("pdftotext", &["-raw", "-", "-"], pdf);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn poppler(tool: &str, arguments: &[&str], pdf: &[u8]) -> String {
    // poppler's "-" wants a file it can seek in.
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(pdf).expect("room for the PDF");
    let arguments: Vec<_> = match arguments.split_first() {
        Some((&"-raw", _)) => vec!["-raw".into(), file.path().as_os_str().to_owned(), "-".into()],
        _ => arguments
            .iter()
            .map(|&argument| match argument {
                "-" => file.path().as_os_str().to_owned(),
                other => other.into(),
            })
            .collect(),
    };
    let output = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}; install poppler-utils"));
    assert!(
        output.status.success(),
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn minutes() -> Minutes {
    let at = MediaTime::from_millis;
    let source = Source {
        time: at(0),
        entry: 1,
    };
    Minutes {
        meeting: "MT_1".to_owned(),
        title: "Order without clocks".to_owned(),
        room: "physics-101".to_owned(),
        language: Some("en".to_owned()),
        spoken_language: Some("en".to_owned()),
        page_size: PageSize::A4,
        started_at: UnixMillis(1_795_256_100_000),
        date: "21 November 2026, 10:15 UTC".to_owned(),
        duration: at(90_000),
        participants: vec![
            Attendee {
                name: "Ada Lovelace".to_owned(),
                spoke: at(20_000),
            },
            Attendee {
                name: "Noël Ørsted".to_owned(),
                spoke: at(0),
            },
        ],
        source_note: "Built-in extractive summary: sentences picked from the transcript.".to_owned(),
        summary: vec![Line {
            text: "Events are ordered by messages.".to_owned(),
            sources: vec![source],
        }],
        chapters: vec![ChapterNotes {
            title: "Happened before".to_owned(),
            start: at(0),
            end: at(90_000),
            lines: Vec::new(),
        }],
        key_terms: vec![TermNotes {
            term: "Lamport clock".to_owned(),
            explanation: "A counter in every message.".to_owned(),
            sources: vec![source],
        }],
        action_items: vec![ActionNotes {
            text: "Read the paper.".to_owned(),
            owner: Some("Noël Ørsted".to_owned()),
            sources: vec![source],
        }],
        questions: vec![QuestionNotes {
            question: "What orders events?".to_owned(),
            answer: "The messages between machines.".to_owned(),
            sources: vec![source],
        }],
        chat: vec![ChatNotes {
            time: at(2000),
            name: "Noël Ørsted".to_owned(),
            text: "Where are the slides?".to_owned(),
        }],
        files: vec![FileNotes {
            time: at(3000),
            name: "slides.pdf".to_owned(),
            shared_by: "Ada Lovelace".to_owned(),
            size: "1.4 MB".to_owned(),
        }],
        transcript: vec![
            Entry::Chapter { chapter: 0 },
            Entry::Paragraph {
                speaker: 0,
                start: at(0),
                end: at(4000),
                text: "Welcome to the course.".to_owned(),
            },
            Entry::Gap {
                speaker: 0,
                start: at(30_000),
                end: at(60_000),
                reason: "recogniser away".to_owned(),
            },
            Entry::Paragraph {
                speaker: 0,
                start: at(65_000),
                end: at(69_000),
                text: "Съешь ещё этих мягких французских булок. Ξεσκεπάζω".to_owned(),
            },
        ],
    }
}
