//! `lectern replay`: the core on WAV files, with a recorded recogniser or a live one.

mod live;
mod outcome;
mod playback;
mod recorded;
mod recording;
mod script;
mod wav;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use lectern_agent::Recogniser;
use lectern_pipelines::{
    DEEPGRAM_CATCH_UP_RATE, GateSettings, Lecture, MediaTime, MeetingId, Minutes, Settings, SttSettings,
    UnixMillis, extractive,
};

use self::{
    live::Pace,
    outcome::{Outcome, file_name},
    playback::Playback,
    script::{RECORDING, Script},
};
use crate::{
    config::{Problems, SttArgs},
    embedded::Embedded,
    run::OWN_CATCH_UP_RATE,
};

/// Play WAV files or a fixture through the captioner, as if they were a meeting.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A fixture's folder (with meeting.toml), or WAV files, one for each participant.
    #[arg(required = true, value_name = "FIXTURE|FILE.wav")]
    inputs: Vec<PathBuf>,

    /// Where to write captions, transcript, summary and PDF.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,

    /// Ask this recogniser, whatever the settings or the fixture say: a Deepgram-compatible base URL.
    #[arg(long, value_name = "URL")]
    stt: Option<String>,

    /// Ask a live recogniser in real time and keep what it says as the fixture's stt.jsonl.
    #[arg(long)]
    record: bool,

    #[command(flatten)]
    recogniser: SttArgs,
}

/// Runs the command.
pub(crate) async fn run(mut args: Args) -> anyhow::Result<()> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_millis());
    let mut script = Script::load(&args.inputs, UnixMillis(i64::try_from(now)?))?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let recording = script
        .recording
        .take()
        .filter(|_| args.stt.is_none() && !args.record);
    if args.stt.is_some() {
        args.recogniser.deepgram_url = args.stt.take();
    }
    if script.language.is_some() {
        args.recogniser.stt_language.clone_from(&script.language);
    }
    let participants = script
        .voices
        .iter()
        .map(|voice| voice.participant.clone())
        .collect();
    let playback = Playback::new(std::mem::take(&mut script.voices));
    let duration = playback.end().since(MediaTime::ZERO);
    let bar = progress_bar(duration);
    let began = std::time::Instant::now();
    let progress = |at: MediaTime| bar.set_position(at.as_millis());

    let outcome = match recording {
        Some(recording) => {
            let stt = fixture_questions(script.language.clone());
            recorded::play(playback, recording, settings("replay".to_owned(), stt), progress)?
        }
        None => listen(&args, playback, progress).await?,
    };
    bar.finish_and_clear();

    let lecture = Lecture {
        meeting: MeetingId::parse(format!("replay-{}", file_name(script.room.as_str())))?,
        room: script.room,
        started_at: script.started_at,
        duration,
        participants,
        segments: in_order(outcome.segments.clone()),
        gaps: outcome.gaps.clone(),
    };
    let summary = extractive(&lecture);
    Outcome::write_artifacts(&lecture, &summary, &args.out)?;
    report(&lecture, &outcome, began.elapsed(), &args.out);
    let heard_nothing = outcome.segments.is_empty() && !outcome.gaps.is_empty();
    outcome.write_traces(&Minutes::compose(&lecture, &summary), &args.out)?;
    if heard_nothing {
        bail!(
            "there is speech, and the recogniser gave not a word for it; `lectern doctor` says what is wrong with it"
        );
    }
    Ok(())
}

/// Plays to a live recogniser: the one of the settings, or our own.
async fn listen(args: &Args, playback: Playback, progress: impl FnMut(MediaTime)) -> anyhow::Result<Outcome> {
    let mut problems = Problems::default();
    let config = args.recogniser.embedded(&mut problems);
    let remote = args.recogniser.remote_url();
    let url = remote.as_deref().unwrap_or("http://127.0.0.1:1");
    let mut stt = args
        .recogniser
        .connections(url, DEEPGRAM_CATCH_UP_RATE, &mut problems);
    problems.finish()?;
    let embedded = match remote {
        Some(_) => None,
        None => Some(Embedded::start(config).await?),
    };
    if let Some(embedded) = &embedded {
        stt.base_url.clone_from(&embedded.url);
        stt.settings.catch_up_rate = OWN_CATCH_UP_RATE;
    }
    let pace = match (args.record, &embedded) {
        (true, _) => Pace::Times(1.0),
        (false, Some(_)) => Pace::AsAnswered,
        (false, None) => Pace::Times(DEEPGRAM_CATCH_UP_RATE),
    };
    let run = format!("{:x}", std::process::id());
    let recogniser = Recogniser::new(&stt)?;
    let (outcome, recording) =
        live::play(playback, &recogniser, settings(run, stt.settings), pace, progress).await?;
    if args.record {
        let [folder] = args.inputs.as_slice() else {
            bail!("--record needs one fixture's folder")
        };
        let path = folder.join(RECORDING);
        fs::write(&path, recording.to_text()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(outcome)
}

fn settings(run: String, stt: SttSettings) -> Settings {
    Settings {
        run,
        gate: GateSettings::for_endpointing(stt.endpointing),
        stt,
        last_finals: LAST_FINALS,
    }
}

/// A fixture is the same for everybody: settings of the machine don't count.
fn fixture_questions(language: Option<String>) -> SttSettings {
    SttSettings {
        language,
        ..SttSettings::with_endpointing(Duration::from_millis(300))
    }
}

fn in_order(mut segments: Vec<lectern_pipelines::Segment>) -> Vec<lectern_pipelines::Segment> {
    segments.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    segments
}

fn progress_bar(duration: Duration) -> ProgressBar {
    let bar = ProgressBar::new(duration.as_millis() as u64);
    let style = ProgressStyle::with_template("{wide_bar} {percent} %  {elapsed} gone, {eta} to go")
        .expect("the template's names are indicatif's");
    bar.set_style(style);
    bar
}

fn report(lecture: &Lecture, outcome: &Outcome, took: Duration, folder: &std::path::Path) {
    let words: usize = lecture
        .segments
        .iter()
        .map(|segment| segment.text.split_whitespace().count())
        .sum();
    eprintln!(
        "{} segments, {words} words of {:.0} s in {:.1} s; written to {}",
        lecture.segments.len(),
        lecture.duration.as_secs_f64(),
        took.as_secs_f64(),
        folder
            .join(file_name(lecture.room.as_str()))
            .with_extension("*")
            .display()
    );
    for gap in &outcome.gaps {
        eprintln!(
            "{} to {} of {}: {}",
            gap.start,
            gap.end,
            gap.speaker.name,
            gap.reason.as_str()
        );
    }
    for (reason, count) in &outcome.rejected {
        eprintln!("{count} times: {reason}");
    }
}

/// After the end of a file there is no meeting that must close: slow recognisers get their time.
const LAST_FINALS: Duration = Duration::from_secs(30);
