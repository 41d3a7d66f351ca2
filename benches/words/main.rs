//! `make bench-words`: word errors of the embedded recogniser, alone and as our captions have them, and what a long
//! lecture's pages cost.
//!
//! Alone, it is given each recording as one stream. As captions, a process of ours gives it the recording as it gives it a
//! room: frames, gate, a stream for each stretch of speech; summary, exports and pages are made of it as well, and their
//! processor time is in the figure.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

mod child;
mod raw;
mod score;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Parser;
use lectern_pipelines::{
    Aside, Lecture, MediaTime, MeetingId, Minutes, Participant, ParticipantIdentity, RoomName, Segment,
    SegmentId, TrackSid, UnixMillis, extractive,
};
use lectern_stt::{Config, Server};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::score::Score;

/// Measures the words of Lectern's captions. Run it by `make bench-words`.
#[derive(Debug, Parser)]
struct Args {
    /// A folder of recordings: WAV files of 16 kHz, mono, each with its words in a .txt beside it.
    #[arg(env = "LECTERN_SPEECH", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/austen"))]
    speech: PathBuf,

    /// Cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let recordings = recordings(&args.speech)?;
    let engine = lectern_stt::check(&Config::for_this_machine())?;
    println!("{} {}: {}\n", engine.name, engine.version, engine.note);
    println!(
        "{:<32} {:<10} {:>6} {:>6} {:>6} {:>6} {:>8} {:>8}",
        "recording", "", "words", "wrong", "missed", "added", "errors", "CPU"
    );
    let mut sums = [(Score::default(), Duration::ZERO); 2];
    for recording in &recordings {
        let said = fs::read_to_string(recording.with_extension("txt"))?;
        let name = recording.file_stem().unwrap_or_default().to_string_lossy();
        let (heard, cpu) = alone(recording).await?;
        let alone = (Score::of(&said, &heard), cpu);
        let captions = tokio::task::spawn_blocking({
            let recording = recording.clone();
            move || captions(&recording)
        });
        let (heard, cpu) = captions.await??;
        let rows = [("alone", alone), ("captions", (Score::of(&said, &heard), cpu))];
        for ((way, (score, cpu)), sum) in rows.into_iter().zip(&mut sums) {
            print_row(&name, way, score, cpu);
            *sum = (sum.0 + score, sum.1 + cpu);
        }
    }
    for (way, (score, cpu)) in ["alone", "captions"].into_iter().zip(sums) {
        print_row("all", way, score, cpu);
    }
    tokio::task::spawn_blocking(print_pages).await?
}

fn print_row(name: &str, way: &str, score: Score, cpu: Duration) {
    println!(
        "{name:<32} {way:<10} {:>6} {:>6} {:>6} {:>6} {:>6.1} % {:>6.1} s",
        score.words,
        score.substitutions,
        score.deletions,
        score.insertions,
        score.percent(),
        cpu.as_secs_f64()
    );
}

/// All WAV files in a folder, by name.
fn recordings(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut recordings: Vec<PathBuf> = paths.collect::<std::io::Result<_>>()?;
    recordings.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    recordings.sort();
    ensure!(
        !recordings.is_empty(),
        "there is no WAV file in {}",
        folder.display()
    );
    Ok(recordings)
}

/// What a recogniser of its own hears in a recording, and what that costs: one that has heard others hears differently.
async fn alone(recording: &Path) -> anyhow::Result<(String, Duration)> {
    let before = own_cpu()?;
    let recogniser = Server::start(Config::for_this_machine()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let serving = tokio::spawn(async move { recogniser.serve(listener, std::future::pending()).await });
    let heard = raw::heard(&address, recording).await?;
    serving.abort();
    Ok((heard, own_cpu()? - before))
}

/// What our captions of a recording say, and what they cost.
fn captions(recording: &Path) -> anyhow::Result<(String, Duration)> {
    let out = tempfile::tempdir()?;
    let (recording, folder) = (recording.display().to_string(), out.path().display().to_string());
    let cost = child::lectern(
        &["replay", &recording, "--out", &folder],
        Stdio::null(),
        Stdio::null(),
    )?;
    let minutes: Value = serde_json::from_slice(&fs::read(out.path().join("minutes.json"))?)?;
    let entries = minutes["transcript"].as_array().into_iter().flatten();
    let texts: Vec<&str> = entries.filter_map(|entry| entry["text"].as_str()).collect();
    Ok((texts.join(" "), cost.cpu))
}

/// What two hours of talk take to be set.
fn print_pages() -> anyhow::Result<()> {
    let lecture = two_hours();
    let minutes = Minutes::compose(&lecture, Some(&extractive(&lecture)), &Aside::default());
    let (input, output) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    serde_json::to_writer(File::create(input.path())?, &minutes)?;
    let cost = child::lectern(
        &["render"],
        File::open(input.path())?.into(),
        File::create(output.path())?.into(),
    )?;
    println!(
        "\nPDF of 2 h, {} words: {:.2} s of CPU, {:.2} s in all, {:.0} MB at most, {} kB",
        lecture
            .segments
            .iter()
            .map(|segment| segment.text.split(' ').count())
            .sum::<usize>(),
        cost.cpu.as_secs_f64(),
        cost.wall.as_secs_f64(),
        cost.peak_mb,
        fs::metadata(output.path())?.len() / 1000
    );
    Ok(())
}

/// Two people who take turns, 20,000 words in 2,000 sentences.
fn two_hours() -> Lecture {
    let words: Vec<&str> = include_str!("../../fixtures/austen/austen.txt")
        .split_whitespace()
        .collect();
    let people = ["Ada", "Ben"].map(|name| Participant {
        identity: ParticipantIdentity::parse(name).expect("an identity"),
        name: name.to_owned(),
    });
    let segment = |number: usize| {
        let said: Vec<&str> = (0..10)
            .map(|word| words[(number * 7 + word * 11) % words.len()])
            .collect();
        let start = MediaTime::from_millis(number as u64 * 3600);
        Segment {
            id: SegmentId::parse(format!("SG_{number}")).expect("an id"),
            track: TrackSid::parse("TR_1").expect("a SID"),
            speaker: people[number / 50 % 2].clone(),
            start,
            end: start + Duration::from_millis(3500),
            text: format!("{}.", said.join(" ")),
            language: Some("en".to_owned()),
            words: Vec::new(),
            is_final: true,
            utterance: u32::try_from(number).expect("few"),
        }
    };
    Lecture {
        meeting: MeetingId::parse("MT_1").expect("an id"),
        room: RoomName::parse("two hours").expect("a name"),
        room_title: None,
        revision: 0,
        started_at: UnixMillis(1_795_256_100_000),
        duration: Duration::from_secs(7200),
        participants: people.to_vec(),
        segments: (0..2000).map(segment).collect(),
        gaps: Vec::new(),
    }
}

/// Processor time of this process so far.
fn own_cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("figures need Linux's /proc")?;
    Ok(child::cpu_in(&stat))
}
