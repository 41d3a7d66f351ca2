//! Figures beside the promises that they are to keep.

use std::{fmt::Write as _, fs, process::Command};

use serde::Serialize;

use crate::score::{Score, percentile};

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    /// Bursts that had no final though somebody should have listened.
    lost: Vec<String>,
    /// Bursts with more than one final.
    doubled: Vec<String>,
}

/// Where and of what the figures are.
#[derive(Serialize)]
struct Machine {
    cores: usize,
    processor: String,
    profile: &'static str,
    commit: String,
}

/// One measured value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Which promise it belongs to.
    promise: u8,
    what: String,
    value: f64,
    unit: &'static str,
    /// What was promised: at most this.
    limit: Option<f64>,
    /// What there is to compare with.
    note: String,
}

impl Figure {
    pub(crate) fn new(promise: u8, what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            promise,
            what: what.into(),
            value,
            unit,
            limit: None,
            note: String::new(),
        }
    }

    pub(crate) fn at_most(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn verdict(&self) -> &'static str {
        match self.limit {
            None => "",
            Some(limit) if self.value <= limit => "met",
            Some(_) => "MISSED",
        }
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            machine: Machine::this(),
            figures: Vec::new(),
            lost: Vec::new(),
            doubled: Vec::new(),
        }
    }

    /// Adds a figure, and tells it at once to whoever waits.
    pub(crate) fn add(&mut self, figure: Figure) {
        eprintln!("  {}", line(&figure));
        self.figures.push(figure);
    }

    /// Adds the value that this share of all is not above; nothing of no values.
    pub(crate) fn add_percentiles(
        &mut self,
        promise: u8,
        what: &str,
        values: &[f64],
        limits: &[(f64, Option<f64>)],
        note: &str,
    ) {
        for (share, limit) in limits {
            let Some(value) = percentile(values, *share) else {
                eprintln!("  {what}: nothing to measure");
                return;
            };
            let what = format!("{what}, p{:.0} of {}", share * 100.0, values.len());
            let figure = Figure::new(promise, what, value, "ms").note(note);
            self.add(match limit {
                Some(limit) => figure.at_most(*limit),
                None => figure,
            });
        }
    }

    /// Adds what was lost and doubled of bursts that must not be.
    pub(crate) fn add_finals(&mut self, what: &str, score: &Score) {
        let (lost, doubled) = (score.lost.len(), score.doubled.len());
        let note = format!("of {}", score.expected);
        self.add(
            Figure::new(1, format!("{what}: finals lost"), lost as f64, "")
                .at_most(0.0)
                .note(&note),
        );
        self.add(
            Figure::new(1, format!("{what}: finals doubled"), doubled as f64, "")
                .at_most(0.0)
                .note(&note),
        );
        self.count(score);
    }

    /// Counts what was lost or doubled, which nothing may be.
    pub(crate) fn count(&mut self, score: &Score) {
        self.lost.extend(score.lost.iter().cloned());
        self.doubled.extend(score.doubled.iter().cloned());
    }

    pub(crate) fn has_lost_or_doubled(&self) -> bool {
        !self.lost.is_empty() || !self.doubled.is_empty()
    }

    /// One table for people.
    pub(crate) fn table(&self) -> String {
        let Machine {
            cores,
            processor,
            profile,
            commit,
        } = &self.machine;
        let mut table = format!("\n{cores} cores ({processor}), {profile} profile, commit {commit}\n\n");
        let mut figures = self.figures.clone();
        figures.sort_by_key(|figure| figure.promise);
        for figure in &figures {
            writeln!(table, "{:>2}  {}", figure.promise, line(figure)).expect("a string takes everything");
        }
        for (what, bursts) in [("lost", &self.lost), ("doubled", &self.doubled)] {
            if !bursts.is_empty() {
                writeln!(table, "\n{what}: {}", bursts.join(" ")).expect("a string takes everything");
            }
        }
        table
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}

impl Machine {
    fn this() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find(|line| line.starts_with("model name"));
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: model
                .and_then(|line| line.split_once(": "))
                .map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

fn line(figure: &Figure) -> String {
    let Figure {
        what,
        value,
        unit,
        note,
        ..
    } = figure;
    let value = match value.abs() {
        value if value >= 100.0 || value.fract() == 0.0 => format!("{:.0}", figure.value),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let promise = match figure.limit {
        None => String::new(),
        Some(limit) => format!("≤ {limit}"),
    };
    format!(
        "{what:<58} {value:>8} {unit:<5} {promise:>8}  {:<6}  {note}",
        figure.verdict()
    )
    .trim_end()
    .to_owned()
}
