//! What could be heard of what was said, and what nobody could hear.

use crate::{people::Played, wire::Wire, worker::Worker};

/// The processes and wires that faults befall.
pub(super) struct Surroundings {
    pub(super) workers: Vec<Worker>,
    /// The way to Postgres; SQLite has none that could be cut.
    pub(super) database: Option<Wire>,
    /// When LiveKit's server last stood still, from and until.
    pub(super) frozen: Option<(f64, f64)>,
    /// When it was killed in this trial, each time.
    pub(super) killed: Vec<f64>,
}

impl Surroundings {
    /// The end of what can be heard in a room whose deletion was asked for then, if that is not its deletion. Of what is
    /// said to a server that stands still, it hands on nothing if the first thing that it does again is to delete the room.
    pub(super) fn heard_until(&self, asked_at: f64) -> Option<f64> {
        let frozen = self.frozen.filter(|(_, until)| asked_at < *until);
        frozen.map(|(from, _)| from)
    }

    /// The bursts amid which LiveKit's server stopped: they come in two pieces, if at all, each of them a burst.
    pub(super) fn cut(&self, played: &[Played]) -> Vec<String> {
        let frozen = self.frozen.map(|(from, _)| from);
        let is_cut = |burst: &&Played| {
            let mut stops = self.killed.iter().chain(&frozen);
            stops.any(|at| (burst.began_at..burst.ended_at).contains(at))
        };
        let cut = played.iter().filter(is_cut);
        cut.map(|burst| named(&burst.room, burst.number)).collect()
    }

    /// Which bursts nobody could hear: no worker was in the room from some moment on until the next one came, or LiveKit's
    /// server was dead, or stood still for longer than its queue is. The speaker was `speaker_back` after each death.
    pub(super) fn unheard(
        &self,
        room: &str,
        since: Option<f64>,
        speaker_back: &[f64],
    ) -> impl Fn(&Played) -> bool + use<> {
        let until = |after: f64| {
            let entered = self
                .workers
                .iter()
                .filter_map(|worker| worker.was_in(room, after));
            entered.fold(f64::INFINITY, f64::min) + SUBSCRIBING_MS
        };
        let mut deaf: Vec<_> = since.map(|since| (since, until(since))).into_iter().collect();
        for (killed, back) in self.killed.iter().zip(speaker_back) {
            deaf.push((*killed, until(*killed).max(back + SUBSCRIBING_MS)));
        }
        let frozen = self.frozen.unwrap_or_default();
        move |burst| {
            let is_within =
                |(from, until): &(f64, f64)| burst.ended_at > *from - IN_FLIGHT_MS && burst.began_at < *until;
            let was_dropped = burst.ended_at > frozen.0 && burst.began_at < frozen.1 - SERVER_QUEUE_MS;
            was_dropped || deaf.iter().any(is_within)
        }
    }
}

/// As [`Score`](crate::score::Score) names bursts.
pub(super) fn named(room: &str, burst: u8) -> String {
    format!("{room}/{burst}")
}

/// Of what is said to it while it stands still, LiveKit's server (1.13.5) hands on so much, the latest: 70 packets of 20 ms.
const SERVER_QUEUE_MS: f64 = 1_400.0;
/// From when a worker is in a room until the first packet comes: LiveKit has to send it the tracks it asks for.
const SUBSCRIBING_MS: f64 = 300.0;
/// What is on its way when a process dies, or a room does.
pub(super) const IN_FLIGHT_MS: f64 = 500.0;
