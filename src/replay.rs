//! `lectern replay`: the core on WAV files, with a recorded recogniser or a live one.

mod live;
mod model;
mod outcome;
mod playback;
mod recorded;
mod recording;
mod script;
mod summary;
mod wav;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use lectern_agent::{Llm, Recogniser, Stt, Summariser};
use lectern_pipelines::{
    DEEPGRAM_CATCH_UP_RATE, GateSettings, Lecture, MediaTime, MeetingId, Minutes, PageSize, Settings,
    SttSettings, UnixMillis,
};

use self::{
    live::Pace,
    model::ModelRecording,
    outcome::{Outcome, file_name, write_exports, write_pdf},
    playback::Playback,
    recording::Recording,
    script::{MODEL_RECORDING, RECORDING, Script, SummaryEntry},
    summary::{Author, Prompts, Summarised},
};
use crate::{
    config::{FontArgs, LlmArgs, PdfArgs, Problems, SttArgs},
    embedded::Embedded,
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

    /// Keep what a live recogniser (asked in real time) says as the fixture's stt.jsonl, or what a live language model says
    /// about the recorded words as its llm.jsonl.
    #[arg(long, value_name = "WHAT")]
    record: Option<Part>,

    #[command(flatten)]
    recogniser: SttArgs,
    #[command(flatten)]
    llm: LlmArgs,
    #[command(flatten)]
    pdf: PdfArgs,
    #[command(flatten)]
    fonts: FontArgs,
}

/// What of a fixture can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Stt,
    Llm,
}

/// Runs the command.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if args.record.is_some() && args.fixture().is_none() {
        bail!("--record needs one fixture's folder");
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |time| time.as_millis());
    let mut script = Script::load(&args.inputs, UnixMillis(i64::try_from(now)?))?;
    let (listener, author) = args.parts(&mut script)?;
    let aside = std::mem::take(&mut script.aside);
    let paper = args.paper()?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let began = std::time::Instant::now();

    let (lecture, outcome) = transcribe(&args, script, listener).await?;
    let lecture = Arc::new(lecture);
    let summarised = summarise(&args, author, &lecture).await?;
    let mut minutes = Minutes::compose(&lecture, Some(&summarised.summary), &aside);
    minutes.page_size = paper.unwrap_or(minutes.page_size);
    write_exports(&lecture, &summarised.summary, &args.out)?;
    write_pdf(&minutes, &args.fonts.load()?, &args.out, &lecture)?;
    report(&lecture, &outcome, &summarised, began.elapsed(), &args.out);
    let heard_nothing = outcome.segments.is_empty() && !outcome.gaps.is_empty();
    outcome.write_traces(&minutes, &args.out)?;
    if heard_nothing {
        bail!(
            "there is speech, and the recogniser gave not a word for it; `lectern doctor` says what is wrong with it"
        );
    }
    Ok(())
}

/// Where the words come from.
enum Listener {
    /// A recogniser that was recorded.
    Recorded(Recording),
    /// Those that are asked now, and the embedded one's settings if it is among them.
    Live(Box<Stt>, Option<lectern_stt::Config>),
}

impl Args {
    /// Who listens and who summarises. With a fixture's recorded recogniser settings of the machine don't count: the
    /// summary is the recorded one or the built-in one, the same for everybody.
    fn parts(&self, script: &mut Script) -> anyhow::Result<(Listener, Author)> {
        let mut problems = Problems::default();
        let recording = script
            .recording
            .take()
            .filter(|_| self.stt.is_none() && !self.records(Part::Stt));
        if self.records(Part::Llm) && recording.is_none() {
            bail!(
                "--record llm asks about recorded words, and there are none: make record WHAT=stt comes first"
            );
        }
        let asks_model = recording.is_none() || self.records(Part::Llm);
        let llm = asks_model.then(|| self.llm.llm(&mut problems)).flatten();
        let listener = match recording {
            Some(recording) => Listener::Recorded(recording),
            None => self.live_listener(script.language.clone(), &mut problems),
        };
        problems.finish()?;
        let author = match script.model.take() {
            Some(model) if !asks_model => {
                let settings = script.summary.settings(&model.model);
                Author::Recorded(model, settings)
            }
            _ => self.live_author(llm, &script.summary)?,
        };
        Ok((listener, author))
    }

    fn paper(&self) -> anyhow::Result<Option<PageSize>> {
        let mut problems = Problems::default();
        let paper = self.pdf.paper(&mut problems);
        problems.finish()?;
        Ok(paper)
    }

    fn live_listener(&self, language: Option<String>, problems: &mut Problems) -> Listener {
        let mut recogniser = self.recogniser.clone();
        recogniser.deepgram_url = self.stt.clone().or(recogniser.deepgram_url);
        recogniser.stt_language = language.or(recogniser.stt_language);
        let stt = recogniser.connections(problems);
        let embedded = recogniser.embedded(problems);
        let embedded = recogniser.wants_embedded().then_some(embedded);
        Listener::Live(Box::new(stt), embedded)
    }

    fn live_author(&self, mut llm: Option<Llm>, fixture: &SummaryEntry) -> anyhow::Result<Author> {
        if self.records(Part::Llm) {
            let llm = llm
                .as_mut()
                .context("--record llm needs a language model: set OPENAI_API_KEY or OPENAI_BASE_URL")?;
            llm.context_tokens = fixture.context_tokens;
            llm.language.clone_from(&fixture.language);
        }
        let model = llm.as_ref().map_or("", |llm| &llm.model);
        Ok(Author::Live {
            summariser: Box::new(Summariser::new(llm.as_ref())?),
            recording: ModelRecording::of(model),
        })
    }

    fn records(&self, part: Part) -> bool {
        self.record == Some(part)
    }

    /// The fixture's folder, if it is one that is played.
    fn fixture(&self) -> Option<&Path> {
        match self.inputs.as_slice() {
            [folder] if folder.is_dir() => Some(folder),
            _ => None,
        }
    }

    fn keep(&self, file: &str, recorded: &str) -> anyhow::Result<()> {
        let path = self
            .fixture()
            .expect("looked at before anything was recorded")
            .join(file);
        fs::write(&path, recorded).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Plays the script to the listener.
async fn transcribe(args: &Args, script: Script, listener: Listener) -> anyhow::Result<(Lecture, Outcome)> {
    let participants = script
        .voices
        .iter()
        .map(|voice| voice.participant.clone())
        .collect();
    let playback = Playback::new(script.voices);
    let duration = playback.end().since(MediaTime::ZERO);
    let bar = progress_bar(duration);
    let progress = |at: MediaTime| bar.set_position(at.as_millis());
    let outcome = match listener {
        Listener::Recorded(recording) => {
            let settings = settings("replay".to_owned(), fixture_questions(script.language));
            recorded::play(playback, recording, settings, progress)?
        }
        Listener::Live(stt, embedded) => listen(args, stt, embedded, playback, progress).await?,
    };
    bar.finish_and_clear();
    let lecture = Lecture {
        meeting: MeetingId::parse(format!("replay-{}", file_name(script.room.as_str())))?,
        room: script.room,
        room_title: None,
        revision: 0,
        started_at: script.started_at,
        duration,
        participants,
        segments: in_order(outcome.segments.clone()),
        gaps: outcome.gaps.clone(),
    };
    Ok((lecture, outcome))
}

/// Plays to a live recogniser: those of the settings, or our own.
async fn listen(
    args: &Args,
    mut stt: Box<Stt>,
    embedded: Option<lectern_stt::Config>,
    playback: Playback,
    progress: impl FnMut(MediaTime),
) -> anyhow::Result<Outcome> {
    let embedded = match embedded {
        Some(config) => Some(Embedded::start(config).await?),
        None => None,
    };
    if let Some(embedded) = &embedded {
        embedded.take_its_place_in(&mut stt);
    }
    let pace = match &embedded {
        _ if args.records(Part::Stt) => Pace::Times(1.0),
        Some(_) if stt.servers.len() == 1 => Pace::AsAnswered,
        _ => Pace::Times(DEEPGRAM_CATCH_UP_RATE),
    };
    let run = format!("{:x}", std::process::id());
    let recogniser = Recogniser::new(&stt)?;
    let (outcome, recording) =
        live::play(playback, &recogniser, settings(run, stt.settings), pace, progress).await?;
    if args.records(Part::Stt) {
        args.keep(RECORDING, &recording.to_text())?;
    }
    Ok(outcome)
}

async fn summarise(args: &Args, author: Author, lecture: &Arc<Lecture>) -> anyhow::Result<Summarised> {
    let mut prompts = Prompts::default();
    let summarised = author.summarise(lecture, &mut prompts).await;
    // Also those of a summary that came to nothing: they show why.
    prompts.write(&args.out)?;
    let summarised = summarised?;
    if args.records(Part::Llm) {
        if let Some(reason) = &summarised.failure {
            bail!("nothing is recorded: {reason}");
        }
        if let Some(recording) = &summarised.recording {
            args.keep(MODEL_RECORDING, &recording.to_text())?;
        }
    }
    Ok(summarised)
}

fn settings(run: String, stt: SttSettings) -> Settings {
    Settings {
        run,
        gate: GateSettings::for_endpointing(stt.endpointing),
        stt,
        glossary: Vec::new(),
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

fn report(lecture: &Lecture, outcome: &Outcome, summarised: &Summarised, took: Duration, folder: &Path) {
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
    if let Some(reason) = &summarised.failure {
        eprintln!("the summary is the built-in one: {reason}");
    }
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
