//! What is measured, part by part.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use lectern_agent::{LiveKit, delete_room};
use lectern_pipelines::RoomName;
use tempfile::TempDir;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    children::Role,
    ear::Silence,
    measure::{Window, cpu, memory_mb, now_ms},
    people::{self, Join, Played},
    recogniser::{self, Failure, bursts_in},
    report::{Figure, Report},
    score::{Notes, Score},
    tone::BURST_MS,
    worker::{LECTERN, Surroundings, Worker},
};

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
    /// A room deleted in the middle of a word.
    End,
    /// A worker that crashes, and one that is replaced.
    Takeover,
}

/// Everything that runs, and what was measured.
pub(crate) struct Bench {
    surroundings: Surroundings,
    server: u32,
    recogniser: Role<recogniser::Report>,
    people: Role<people::Report>,
    window: Duration,
    report: Report,
    /// Rooms made so far: none has a name twice.
    rooms: usize,
    data: TempDir,
}

/// A round of load, measured.
struct Load {
    score: Score,
    cores: HashMap<&'static str, f64>,
    memory_mb: f64,
    rooms: Vec<String>,
    joined: HashMap<String, f64>,
    /// How many bursts were played in all, and what the recogniser was sent of them.
    bursts: usize,
    silence: Silence,
}

impl Bench {
    pub(crate) async fn start(
        livekit: LiveKit,
        server: u32,
        seconds: u64,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let recogniser = Role::start("recogniser")?;
        let port = recogniser
            .reports
            .wait_for("the recogniser", PATIENCE, |reports| {
                reports.iter().find_map(|report| match report {
                    recogniser::Report::Listening { port } => Some(*port),
                    _ => None,
                })
            });
        let port = port.await?;
        Ok(Self {
            surroundings: Surroundings {
                livekit,
                port,
                log: folder.join("workers.log"),
            },
            server,
            recogniser,
            people: Role::start("people")?,
            window: Duration::from_secs(seconds),
            report: Report::new(),
            rooms: 0,
            data: tempfile::tempdir()?,
        })
    }

    pub(crate) fn finish(self) -> Report {
        self.report
    }

    pub(crate) async fn run(&mut self, part: Part, loads: &[usize]) -> anyhow::Result<()> {
        match part {
            Part::Start => self.starts().await,
            Part::Load => self.loads(loads).await,
            Part::Growth => self.growth().await,
            Part::Failures => self.failures().await,
            Part::End => self.ends().await,
            Part::Takeover => self.takeover().await,
        }
    }

    async fn starts(&mut self) -> anyhow::Result<()> {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let worker = self.worker()?;
            times.push(worker.registered().await? - worker.started_at);
            worker.terminate().await?;
        }
        self.report.add_percentiles(
            7,
            "worker start → registered",
            &times,
            &[(0.5, Some(200.0)), (1.0, Some(200.0))],
            "peer 3800–13000",
        );

        let worker = self.worker()?;
        worker.registered().await?;
        sleep(IDLE).await;
        let before = cpu(worker.id)?;
        sleep(IDLE).await;
        let idle = (cpu(worker.id)? - before).as_secs_f64() * 1000.0 / IDLE.as_secs_f64();
        let figure = Figure::new(5, "idle memory (PSS)", memory_mb(worker.id)?, "MB");
        self.report.add(figure.at_most(25.0).note("peer 370–480"));
        self.report.add(Figure::new(4, "idle CPU", idle, "ms/s"));
        worker.terminate().await?;

        let room = self.join(1, QUICK).await?.remove(0);
        sleep(Duration::from_secs(2)).await;
        let worker = self.worker()?;
        let captioned_at = self.captioned(&room, worker.started_at).await?;
        let seconds = (captioned_at - worker.started_at) / 1000.0;
        let what = "room made while no worker ran → captioned after its start";
        self.report.add(Figure::new(7, what, seconds, "s").at_most(6.0));
        self.end(&[room]).await?;
        worker.terminate().await?;
        Ok(())
    }

    async fn loads(&mut self, loads: &[usize]) -> anyhow::Result<()> {
        let worker = self.worker()?;
        worker.registered().await?;
        sleep(IDLE).await;
        let idle_mb = memory_mb(worker.id)?;
        let (mut to_listening, mut entering) = (Vec::new(), Vec::new());
        for &rooms in loads {
            let load = self.load(&worker, rooms).await?;
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
    async fn load(&mut self, worker: &Worker, rooms: usize) -> anyhow::Result<Load> {
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
        self.calm(worker).await?;
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

    async fn growth(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        worker.registered().await?;
        let mut after = Vec::new();
        let mut finals = Score::default();
        for _ in 0..GROWTH_ROUNDS {
            let rooms = self.join(GROWTH_ROOMS, USUAL).await?;
            let mut heard = Vec::new();
            for room in &rooms {
                heard.push(self.captioned(room, 0.0).await?);
            }
            let from = heard.into_iter().fold(0.0, f64::max);
            sleep(2 * USUAL).await;
            finals.add(self.end(&rooms).await?.score(from, f64::INFINITY));
            self.calm(&worker).await?;
            after.push(memory_mb(worker.id)?);
        }
        // What the first round makes for all that follow is no growth.
        let (first, last) = (after[1], after[after.len() - 1]);
        let rooms = GROWTH_ROOMS * (after.len() - 2);
        let figure = Figure::new(
            6,
            "memory that stays, per room that came and went",
            (last - first) * 1000.0 / rooms as f64,
            "kB",
        );
        let rounds: Vec<_> = after.iter().map(|mb| format!("{mb:.1}")).collect();
        self.report.add(figure.note(format!(
            "MB after each {GROWTH_ROOMS} rooms: {}",
            rounds.join(", ")
        )));
        self.report.add_finals("rooms that come and go", &finals);
        worker.terminate().await?;
        Ok(())
    }

    async fn failures(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        let rooms = self.join(FAILURE_ROOMS, USUAL).await?;
        for room in &rooms {
            self.captioned(room, 0.0).await?;
        }
        let mut begun = Vec::new();
        for (what, failure, seconds) in FAILURES {
            // The bursts that are under way are part of what fails.
            begun.push((what, now_ms() - USUAL.as_millis() as f64));
            self.recogniser
                .order(&recogniser::Order::Fail(failure, seconds * 1000))
                .await?;
            sleep(Duration::from_secs(seconds) + catch_up(seconds)).await;
        }
        let notes = self.end(&rooms).await?;
        let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([f64::INFINITY]);
        for ((what, from), until) in begun.iter().zip(ends) {
            self.report
                .add_finals(&format!("recogniser {what}"), &notes.score(*from, until));
        }
        worker.terminate().await?;
        Ok(())
    }

    async fn ends(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        self.recogniser.order(&recogniser::Order::Delay(SLOW_MS)).await?;
        let mut slowest: f64 = 0.0;
        let mut score = Score::default();
        for _ in 0..END_ROOMS {
            let room = self.join(1, USUAL).await?.remove(0);
            let heard_at = self.captioned(&room, 0.0).await?;
            let whole = self.next_burst(&room, heard_at).await?;
            let cut_at = whole.began_at + USUAL.as_millis() as f64 + CUT_MS;
            sleep(Duration::from_millis((cut_at - now_ms()).max(0.0) as u64)).await;
            self.delete(&room).await?;
            let deleted = Instant::now();
            let cut = self.next_burst(&room, whole.began_at + CUT_MS).await?;
            let missing = self.transcribed(&room, &[whole.number, cut.number]).await?;
            slowest = slowest.max(deleted.elapsed().as_secs_f64());
            score.expected += 2;
            score
                .lost
                .extend(missing.iter().map(|number| format!("{room}/{number}")));
        }
        self.end(&[]).await?;
        self.recogniser.order(&recogniser::Order::Delay(0)).await?;
        let what = format!("room deleted mid-word, recogniser {SLOW_MS} ms slow → transcript complete");
        self.report.add(
            Figure::new(2, what, slowest, "s")
                .at_most(5.0)
                .note("peer: 2 of 9 never written"),
        );
        self.report.add_finals("room deleted mid-word", &score);
        worker.terminate().await?;
        Ok(())
    }

    async fn takeover(&mut self) -> anyhow::Result<()> {
        let first = self.worker()?;
        first.registered().await?;
        let second = self.worker()?;
        second.registered().await?;
        let room = self.join(1, QUICK).await?.remove(0);
        self.captioned(&room, 0.0).await?;
        let (covering, successor) = match first.listening(&room) {
            Some(_) => (first, second),
            None => (second, first),
        };

        covering.crash().await?;
        let crashed_at = now_ms();
        // What was on its way at that moment is of the dead.
        let captioned_at = self.captioned(&room, crashed_at + IN_FLIGHT_MS).await?;
        let listening = successor
            .listening(&room)
            .context("whoever captions has listened")?;
        let figure = Figure::new(
            7,
            "crash → captions again",
            (captioned_at - crashed_at) / 1000.0,
            "s",
        )
        .at_most(2.0);
        let note = format!(
            "listening after {:.1} s; a burst every {} s; peer: never",
            (listening.at - crashed_at) / 1000.0,
            QUICK.as_secs_f64()
        );
        self.report.add(figure.note(note));

        let third = self.worker()?;
        third.registered().await?;
        sleep(SETTLE).await;
        let deployed_at = now_ms() - QUICK.as_millis() as f64;
        successor.terminate().await?;
        sleep(SETTLE).await;
        let notes = self.end(&[room]).await?;
        let around_crash = notes.score(crashed_at - QUICK.as_millis() as f64, deployed_at);
        let figure = Figure::new(
            1,
            "crash: bursts that nobody heard",
            around_crash.lost.len() as f64,
            "",
        );
        self.report.add(figure.note(format!(
            "of {} from the crash to the deploy",
            around_crash.expected
        )));
        self.report
            .add_finals("rolling deploy", &notes.score(deployed_at, f64::INFINITY));
        third.terminate().await?;
        Ok(())
    }

    fn worker(&self) -> anyhow::Result<Worker> {
        Worker::lectern(&self.surroundings, &self.data.path().join("data"))
    }

    /// Puts a speaker into each of so many new rooms.
    async fn join(&mut self, rooms: usize, period: Duration) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for _ in 0..rooms {
            let room = format!("bench-{}-{}", std::process::id(), self.rooms);
            let join = Join {
                room: room.clone(),
                // So far from each other that one room's bursts in another's captions would be noticed.
                first: (self.rooms * 37) as u8,
                period_ms: period.as_millis() as u64,
            };
            self.people.order(&people::Order::Join(join)).await?;
            self.rooms += 1;
            names.push(room);
            sleep(JOIN_EVERY).await;
        }
        Ok(names)
    }

    /// When the first caption came into a room after some moment.
    async fn captioned(&self, room: &str, after: f64) -> anyhow::Result<f64> {
        let what = format!("a caption in {room}");
        let caption = self.people.reports.wait_for(&what, PATIENCE, |reports| {
            reports.iter().find_map(|report| match report {
                people::Report::Caption(caption) if caption.room == room && caption.at > after => {
                    Some(Ok(caption.at))
                }
                people::Report::Failed { room: failed, reason } if failed == room => {
                    Some(Err(anyhow::anyhow!("no speaker can enter {room}: {reason}")))
                }
                _ => None,
            })
        });
        caption.await?
    }

    /// The first burst that began after some moment.
    async fn next_burst(&self, room: &str, after: f64) -> anyhow::Result<Played> {
        let played = self.people.reports.wait_for("a burst", PATIENCE, |reports| {
            reports.iter().find_map(|report| match report {
                people::Report::Played(played) if played.room == room && played.began_at > after => {
                    Some(played.clone())
                }
                _ => None,
            })
        });
        played.await
    }

    /// Lets everybody finish, be captioned and leave; then the rooms are deleted.
    async fn end(&mut self, rooms: &[String]) -> anyhow::Result<Notes> {
        self.people.order(&people::Order::Hush).await?;
        sleep(LAST_CAPTIONS).await;
        self.people.order(&people::Order::Leave).await?;
        self.everybody_left().await?;
        for room in rooms {
            self.delete(room).await?;
        }
        // The recogniser tells of a connection when it is over.
        sleep(LAST_CAPTIONS).await;
        Ok(self.notes())
    }

    async fn everybody_left(&self) -> anyhow::Result<()> {
        let left = self
            .people
            .reports
            .wait_for("everybody to leave", PATIENCE, |reports| {
                reports
                    .iter()
                    .find(|report| matches!(report, people::Report::AllLeft))
                    .map(drop)
            });
        left.await
    }

    async fn delete(&self, room: &str) -> anyhow::Result<()> {
        let name = RoomName::parse(room)?;
        Ok(delete_room(&self.surroundings.livekit, &name).await?)
    }

    /// Everything noted since the last time.
    fn notes(&self) -> Notes {
        let mut notes = Notes::default();
        for report in self.people.reports.take() {
            notes.add(report);
        }
        for report in self.recogniser.reports.take() {
            notes.add_recogniser(report);
        }
        notes
    }

    /// Waits until the worker has nothing to do any more: after a room's end it makes a PDF.
    async fn calm(&self, worker: &Worker) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let before = cpu(worker.id)?;
            sleep(Duration::from_secs(1)).await;
            if cpu(worker.id)? - before < CALM_CPU {
                return Ok(());
            }
            anyhow::ensure!(
                began.elapsed() < 4 * PATIENCE,
                "the worker is busy without a room"
            );
        }
    }

    /// Waits for a transcript with all of these bursts, and gives those that it lacks in the end.
    async fn transcribed(&self, room: &str, numbers: &[u8]) -> anyhow::Result<Vec<u8>> {
        let began = Instant::now();
        loop {
            let output = Command::new(LECTERN)
                .args(["transcript", room, "--format", "json", "--data"])
                .arg(self.data.path().join("data"))
                .env_clear()
                .output()
                .await?;
            let heard = bursts_in(&String::from_utf8_lossy(&output.stdout));
            let lacks = |number: &u8| !heard.iter().any(|(heard, _)| heard == number);
            let missing: Vec<u8> = numbers.iter().copied().filter(lacks).collect();
            if missing.is_empty() || began.elapsed() > TRANSCRIPT_PATIENCE {
                return Ok(missing);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How long kept audio may take to be recognised after a failure of so many seconds.
fn catch_up(seconds: u64) -> Duration {
    Duration::from_secs(10 + seconds)
}

/// From one burst to the next: as long as a short sentence takes with its pause.
const USUAL: Duration = Duration::from_secs(2);
/// Where it matters how soon captions come.
const QUICK: Duration = Duration::from_millis(600);
const FAILURES: [(&str, Failure, u64); 5] = [
    ("closes", Failure::Close, 0),
    ("refuses for 5 s", Failure::Refuse, 5),
    ("answers 503 for 5 s", Failure::Unavailable, 5),
    ("hangs for 5 s", Failure::Hang, 5),
    ("refuses for 20 s", Failure::Refuse, 20),
];
/// Whose CPU is measured, in this order.
const PROCESSES: [&str; 4] = ["worker", "server", "speakers", "recogniser"];
/// So much of all cores is all there is.
const FULL: f64 = 0.95;
const FAILURE_ROOMS: usize = 3;
const STARTS: usize = 5;
const GROWTH_ROOMS: usize = 10;
const GROWTH_ROUNDS: usize = 4;
/// So many rooms tell what one more costs.
const MANY: usize = 10;
const END_ROOMS: usize = 3;
/// How much of its last burst a deleted room heard.
const CUT_MS: f64 = 150.0;
const SLOW_MS: u64 = 300;
const IN_FLIGHT_MS: f64 = 50.0;
const JOIN_EVERY: Duration = Duration::from_millis(110);
const SETTLE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(5);
/// A burst, the silence that ends it, the way to the recogniser and back, on a busy machine.
const LAST_CAPTIONS: Duration = Duration::from_millis(2500);
/// Less than this in a second is idle.
const CALM_CPU: Duration = Duration::from_millis(40);
const TRANSCRIPT_PATIENCE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(60);
