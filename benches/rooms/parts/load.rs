//! Rooms at once: loss, delay, CPU, memory, silence sent.

use std::collections::HashMap;

use anyhow::Context as _;
use tokio::time::sleep;

use crate::{
    bench::{Bench, IDLE, SETTLE, USUAL},
    ear::Silence,
    measure::{Window, memory_mb, now_ms},
    report::Figure,
    score::Score,
    tone::BURST_MS,
    worker::Worker,
};

/// A round of load, measured.
pub(crate) struct Load {
    pub(crate) score: Score,
    pub(crate) cores: HashMap<&'static str, f64>,
    pub(crate) memory_mb: f64,
    pub(crate) rooms: Vec<String>,
    pub(crate) joined: HashMap<String, f64>,
    /// How many bursts were played in all, and what the recogniser was sent of them.
    pub(crate) bursts: usize,
    pub(crate) silence: Silence,
}

impl Bench {
    pub(crate) async fn loads(&mut self, loads: &[usize]) -> anyhow::Result<()> {
        let worker = self.worker()?;
        worker.registered().await?;
        sleep(IDLE).await;
        let idle_mb = memory_mb(worker.id)?;
        let (mut to_listening, mut entering) = (Vec::new(), Vec::new());
        for &rooms in loads {
            let load = self.load(&worker, rooms).await?;
            self.calm(&worker).await?;
            self.report_load(&load, idle_mb);
            for room in &load.rooms {
                let line = worker.listening(room);
                let line =
                    line.with_context(|| format!("the worker's log doesn't tell that it listens in {room}"))?;
                to_listening.push(line.at - load.joined[room]);
                entering.extend(line.duration_ms);
            }
        }
        let limits = [(0.5, Some(400.0)), (0.99, None)];
        let peer = "the server itself waits 200; peer p50 280–660";
        self.report
            .add_percentiles(7, "room created → listening", &to_listening, &limits, peer);
        let limits = [(0.5, None), (0.99, Some(150.0))];
        self.report.add_percentiles(
            7,
            "job assigned → listening (worker's log)",
            &entering,
            &limits,
            "",
        );
        worker.terminate().await?;
        Ok(())
    }

    /// One round of load, from empty rooms to empty rooms.
    pub(crate) async fn load(&mut self, worker: &Worker, rooms: usize) -> anyhow::Result<Load> {
        let names = self.join(rooms, USUAL).await?;
        for room in &names {
            self.captioned(room, 0.0).await?;
        }
        sleep(SETTLE).await;
        let from = now_ms();
        let ids = [worker.id, self.server, self.people.id, self.recogniser.id];
        let window = Window::open(PROCESSES.into_iter().zip(ids))?;
        sleep(self.window).await;
        let cores = window.close()?.into_iter().collect();
        let memory_mb = memory_mb(worker.id)?;
        let notes = self.end(&names).await?;
        Ok(Load {
            score: notes.score(from, f64::INFINITY),
            cores,
            memory_mb,
            rooms: names,
            joined: notes.joined.into_iter().collect(),
            bursts: notes.played.len(),
            silence: notes.silence,
        })
    }

    fn report_load(&mut self, load: &Load, idle_mb: f64) {
        let rooms = load.rooms.len();
        let name = format!("{rooms} room{}", if rooms == 1 { "" } else { "s" });
        self.report.add_finals(&name, &load.score);
        let limits = [(0.5, Some(40.0)), (0.99, Some(150.0))];
        let what = format!("{name}: final beyond the recogniser");
        self.report
            .add_percentiles(3, &what, &load.score.final_delays, &limits, "peer p50 91–313");
        let limits = [(0.5, Some(40.0)), (0.99, Some(150.0))];
        let what = format!("{name}: interim beyond the recogniser");
        self.report
            .add_percentiles(3, &what, &load.score.interim_delays, &limits, "");
        self.report_cpu(&name, load);
        let memory = (load.memory_mb - idle_mb) / rooms as f64;
        let figure = Figure::new(5, format!("{name}: memory per room (PSS)"), memory, "MB");
        let note = format!("{:.1} MB in all; peer 4–33", load.memory_mb);
        // What the first rooms bring with them is no cost of a room.
        self.report
            .add(if rooms < MANY { figure } else { figure.at_most(1.5) }.note(note));
        let Silence { sent_ms, beyond_ms } = load.silence;
        let share = 100.0 * beyond_ms as f64 / sent_ms.max(1) as f64;
        let note = format!(
            "{} ms per burst of {BURST_MS} ms; peer sends all silence",
            beyond_ms / load.bursts.max(1) as u64
        );
        let figure = Figure::new(8, format!("{name}: silence sent beyond need"), share, "%");
        self.report.add(figure.at_most(2.0).note(note));
    }

    fn report_cpu(&mut self, name: &str, load: &Load) {
        let of = |process: &str| load.cores.get(process).copied().unwrap_or_default();
        let ours: f64 = PROCESSES.into_iter().map(of).sum();
        let mut shares: Vec<_> = PROCESSES
            .iter()
            .map(|name| format!("{name} {:.2}", of(name)))
            .collect();
        shares.push(format!("others {:.2}", (of("machine") - ours).max(0.0)));
        let all = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let full = if of("machine") > FULL * all {
            "; the machine was full"
        } else {
            ""
        };
        let note = format!("peer 45–91; cores: {}{full}", shares.join(", "));
        let each = of("worker") * 1000.0 / load.rooms.len() as f64;
        self.report.add(
            Figure::new(4, format!("{name}: CPU per room"), each, "ms/s")
                .at_most(6.0)
                .note(note),
        );
    }
}

/// Whose CPU is measured, in this order.
const PROCESSES: [&str; 4] = ["worker", "server", "speakers", "recogniser"];
/// So much of all cores is all there is.
const FULL: f64 = 0.95;
/// So many rooms tell what one more costs.
const MANY: usize = 10;
