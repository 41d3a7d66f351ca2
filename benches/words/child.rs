//! A process of our own, and what it cost as the kernel counts it.

use std::{
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

/// What a process took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Of the process and of those that it waited for.
    pub(crate) cpu: Duration,
    /// The most memory that it held at once.
    pub(crate) peak_mb: f64,
}

/// Runs `lectern` with these arguments and without any settings of this machine.
pub(crate) fn lectern(arguments: &[&str], input: Stdio, output: Stdio) -> anyhow::Result<Cost> {
    let log = tempfile::NamedTempFile::new()?;
    let began = Instant::now();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lectern"))
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .stdin(input)
        .stdout(output)
        .stderr(File::create(log.path())?)
        .spawn()?;
    let (status, mut cost) = watched(&mut child)?;
    cost.wall = began.elapsed();
    ensure!(
        status.success(),
        "lectern {}: {}",
        arguments.join(" "),
        fs::read_to_string(log.path())?
    );
    Ok(cost)
}

/// The kernel forgets a process once it is waited for, so it is asked until then.
fn watched(child: &mut Child) -> anyhow::Result<(std::process::ExitStatus, Cost)> {
    let mut cost = Cost::default();
    loop {
        let path = format!("/proc/{}", child.id());
        let status = fs::read_to_string(format!("{path}/status")).context("figures need Linux's /proc")?;
        let stat = fs::read_to_string(format!("{path}/stat"))?;
        // One that has ended, and was not waited for, still tells its time, but has no memory.
        cost.cpu = cost.cpu.max(cpu_in(&stat));
        cost.peak_mb = cost.peak_mb.max(peak_mb_in(&status).unwrap_or(0.0));
        if stat.contains(") Z ") {
            return Ok((child.wait()?, cost));
        }
        std::thread::sleep(LOOK);
    }
}

/// By so little may the peak be missed.
const LOOK: Duration = Duration::from_millis(2);

fn peak_mb_in(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Own time and that of ended children, in user and in system mode.
pub(crate) fn cpu_in(stat: &str) -> Duration {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// What Linux tells programs, whatever it counts in itself.
const TICKS_PER_SECOND: u64 = 100;
