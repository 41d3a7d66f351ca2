//! `make bench`: the figures that the worker is judged by, each beside its promise.
//!
//! The real worker runs against a real LiveKit server. Speakers play numbered bursts of tone; a recogniser turns each
//! into an interim and a final; the speakers note which captions come back, and when. So loss, doubling and delay are
//! exact. Speakers, recogniser, server and worker are processes of their own, whose CPU and memory the kernel tells.

mod bench;
mod children;
#[path = "../../tests/support/database.rs"]
mod database;
mod ear;
mod measure;
mod parts;
mod people;
mod recogniser;
mod report;
mod score;
mod tone;
#[path = "../../tests/support/wire.rs"]
mod wire;
mod worker;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use lectern_agent::LiveKit;

use crate::{
    bench::Bench,
    parts::{Luck, Part},
};

/// Measures what Lectern's worker promises. Run it by `make bench`, which starts a LiveKit server for it.
#[derive(Debug, Parser)]
struct Args {
    /// Rooms at once, one number for each round of load.
    #[arg(long, value_delimiter = ' ', default_value = "1 10 50")]
    rooms: Vec<usize>,
    /// What to measure.
    #[arg(
        long,
        value_delimiter = ' ',
        default_value = "start load growth failures failover end takeover"
    )]
    parts: Vec<Part>,
    /// Compare with a Python worker too, in the same run.
    #[arg(long)]
    peer: bool,
    /// How long CPU and delay are measured in each round of load, in seconds.
    #[arg(long, default_value = "20")]
    seconds: u64,
    /// What chaos chooses its pairs of faults by.
    #[arg(long, default_value = "1")]
    seed: u64,
    /// How long chaos goes on; the shortest round is always whole.
    #[arg(long, default_value = "0")]
    minutes: u64,
    /// Where the figures go as JSON, and the workers' logs.
    #[arg(long, value_name = "DIR", default_value_os_t = default_out())]
    out: PathBuf,
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// Cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this process is, if not the bench itself.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    People,
    Recogniser,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    match args.role {
        Some(Role::People) => people::run(livekit()?).await?,
        Some(Role::Recogniser) => recogniser::run().await?,
        None => return bench(&args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn bench(args: &Args) -> anyhow::Result<ExitCode> {
    let server: u32 = variable("LIVEKIT_PID")?.parse().context("LIVEKIT_PID")?;
    fs::create_dir_all(&args.out)?;
    let mut bench = Bench::start(livekit()?, server, args.seconds, &args.out).await?;
    bench.luck = Luck::new(args.seed);
    bench.chaos_time = Duration::from_secs(args.minutes * 60);
    for part in args.parts.iter().chain(args.peer.then_some(&Part::Peer)) {
        eprintln!("{part:?}:");
        bench.run(*part, &args.rooms).await?;
    }
    let report = bench.finish();
    std::io::stdout().write_all(report.table().as_bytes())?;
    let path = args.out.join("rooms.json");
    fs::write(&path, report.json()?)?;
    eprintln!("\nThe same as JSON: {}", path.display());
    if report.has_lost_or_doubled() {
        eprintln!("Finals were lost or doubled.");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Beside what Cargo builds.
fn default_out() -> PathBuf {
    let target = Path::new(worker::LECTERN).parent().and_then(Path::parent);
    target.unwrap_or(Path::new("target")).join("bench")
}

fn livekit() -> anyhow::Result<LiveKit> {
    Ok(LiveKit {
        url: variable("LIVEKIT_URL")?,
        api_key: variable("LIVEKIT_API_KEY")?,
        api_secret: variable("LIVEKIT_API_SECRET")?.into(),
    })
}

fn variable(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run `make bench`"))
}
