//! Compares what the recogniser makes of the same recordings after different ways, such as through a room.
//!
//! `cargo run -p lectern-stt --example compare -- FOLDER FIRST OTHER[=BOUND]…` has a folder in FOLDER for each way, with
//! recordings of the same names (WAV of 16 kHz, mono) and their words in a `.txt` beside each. The others are compared with
//! the first. BOUND is how many points of word errors one may lie above it; if twice the error of that difference's mean
//! doesn't explain that it lies farther above, this fails.

#![expect(clippy::print_stdout, reason = "printing figures is all it does")]

use std::{
    fs,
    future::pending,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lectern_stt::{Config, Server};
use tokio::net::TcpListener;

#[path = "../../benches/words/raw.rs"]
mod raw;
#[path = "../../benches/words/score.rs"]
mod score;

use score::Score;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: compare FOLDER FIRST OTHER[=BOUND]…";
    let folder = PathBuf::from(arguments.next().context(usage)?);
    let first = arguments.next().context(usage)?;
    let names = names(&folder.join(&first))?;
    let percents = errors(&folder.join(&first), &names).await?;
    println!(
        "{:<10} {:>16}   {:>20}   {:>8}",
        "", "words wrong, %", "points above it", "allowed"
    );
    println!("{first:<10} {:>16}", Mean::of(&percents).shown());
    let mut all_within = true;
    for argument in arguments {
        let (way, bound) = match argument.split_once('=') {
            Some((way, bound)) => (way, Some(bound.parse::<f64>().context(usage)?)),
            None => (argument.as_str(), None),
        };
        let others = errors(&folder.join(way), &names).await?;
        let above: Vec<f64> = others
            .iter()
            .zip(&percents)
            .map(|(other, first)| other - first)
            .collect();
        let (others, above) = (Mean::of(&others), Mean::of(&above));
        let is_within = bound.is_none_or(|bound| above.mean - 2.0 * above.error <= bound);
        all_within &= is_within;
        println!(
            "{way:<10} {:>16}   {:>20}   {:>8}{}",
            others.shown(),
            above.shown(),
            bound.map(|bound| format!("{bound:.1}")).unwrap_or_default(),
            if is_within { "" } else { "   too many" }
        );
    }
    println!("\n{} recordings for each; mean ± its standard error", names.len());
    Ok(if all_within {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The names of the WAV files in a folder.
fn names(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(PathBuf::from(entry?.file_name())));
    let mut names: Vec<PathBuf> = names.collect::<std::io::Result<_>>()?;
    names.retain(|name| name.extension().is_some_and(|extension| extension == "wav"));
    names.sort();
    ensure!(names.len() > 1, "two WAV files at least, in {}", folder.display());
    Ok(names)
}

/// The word errors of each recording, in per cent.
async fn errors(folder: &Path, names: &[PathBuf]) -> anyhow::Result<Vec<f64>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let percents = names.iter().map(|name| percent(folder.join(name)));
    stream::iter(percents).buffered(cores).try_collect().await
}

/// By a recogniser of its own: one that has heard others hears differently.
async fn percent(recording: PathBuf) -> anyhow::Result<f64> {
    let recogniser = Server::start(Config::for_this_machine()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let serving = tokio::spawn(async move { recogniser.serve(listener, pending()).await });
    let heard = raw::heard(&address, &recording).await;
    serving.abort();
    let said = fs::read_to_string(recording.with_extension("txt"))?;
    let heard = heard.with_context(|| recording.display().to_string())?;
    Ok(Score::of(&said, &heard).percent())
}

struct Mean {
    mean: f64,
    /// The standard error; of one figure it isn't known.
    error: f64,
}

impl Mean {
    fn of(figures: &[f64]) -> Self {
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        Self {
            mean,
            error: (squares / (count - 1.0) / count).sqrt(),
        }
    }

    fn shown(&self) -> String {
        format!("{:.1} ± {:.1}", self.mean, self.error)
    }
}
