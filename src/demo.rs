//! `lectern demo`: the whole line on one machine, from a voice to a PDF.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, bail};
use lectern_agent::{HeardCaption, LiveKit, Speaker, delete_room};
use lectern_pipelines::{ParticipantIdentity, RoomName, SAMPLE_RATE_HZ, Stage};
use lectern_storage::Database;
use tokio::sync::mpsc;

use crate::{
    livekit_server::LiveKitServer,
    meetings::{self, ArtifactArgs},
    run::{self, UpArgs},
    signals::Stop,
};

/// Settings of `lectern demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is spoken: a WAV file, 16 kHz mono.
    #[arg(long, value_name = "FILE.wav", default_value = "fixtures/austen/austen.wav")]
    speech: PathBuf,
    /// Who speaks.
    #[arg(long, default_value = "Jane")]
    name: String,
    /// Where the PDF and the transcript go.
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    out: PathBuf,
    #[command(flatten)]
    up: UpArgs,
}

/// Runs the demo and says how long each step took.
pub(crate) async fn run(mut args: Args) -> anyhow::Result<()> {
    let speech = read_speech(&args.speech)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    // A demo leaves the machine's own settings and data alone.
    args.up.use_own_data(&args.out.join("data"));
    let mut steps = Steps {
        done: Vec::new(),
        since: Instant::now(),
    };

    let server = LiveKitServer::start(&args.out.join("livekit"), None).await?;
    let livekit = server.livekit.clone();
    args.up.use_livekit(&livekit);
    steps.done("LiveKit server started");

    let (stop_wishes, stop) = Stop::by_hand();
    let mut up = run::Up::start(&args.up, stop).await?;
    up.wait_until_registered(Duration::from_secs(20)).await?;
    steps.done("worker registered");

    let outcome = tokio::select! {
        outcome = hold_meeting(&args, &livekit, &speech, &mut steps) => outcome,
        () = interrupted() => Err(anyhow::anyhow!("interrupted")),
    };
    stop_wishes.send_replace(1);
    up.finish().await?;
    server.stop().await;
    outcome?;
    steps.print();
    Ok(())
}

async fn hold_meeting(
    args: &Args,
    livekit: &LiveKit,
    speech: &[i16],
    steps: &mut Steps,
) -> anyhow::Result<()> {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let room = RoomName::parse(format!("demo-{seconds}"))?;
    let identity = ParticipantIdentity::parse(args.name.to_lowercase())?;
    let (speaker, captions) = Speaker::join(livekit, &room, &identity, &args.name).await?;
    steps.done("speaker joined");
    eprintln!(
        "\n{} speaks for {} s in room {room}; captions as a participant sees them:\n",
        args.name,
        speech.len() / SAMPLE_RATE_HZ as usize
    );

    let printer = tokio::spawn(print_captions(captions));
    // Whoever starts before the captioner listens is captioned late: give it the moment a person would take.
    speaker.say(&vec![0; SAMPLE_RATE_HZ as usize]).await?;
    speaker.say(speech).await?;
    speaker.say(&vec![0; 3 * SAMPLE_RATE_HZ as usize]).await?;
    steps.done("speech captioned");
    delete_room(livekit, &room).await?;
    let finals = printer.await?;
    speaker.leave().await;
    if finals == 0 {
        bail!("no caption came: see the messages above");
    }

    let database = meetings::open(&args.up.storage).await?;
    wait_for_artifacts(&database, &room, steps).await?;
    fetch(args, &room).await
}

async fn wait_for_artifacts(database: &Database, room: &RoomName, steps: &mut Steps) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut reached = Stage::Live;
    while reached != Stage::Rendered {
        let Some(meeting) = database.latest_meeting(room).await? else {
            bail!("the meeting was not stored")
        };
        for stage in Stage::ALL
            .into_iter()
            .filter(|stage| *stage > reached && *stage <= meeting.stage)
        {
            steps.done(match stage {
                Stage::Live => "live",
                Stage::Ended => "room ended",
                Stage::Transcribed => "transcript complete",
                Stage::Summarised => "summary written",
                Stage::Rendered => "PDF made",
            });
        }
        reached = meeting.stage;
        if began.elapsed() > ARTIFACT_TIMEOUT {
            bail!(
                "the meeting stays {reached}: {}",
                meeting.failure.unwrap_or_default()
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn fetch(args: &Args, room: &RoomName) -> anyhow::Result<()> {
    let pdf = args.out.join("lecture.pdf");
    let storage = args.up.storage.clone();
    meetings::artifact(ArtifactArgs {
        room: room.to_string(),
        meeting: None,
        output: pdf.clone(),
        storage,
    })
    .await?;
    eprintln!("\nThe lecture artifact: {}", pdf.display());
    let data = args.up.storage.data.display();
    eprintln!("Its transcript:       lectern transcript {room} --data {data} --format md");
    Ok(())
}

/// Prints finals as lines and, on a terminal, interims in place; gives the number of finals.
async fn print_captions(mut captions: mpsc::UnboundedReceiver<HeardCaption>) -> usize {
    let is_terminal = io::stdout().is_terminal();
    let mut finals = 0;
    while let Some(caption) = captions.recv().await {
        let mut out = io::stdout().lock();
        let text = caption.text.replace(|c: char| c.is_control(), " ");
        let written = match (caption.is_final, is_terminal) {
            (true, true) => writeln!(out, "\r\x1b[2K{}: {text}", caption.speaker),
            (true, false) => writeln!(out, "{}: {text}", caption.speaker),
            (false, true) => {
                let tail: String = text
                    .chars()
                    .rev()
                    .take(90)
                    .collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .collect();
                write!(out, "\r\x1b[2K\x1b[2m… {tail}\x1b[0m")
            }
            (false, false) => Ok(()),
        };
        // A closed pipe ends the printing, not the meeting.
        if written.and_then(|()| out.flush()).is_err() {
            break;
        }
        finals += usize::from(caption.is_final && !caption.text.is_empty());
    }
    finals
}

fn read_speech(path: &Path) -> anyhow::Result<Vec<i16>> {
    let mut reader = hound::WavReader::open(path)
        .with_context(|| format!("{} can't be read as a WAV file", path.display()))?;
    let spec = reader.spec();
    if (spec.sample_rate, spec.channels, spec.bits_per_sample) != (SAMPLE_RATE_HZ, 1, 16) {
        bail!(
            "{} is not 16 kHz, mono, 16 bits; `lectern replay` takes any WAV file",
            path.display()
        );
    }
    Ok(reader.samples::<i16>().collect::<Result<_, _>>()?)
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What was done, and how long it took.
struct Steps {
    done: Vec<(&'static str, Duration)>,
    since: Instant,
}

impl Steps {
    fn done(&mut self, what: &'static str) {
        self.done.push((what, self.since.elapsed()));
        self.since = Instant::now();
    }

    fn print(&self) {
        eprintln!();
        for (what, took) in &self.done {
            eprintln!("  {what:<24} {:>8.2} s", took.as_secs_f64());
        }
    }
}

const ARTIFACT_TIMEOUT: Duration = Duration::from_secs(120);
