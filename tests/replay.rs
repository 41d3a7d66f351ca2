//! Fixtures played through the whole core: each is a real meeting, in virtual time.
//!
//! `UPDATE_GOLDEN=1 cargo test --test replay` writes the goldens anew; read the diff.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

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
    for (path, said) in [
        (diary, "is no WAV file"),
        (empty, "without any audio"),
        (missing, "cannot open"),
    ] {
        let output = lectern(&[path.as_os_str(), "--out".as_ref(), folder.path().as_os_str()]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{} was taken", path.display());
        assert!(
            message.contains(said) && message.contains(&*path.to_string_lossy()),
            "{message}"
        );
    }
}

/// Plays a fixture and holds everything that came of it against its goldens.
fn check(name: &str) {
    let fixture = root().join("fixtures").join(name);
    let out = tempfile::tempdir().expect("a folder");
    let output = lectern(&[fixture.as_os_str(), "--out".as_ref(), out.path().as_os_str()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let golden = fixture.join("golden");
    // The PDF's page model is a golden; its bytes change with every release of the typesetter.
    let came: BTreeSet<String> = names(out.path())
        .into_iter()
        .filter(|name| !name.ends_with(".pdf"))
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

fn lectern(arguments: &[&std::ffi::OsStr]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_lectern"))
        .arg("replay")
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary runs")
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
