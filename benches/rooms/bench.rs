//! Everything that runs while something is measured, and what the parts ask of it.

use std::{path::Path, time::Duration};

use lectern_agent::{LiveKit, delete_room};
use lectern_pipelines::RoomName;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{
    children::Role,
    measure::cpu,
    parts::Luck,
    people::{self, Join, Played},
    recogniser::{self, bursts_in},
    report::Report,
    score::Notes,
    tone::BURST_MS,
    worker::{LECTERN, Surroundings, Worker},
};

/// Everything that runs, and what was measured.
pub(crate) struct Bench {
    pub(crate) surroundings: Surroundings,
    pub(crate) server: u32,
    /// LiveKit's server, if it was started again by us.
    pub(crate) restarted: Option<Child>,
    pub(crate) recogniser: Role<recogniser::Report>,
    pub(crate) people: Role<people::Report>,
    pub(crate) window: Duration,
    pub(crate) report: Report,
    pub(crate) luck: Luck,
    pub(crate) chaos_time: Duration,
    /// Rooms made so far: none has a name twice.
    rooms: usize,
    data: TempDir,
}

impl Bench {
    pub(crate) async fn start(
        livekit: LiveKit,
        server: u32,
        seconds: u64,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let (recogniser, port) = start_recogniser().await?;
        Ok(Self {
            surroundings: Surroundings {
                livekit,
                ports: vec![port],
                log: folder.join("workers.log"),
                database_url: None,
            },
            server,
            restarted: None,
            recogniser,
            people: Role::start("people")?,
            window: Duration::from_secs(seconds),
            report: Report::new(),
            luck: Luck::new(1),
            chaos_time: Duration::ZERO,
            rooms: 0,
            data: tempfile::tempdir()?,
        })
    }

    pub(crate) fn finish(self) -> Report {
        self.report
    }

    pub(crate) fn worker(&self) -> anyhow::Result<Worker> {
        Worker::lectern(&self.surroundings, &self.data.path().join("data"))
    }

    /// A Python worker to compare with.
    pub(crate) fn python_worker(&self) -> anyhow::Result<Worker> {
        Worker::peer(&self.surroundings)
    }

    /// Puts a speaker into each of so many new rooms.
    pub(crate) async fn join(&mut self, rooms: usize, period: Duration) -> anyhow::Result<Vec<String>> {
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
    pub(crate) async fn captioned(&self, room: &str, after: f64) -> anyhow::Result<f64> {
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

    /// What was said in a room since notes were taken last.
    pub(crate) fn played(&self, room: &str) -> Vec<Played> {
        let of_room = |report| match report {
            people::Report::Played(played) if played.room == room => Some(played),
            _ => None,
        };
        self.people
            .reports
            .all()
            .into_iter()
            .filter_map(of_room)
            .collect()
    }

    /// Whether each of these bursts has its final.
    pub(crate) fn is_caught_up(&self, room: &str, counts: impl Fn(&Played) -> bool) -> bool {
        let reports = self.people.reports.all();
        let has_final = |number: u8| {
            reports.iter().any(|report| match report {
                people::Report::Caption(caption) if caption.room == room && caption.is_final => {
                    bursts_in(&caption.text).iter().any(|(heard, _)| *heard == number)
                }
                _ => false,
            })
        };
        self.played(room)
            .iter()
            .filter(|burst| counts(burst))
            .all(|burst| has_final(burst.number))
    }

    /// When a speaker had its connection again, after some moment at which it lost it.
    pub(crate) async fn is_back(&self, room: &str, after: f64) -> anyhow::Result<f64> {
        let back = self
            .people
            .reports
            .wait_for("a speaker to be back", PATIENCE, |reports| {
                reports.iter().find_map(|report| match report {
                    people::Report::Back { room: back, at } if back == room && *at > after => Some(*at),
                    _ => None,
                })
            });
        back.await
    }

    /// The first burst that began after some moment.
    pub(crate) async fn next_burst(&self, room: &str, after: f64) -> anyhow::Result<Played> {
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
    pub(crate) async fn end(&mut self, rooms: &[String]) -> anyhow::Result<Notes> {
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

    pub(crate) async fn delete(&self, room: &str) -> anyhow::Result<()> {
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
    pub(crate) async fn calm(&self, worker: &Worker) -> anyhow::Result<()> {
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
    pub(crate) async fn transcribed(
        &self,
        room: &str,
        numbers: &[u8],
        patience: Duration,
    ) -> anyhow::Result<Vec<u8>> {
        let began = Instant::now();
        loop {
            let heard = self.transcript(room).await?;
            let lacks = |number: &u8| !heard.iter().any(|heard| heard.number == *number);
            let missing: Vec<u8> = numbers.iter().copied().filter(lacks).collect();
            if missing.is_empty() || began.elapsed() > patience {
                return Ok(missing);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The bursts in a room's transcript, in its order.
    pub(crate) async fn transcript(&self, room: &str) -> anyhow::Result<Vec<Heard>> {
        let mut command = Command::new(LECTERN);
        command
            .args(["transcript", room, "--format", "json", "--data"])
            .arg(self.data.path().join("data"))
            .env_clear();
        if let Some(url) = &self.surroundings.database_url {
            command.env("DATABASE_URL", url);
        }
        let output = command.output().await?;
        if output.stdout.is_empty() {
            // There is no meeting yet.
            return Ok(Vec::new());
        }
        let transcript: Transcript = serde_json::from_slice(&output.stdout)?;
        let heard = transcript.segments.iter().flat_map(|segment| {
            let length_ms = segment.end_ms - segment.start_ms;
            let numbers = bursts_in(&segment.text).into_iter();
            numbers.map(move |(number, _)| Heard { number, length_ms })
        });
        Ok(heard.collect())
    }
}

/// A burst of a transcript.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) number: u8,
    length_ms: u64,
}

impl Heard {
    /// Whether it can't be the rest of another one that was cut: that may sound like any.
    pub(crate) fn is_whole(self) -> bool {
        self.length_ms >= BURST_MS * 3 / 4
    }
}

#[derive(Deserialize)]
struct Transcript {
    segments: Vec<Segment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Segment {
    start_ms: u64,
    end_ms: u64,
    text: String,
}

/// A recogniser, and where on loopback it listens.
pub(crate) async fn start_recogniser() -> anyhow::Result<(Role<recogniser::Report>, u16)> {
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
    Ok((recogniser, port))
}

/// From one burst to the next: as long as a short sentence takes with its pause.
pub(crate) const USUAL: Duration = Duration::from_secs(2);
/// Where it matters how soon captions come.
pub(crate) const QUICK: Duration = Duration::from_millis(600);
pub(crate) const SETTLE: Duration = Duration::from_secs(3);
pub(crate) const IDLE: Duration = Duration::from_secs(5);
const JOIN_EVERY: Duration = Duration::from_millis(110);
/// A burst, the silence that ends it, the way to the recogniser and back, on a busy machine.
const LAST_CAPTIONS: Duration = Duration::from_millis(2500);
/// Less than this in a second is idle.
const CALM_CPU: Duration = Duration::from_millis(40);
const PATIENCE: Duration = Duration::from_secs(60);
