//! What is measured, part by part.

mod chaos;
mod end;
mod failover;
mod failures;
mod growth;
mod hearing;
mod load;
mod outage;
mod peer;
mod start;
mod takeover;

use clap::ValueEnum;

pub(crate) use self::chaos::Luck;

use crate::bench::Bench;

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Start-up, idle memory, and a room that was there first.
    Start,
    /// Rooms at once: loss, delay, CPU, memory.
    Load,
    /// Rooms that come and go: memory that stays.
    Growth,
    /// A recogniser that fails.
    Failures,
    /// A recogniser that is away for ten minutes.
    Outage,
    /// Two recognisers, of which the first fails.
    Failover,
    /// A room deleted in the middle of a word.
    End,
    /// A worker that crashes, and one that is replaced.
    Takeover,
    /// Faults of every kind, one and two at a time (`make chaos`).
    Chaos,
    /// A Python worker beside ours (scripts/setup bench-peer).
    Peer,
}

impl Bench {
    pub(crate) async fn run(&mut self, part: Part, loads: &[usize]) -> anyhow::Result<()> {
        match part {
            Part::Start => self.starts().await,
            Part::Load => self.loads(loads).await,
            Part::Growth => self.growth().await,
            Part::Failures => self.failures().await,
            Part::Outage => self.outage().await,
            Part::Failover => self.failover().await,
            Part::End => self.ends().await,
            Part::Takeover => self.takeover().await,
            Part::Chaos => self.chaos().await,
            Part::Peer => self.peer().await,
        }
    }
}
