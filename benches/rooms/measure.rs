//! What processes cost, as the kernel counts it.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;

/// Now, as every process of this machine tells it: milliseconds since 1970.
pub(crate) fn now_ms() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("it is later than 1970")
        .as_secs_f64()
        * 1000.0
}

/// CPU time of a process and of all it has started.
pub(crate) fn cpu(id: u32) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for process in tree(id)? {
        // One that has ended meanwhile is counted by its parent.
        if let Some(fields) = stat(process) {
            ticks += fields[CPU_FIELDS].iter().sum::<u64>();
        }
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Memory of a process and of all it has started, in MB. What is shared with others counts in proportion.
pub(crate) fn memory_mb(id: u32) -> anyhow::Result<f64> {
    let mut kib = 0.0;
    for process in tree(id)? {
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else {
            continue;
        };
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        kib += line
            .and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
            .with_context(|| format!("process {process} tells no PSS"))?;
    }
    Ok(kib * 1024.0 / 1e6)
}

/// CPU time of several processes, and of the whole machine, over a stretch of time.
pub(crate) struct Window {
    began: Instant,
    processes: Vec<(&'static str, u32, Duration)>,
    machine: Duration,
}

impl Window {
    pub(crate) fn open(processes: impl Iterator<Item = (&'static str, u32)>) -> anyhow::Result<Self> {
        let processes = processes.map(|(name, id)| Ok((name, id, cpu(id)?)));
        Ok(Self {
            processes: processes.collect::<anyhow::Result<_>>()?,
            machine: machine_busy()?,
            began: Instant::now(),
        })
    }

    /// How many cores each process kept busy, and `machine` for all that ran.
    pub(crate) fn close(&self) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let seconds = self.began.elapsed().as_secs_f64();
        let mut cores = vec![(
            "machine",
            (machine_busy()? - self.machine).as_secs_f64() / seconds,
        )];
        for (name, id, before) in &self.processes {
            cores.push((name, (cpu(*id)? - *before).as_secs_f64() / seconds));
        }
        Ok(cores)
    }
}

/// A process, its children, theirs, and so on.
fn tree(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("figures of processes need Linux's /proc")? {
        let id = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        if let Some((id, fields)) = id.and_then(|id| Some((id, stat(id)?))) {
            parents.push((id, fields[PARENT_FIELD] as u32));
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    Ok(tree)
}

/// The numbers of /proc/ID/stat that follow the program's name; what is no number is 0.
fn stat(id: u32) -> Option<Vec<u64>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(
        fields
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect(),
    )
}

fn machine_busy() -> anyhow::Result<Duration> {
    let text = fs::read_to_string("/proc/stat").context("figures of the machine need Linux's /proc")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // user, nice, system, idle, iowait, irq, softirq; what follows is contained in these or not ours.
    let busy = ticks.iter().take(7).sum::<u64>() - ticks.iter().skip(3).take(2).sum::<u64>();
    Ok(Duration::from_millis(busy * 1000 / TICKS_PER_SECOND))
}

/// Counted after the program's name: state, parent, …
const PARENT_FIELD: usize = 1;
/// utime and stime, of the process itself and of the children that it has waited for.
const CPU_FIELDS: std::ops::Range<usize> = 11..15;
/// What Linux tells user space, whatever it counts in itself.
const TICKS_PER_SECOND: u64 = 100;
