//! `lectern`: live captions, transcripts and lecture notes for LiveKit rooms.
//!
//! This crate parses settings, starts the parts and stops them; what they do stands in crates of their own.

mod config;
mod demo;
mod doctor;
mod embedded;
mod free_port;
mod livekit_server;
mod logging;
mod meetings;
mod oidc_config;
mod replay;
mod run;
mod service_config;
mod signals;
mod whisper_model;

use std::process::ExitCode;

use clap::Parser;

use crate::logging::LogArgs;

/// Live captions, transcripts and lecture notes for LiveKit rooms.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Everything in one process, for daily use: worker, service, and whatever is not configured elsewhere.
    Up(run::UpArgs),
    /// The worker alone: captions every room of a LiveKit server and makes the lecture artifacts.
    Agent(run::AgentCommand),
    /// The web service alone: accounts, rooms, lobbies and tokens, health and metrics.
    Service(run::ServiceCommand),
    /// Watch a recorded voice become captions and a PDF, in a real LiveKit room on this machine.
    Demo(demo::Args),
    Replay(replay::Args),
    /// List the meetings that are stored, the latest first.
    Meetings(meetings::ListArgs),
    /// Print what was said in a room: its latest meeting, or the one that is named.
    Transcript(meetings::TranscriptArgs),
    /// Fetch a room's PDF: of its latest meeting, or the one that is named.
    Artifact(meetings::ArtifactArgs),
    /// The embedded recogniser alone: a Deepgram-compatible server.
    Stt(embedded::Args),
    /// Bring the database up to date; `up`, `agent` and `service` do it when they start.
    Migrate(meetings::MigrateArgs),
    /// Check the settings and everything they lead to, and say what to do.
    Doctor(doctor::Args),
    /// Turn minutes (JSON on standard input) into a PDF (on standard output).
    #[command(hide = true)]
    Render(RenderArgs),
}

#[derive(Debug, clap::Args)]
struct RenderArgs {
    #[command(flatten)]
    fonts: config::FontArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(&cli.log);
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lectern: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    if let Command::Render(args) = command {
        return render(args);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Up(args) => run::up(args).await,
            Command::Agent(args) => run::agent(args).await,
            Command::Service(args) => run::service(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Replay(args) => replay::run(args).await,
            Command::Meetings(args) => meetings::list(args).await,
            Command::Transcript(args) => meetings::transcript(args).await,
            Command::Artifact(args) => meetings::artifact(args).await,
            Command::Stt(args) => embedded::run(args).await,
            Command::Migrate(args) => meetings::migrate(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Render(_) => unreachable!("rendering needs no runtime"),
        }
    })
}

fn render(args: RenderArgs) -> anyhow::Result<()> {
    let fonts = args.fonts.load()?;
    let rendered = lectern_pdf::render_stream(std::io::stdin().lock(), std::io::stdout().lock(), &fonts)?;
    if let Some(flaw) = &rendered.flaw {
        tracing::warn!("the PDF is tagged, but no PDF/UA-1: {flaw}");
    }
    if !rendered.missing.is_empty() {
        tracing::warn!(
            glyphs.missing = rendered.missing.len(),
            "{} characters are in no font and printed as U+XXXX; {}",
            rendered.missing.len(),
            lectern_pdf::fonts_wanted(&rendered.missing)
        );
    }
    Ok(())
}
