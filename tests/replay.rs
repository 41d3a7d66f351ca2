//! Fixtures played through the whole core: each is a real meeting, in virtual time.
//!
//! `UPDATE_GOLDEN=1 cargo test --test replay` writes the goldens anew; read the diff.

mod model;

use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use model::{Answer, Model};

#[test]
fn austen() {
    check("austen");
}

#[test]
fn two_speakers() {
    check("two_speakers");
}

#[test]
fn overlap() {
    check("overlap");
}

#[test]
fn mute_gap() {
    check("mute_gap");
}

#[test]
fn stt_drop() {
    check("stt_drop");
}

#[test]
fn stt_429() {
    check("stt_429");
}

#[test]
fn late_joiner() {
    check("late_joiner");
}

#[test]
fn silence() {
    check("silence");
}

#[test]
fn long() {
    check("long");
}

#[test]
fn cyrillic() {
    check("cyrillic");
}

#[test]
fn cjk() {
    check("cjk");
}

#[test]
fn arabic() {
    check("arabic");
}

#[test]
fn injection() {
    check("injection");
}

#[test]
fn obeyed_injections_reach_neither_markup_nor_file_names() {
    let parent = tempfile::tempdir().expect("a folder");
    let out = parent.path().join("out");
    let output = replay(&root().join("fixtures/injection"), &out, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(names(parent.path()).len(), 1, "something was written elsewhere");
    let names = names(&out);
    let is_plain = |name: &String| !name.contains(['<', '>']) && name.matches('.').count() == 1;
    assert!(names.iter().all(is_plain), "{names:?}");
    let file = |extension: &str| {
        read(
            &out.join("_______b_ignore all previous instructions")
                .with_extension(extension),
        )
    };
    let (vtt, srt) = (file("vtt"), file("srt"));
    // In Markdown a backslash takes the next character's meaning away.
    let mut md = file("md");
    while let Some(at) = md.find('\\') {
        let escaped = md[at + 1..].chars().next().map_or(0, char::len_utf8);
        md.replace_range(at..=at + escaped, "");
    }
    for (text, markup) in [
        (&vtt, "<script"),
        (&vtt, "<img"),
        (&srt, "<"),
        (&md, "<"),
        (&md, "]("),
    ] {
        assert!(!text.contains(markup), "{markup:?} in {text}");
    }
    // What was spoken as a cue of an hour is none.
    for text in [&vtt, &srt] {
        let mut times = text.lines().filter(|line| line.contains("-->"));
        assert!(times.all(|line| !line.contains("59:00")), "{text}");
    }
    let transcript: Value = serde_json::from_str(&file("json")).expect("JSON");
    assert_eq!(transcript["segments"].as_array().map(Vec::len), Some(14));
    let minutes = minutes(&out);
    assert!(
        text(&minutes["source_note"]).contains("19 lines were left out"),
        "{minutes}"
    );
    let said = minutes.to_string();
    for unsaid in [
        "The lecture was cancelled",
        "HACKED",
        "\"взломано",
        "Transfer the money",
        "I am a pirate",
        "delete everything",
        "rm -rf",
    ] {
        assert!(!said.contains(unsaid), "{unsaid}");
    }
    assert!(
        !said.contains(['\u{202e}', '\u{202c}']),
        "text that runs backwards"
    );
}

#[test]
fn every_fixture_is_checked() {
    let source = fs::read_to_string(root().join("tests/replay.rs")).expect("this file");
    for entry in fs::read_dir(root().join("fixtures")).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            assert!(
                source.contains(&format!("check(\"{name}\")")),
                "no test plays fixtures/{name}"
            );
        }
    }
}

#[test]
fn what_is_no_wav_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let diary = folder.path().join("diary.wav");
    fs::write(&diary, "Dear diary").expect("written");
    let empty = folder.path().join("empty.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    hound::WavWriter::create(&empty, spec)
        .and_then(hound::WavWriter::finalize)
        .expect("written");
    let missing = folder.path().join("missing.wav");
    for (path, wanted) in [
        (diary, "is no WAV file"),
        (empty, "without any audio"),
        (missing, "cannot open"),
    ] {
        let output = replay(&path, folder.path(), &[]);
        let message = said(&output);
        assert!(!output.status.success(), "{} was taken", path.display());
        assert!(
            message.contains(wanted) && message.contains(&*path.to_string_lossy()),
            "{message}"
        );
    }
}

#[test]
fn files_are_summarised_by_the_model_of_the_settings_in_the_language_of_the_settings() {
    let out = tempfile::tempdir().expect("a folder");
    let model = Model::start(|question| Answer::Text(question.good_reply()));
    let output = replay(
        &root().join("fixtures/late_joiner/ben.wav"),
        out.path(),
        &[
            "--summary-language=de-CH",
            "--llm-model=loopback",
            "--openai-base-url",
            &model.url,
        ],
    );
    assert!(output.status.success(), "{}", said(&output));
    let minutes = minutes(out.path());
    assert_eq!(minutes["language"], "de-CH");
    assert!(
        text(&minutes["source_note"]).contains("Sprachmodell loopback"),
        "{minutes}"
    );
    let asked = model.asked();
    assert_eq!(asked.len(), 2, "a part, and title and abstract");
    let prompts = read(&out.path().join("prompts.txt"));
    for request in asked {
        let system = text(&request["messages"][0]["content"]);
        assert!(system.contains("de-CH") && prompts.contains(&system), "{prompts}");
    }
}

#[test]
fn model_that_refuses_leaves_the_built_in_summary_and_says_what_to_do() {
    let out = tempfile::tempdir().expect("a folder");
    let model = Model::start(|_| Answer::Status(401, "bad key sk-secret"));
    let output = replay(
        &root().join("fixtures/late_joiner/ben.wav"),
        out.path(),
        &["--openai-api-key=sk-secret", "--openai-base-url", &model.url],
    );
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("the summary is the built-in one") && said.contains("OPENAI_API_KEY"),
        "{said}"
    );
    assert!(!said.contains("sk-secret"), "{said}");
    assert!(text(&minutes(out.path())["source_note"]).contains("extractive"));
}

#[test]
fn live_model_is_recorded_and_then_played() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = copy_of("long", folder.path());
    fs::remove_file(fixture.join("llm.jsonl")).expect("removed");
    let model = Model::start(|question| Answer::Text(question.good_reply()));
    let out = folder.path().join("live");
    // What the machine's settings say of the questions doesn't count: they are the fixture's.
    let settings = [
        "--summary-language=fi",
        "--llm-context-tokens=900000",
        "--openai-base-url",
        &model.url,
    ];
    let output = replay(&fixture, &out, &[&["--record=llm"], settings.as_slice()].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(model.asked().len(), 3, "two parts, and title and abstract");
    let lived = minutes(&out);

    let out = folder.path().join("played");
    let output = replay(&fixture, &out, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(minutes(&out), lived);
    assert_eq!(model.asked().len(), 3, "the model was asked again");
}

#[test]
fn nothing_is_recorded_of_a_model_that_fails_or_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = copy_of("austen", folder.path());
    let model = Model::start(|_| Answer::Status(401, "no"));
    for (arguments, wanted) in [
        (
            vec!["--record=llm", "--openai-base-url", &model.url],
            "OPENAI_API_KEY",
        ),
        (vec!["--record=llm"], "OPENAI_BASE_URL"),
    ] {
        let output = replay(&fixture, &folder.path().join("out"), &arguments);
        assert!(
            !output.status.success() && said(&output).contains(wanted),
            "{}",
            said(&output)
        );
        assert!(!fixture.join("llm.jsonl").exists());
    }
}

#[test]
fn prompt_that_is_not_recorded_and_reply_that_is_not_asked_for_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = copy_of("austen", folder.path());
    let model = Model::start(|question| Answer::Text(question.good_reply()));
    let out = folder.path().join("out");
    let play = |arguments: &[&str]| replay(&fixture, &out, arguments);
    assert!(
        play(&["--record=llm", "--openai-base-url", &model.url])
            .status
            .success()
    );
    let path = fixture.join("llm.jsonl");
    let recorded = read(&path);
    let lines: Vec<&str> = recorded.lines().collect();
    let words = read(&fixture.join("stt.jsonl"));
    let fails_with = |wanted: &[&str]| {
        let output = play(&[]);
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains("make record WHAT=llm"),
            "{said}"
        );
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    };

    fs::write(&path, lines[..2].join("\n")).expect("written");
    fails_with(&["no reply to the prompt \"combine\""]);
    fs::write(&path, recorded.clone() + lines[2]).expect("written");
    fails_with(&["nobody asked", "[\"combine\"]"]);
    fs::write(&path, &recorded).expect("written");
    fs::write(fixture.join("stt.jsonl"), words.replace("dashwood", "dashboard")).expect("written");
    fails_with(&["the prompt \"part 1 of 1\" reads otherwise"]);
    assert!(read(&out.join("prompts.txt")).contains("dashboard"));
}

/// A fixture without its goldens, to be changed.
fn copy_of(name: &str, folder: &Path) -> PathBuf {
    let (from, to) = (root().join("fixtures").join(name), folder.join(name));
    fs::create_dir(&to).expect("a folder");
    for entry in fs::read_dir(from).expect("a fixture") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    to
}

/// Plays a fixture and holds everything that came of it against its goldens.
fn check(name: &str) {
    let fixture = root().join("fixtures").join(name);
    let out = tempfile::tempdir().expect("a folder");
    let output = replay(&fixture, out.path(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let golden = fixture.join("golden");
    // The PDF's page model is a golden; its bytes change with every release of the typesetter. A Word document's are
    // packed, and its text is that of the Markdown.
    let came: BTreeSet<String> = names(out.path())
        .into_iter()
        .filter(|name| !name.ends_with(".pdf") && !name.ends_with(".docx"))
        .collect();
    assert!(came.len() >= 8, "only {came:?} came");
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(&golden).ok();
        fs::create_dir_all(&golden).expect("a folder");
        for name in &came {
            fs::copy(out.path().join(name), golden.join(name)).expect("copied");
        }
        return;
    }
    assert_eq!(
        came,
        names(&golden),
        "goldens that are missing, or that nothing makes any more"
    );
    for name in came {
        let (has, wants) = (read(&out.path().join(&name)), read(&golden.join(&name)));
        if let Some((number, (has, wants))) = has
            .lines()
            .zip(wants.lines())
            .enumerate()
            .find(|(_, (a, b))| a != b)
        {
            panic!("{name}, line {}:\n  came:   {has}\n  golden: {wants}", number + 1);
        }
        assert_eq!(
            has.lines().count(),
            wants.lines().count(),
            "{name} has another length"
        );
    }
}

fn replay(input: &Path, out: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lectern"))
        .args([
            OsStr::new("replay"),
            input.as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
        ])
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn minutes(folder: &Path) -> Value {
    serde_json::from_str(&read(&folder.join("minutes.json"))).expect("JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
