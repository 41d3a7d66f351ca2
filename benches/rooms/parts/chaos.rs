//! Faults of every kind, one and two at a time: what was said is heard, once.

use std::{fmt, fs::File, io::Write as _, process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::{
    bench::{Bench, USUAL},
    database::cuttable_database,
    measure::now_ms,
    parts::hearing::{IN_FLIGHT_MS, Surroundings, named},
    people::{self, Played},
    recogniser::{Failure, Order, bursts_in},
    score::{NEVER_SAID, Score},
    variable,
    wire::Wire,
    worker::Worker,
};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The recogniser fails for so many seconds.
    Recogniser(Failure, u64),
    /// LiveKit's server stands still for so many seconds.
    ServerFrozen(u64),
    /// It is killed, and started again so many seconds later.
    ServerKilled(u64),
    /// No way to the database for so many seconds.
    DatabaseAway(u64),
    /// The worker in the room is killed; another one is there.
    Crash,
    /// The worker in the room is told to stop; another one is there.
    Deploy,
}

/// What becomes of a room while it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It goes on.
    GoesOn,
    /// It is deleted in the middle of it.
    Deleted,
}

/// The same choices for the same seed.
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`. Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    /// Two faults, and what becomes of the room.
    fn trial(&mut self) -> (Vec<Fault>, Room) {
        let mut fault = || EVERY[self.below(EVERY.len())];
        let faults = vec![fault(), fault()];
        (faults, [Room::GoesOn, Room::Deleted][self.below(2)])
    }
}

/// What became of the words during some faults.
struct Outcome {
    what: String,
    score: Score,
    /// What was said while no worker was in the room.
    unheard: usize,
    /// From the faults' end to the next caption, and to the last one that was missing, in seconds.
    captions_again: Option<f64>,
    caught_up: f64,
}

impl Bench {
    pub(crate) async fn chaos(&mut self) -> anyhow::Result<()> {
        let (database, url) = cuttable_database(&variable("TEST_DATABASE_URL")?, "chaos").await;
        let mut trials: Vec<(Vec<Fault>, Room)> = SHORT.map(|(faults, room)| (faults.to_vec(), room)).into();
        if !self.chaos_time.is_zero() {
            trials.extend(EVERY.map(|fault| (vec![fault], Room::GoesOn)));
        }
        self.surroundings.database_url = Some(url);
        let mut outcomes = vec![HEAD.to_owned(), "Postgres".to_owned()];
        outcomes.extend(self.trials(Some(database), &trials, self.chaos_time).await?);
        self.surroundings.database_url = None;
        if !self.chaos_time.is_zero() {
            let of_database = |fault: &Fault| matches!(fault, Fault::DatabaseAway(_));
            trials.retain(|(faults, _)| !faults.iter().any(of_database));
            outcomes.push("SQLite".to_owned());
            outcomes.extend(self.trials(None, &trials, Duration::ZERO).await?);
        }
        writeln!(std::io::stdout(), "{}\n", outcomes.join("\n"))?;
        Ok(())
    }

    /// These, and others by luck while there is time; a line for each.
    async fn trials(
        &mut self,
        database: Option<Wire>,
        trials: &[(Vec<Fault>, Room)],
        time: Duration,
    ) -> anyhow::Result<Vec<String>> {
        let began = Instant::now();
        let mut surroundings = Surroundings {
            workers: Vec::new(),
            database,
            frozen: None,
            killed: Vec::new(),
        };
        let mut outcomes = Vec::new();
        for number in 0.. {
            let (faults, room) = match trials.get(number) {
                Some(trial) => trial.clone(),
                None if began.elapsed() < time => self.luck.trial(),
                None => break,
            };
            let outcome = self.trial(&mut surroundings, &faults, room).await?;
            self.report.count(&outcome.score);
            eprintln!("  {outcome}");
            let Score { lost, doubled, .. } = &outcome.score;
            if lost.len() + doubled.len() > 0 {
                eprintln!("  lost {lost:?}, doubled {doubled:?}");
            }
            outcomes.push(outcome.to_string());
        }
        for worker in surroundings.workers {
            worker.terminate().await?;
        }
        Ok(outcomes)
    }

    /// Has somebody speak while it all happens, and finds out what became of their words.
    async fn trial(
        &mut self,
        surroundings: &mut Surroundings,
        faults: &[Fault],
        end: Room,
    ) -> anyhow::Result<Outcome> {
        self.staff(surroundings).await?;
        let room = self.join(1, USUAL).await?.remove(0);
        self.captioned(&room, 0.0).await?;
        let from = now_ms() - USUAL.as_millis() as f64;
        surroundings.killed.clear();
        let mut unheard_since = None;
        for fault in faults {
            unheard_since = self.inflict(surroundings, *fault, &room).await?.or(unheard_since);
            sleep(BETWEEN).await;
        }
        let time = faults.iter().map(Fault::time).max().unwrap_or_default();
        sleep(time / 2).await;
        let deleted_at = match end {
            Room::GoesOn => f64::INFINITY,
            Room::Deleted => {
                // A server that was started again knows no room before somebody comes.
                self.speaker_back(surroundings, &room).await?;
                let asked_at = now_ms();
                self.delete(&room).await?;
                surroundings.heard_until(asked_at).unwrap_or_else(now_ms)
            }
        };
        sleep(time / 2).await;
        if let Some(database) = &surroundings.database {
            database.mend();
        }
        let cut = surroundings.cut(&self.played(&room));
        let mut outcome = match end {
            Room::GoesOn => {
                self.judge_captions(surroundings, &room, from, unheard_since)
                    .await?
            }
            Room::Deleted => {
                self.judge_transcript(surroundings, &room, from, deleted_at, unheard_since)
                    .await?
            }
        };
        let deleted = if end == Room::Deleted {
            ", room deleted meanwhile"
        } else {
            ""
        };
        outcome.what = format!("{}{deleted}", Names(faults));
        let heard = self.transcript(&room).await?;
        let mut heard: Vec<u8> = heard
            .iter()
            .filter(|heard| heard.is_whole())
            .map(|heard| heard.number)
            .collect();
        heard.sort_unstable();
        for twice in heard.windows(2).filter(|pair| pair[0] == pair[1]) {
            let name = named(&room, twice[0]);
            if !outcome.score.doubled.contains(&name) {
                outcome.score.doubled.push(name);
            }
        }
        // What is left of a burst may sound like another one.
        let stops_server = |fault: &Fault| matches!(fault, Fault::ServerFrozen(_) | Fault::ServerKilled(_));
        let was_stopped = faults.iter().any(stops_server);
        let is_piece = |name: &String| cut.contains(name) || was_stopped && name.ends_with(NEVER_SAID);
        outcome.score.doubled.retain(|name| !is_piece(name));
        anyhow::ensure!(
            outcome.score.expected + outcome.unheard > 1,
            "{}: nobody spoke",
            outcome.what
        );
        // What it leaves behind is made of it before the next.
        for worker in &surroundings.workers {
            self.calm(worker).await?;
        }
        Ok(outcome)
    }

    /// One works, and another one is there.
    async fn staff(&self, surroundings: &mut Surroundings) -> anyhow::Result<()> {
        while surroundings.workers.len() < 2 {
            let worker = self.worker()?;
            worker.registered().await?;
            surroundings.workers.push(worker);
        }
        Ok(())
    }

    /// Begins a fault; says since when nobody listens, if it does that.
    async fn inflict(
        &mut self,
        surroundings: &mut Surroundings,
        fault: Fault,
        room: &str,
    ) -> anyhow::Result<Option<f64>> {
        match fault {
            Fault::Recogniser(failure, seconds) => {
                self.recogniser
                    .order(&Order::Fail(failure, seconds * 1000))
                    .await?;
            }
            Fault::ServerFrozen(seconds) => {
                let server = self.server.to_string();
                signal("STOP", &server).await?;
                let from = now_ms();
                surroundings.frozen = Some((from, from + seconds as f64 * 1000.0));
                tokio::spawn(async move {
                    sleep(Duration::from_secs(seconds)).await;
                    // It may have been killed meanwhile.
                    signal("CONT", &server).await.ok();
                });
            }
            Fault::ServerKilled(seconds) => {
                surroundings.killed.push(now_ms());
                self.restart_server(Duration::from_secs(seconds)).await?;
            }
            Fault::DatabaseAway(_) => {
                let database = surroundings.database.as_ref();
                database
                    .context("there is no way to SQLite that could be cut")?
                    .cut();
            }
            Fault::Crash | Fault::Deploy => {
                self.staff(surroundings).await?;
                let listens = |worker: &Worker| worker.listening(room).map(|line| line.at);
                // Whoever came last is there now.
                let covering = (0..surroundings.workers.len()).max_by(|&a, &b| {
                    let at = |index: usize| listens(&surroundings.workers[index]).unwrap_or(0.0);
                    at(a).total_cmp(&at(b))
                });
                let worker = surroundings
                    .workers
                    .remove(covering.context("there are two workers")?);
                if fault == Fault::Crash {
                    worker.crash().await?;
                    return Ok(Some(now_ms()));
                }
                // It may take its time for what it has to store.
                tokio::spawn(worker.terminate());
            }
        }
        Ok(None)
    }

    async fn judge_captions(
        &mut self,
        surroundings: &Surroundings,
        room: &str,
        from: f64,
        unheard_since: Option<f64>,
    ) -> anyhow::Result<Outcome> {
        let (began, over_at) = (Instant::now(), now_ms());
        let back_at = self.captioned(room, over_at).await?;
        sleep(2 * USUAL).await;
        let speaker_back = self.speaker_back(surroundings, room).await?;
        let is_unheard = surroundings.unheard(room, unheard_since, &speaker_back);
        // Nobody is sent the captions of what was said just before the server died.
        let untold = |burst: &Played| {
            let mut killed = surroundings.killed.iter();
            killed.any(|killed| (0.0..CAPTIONED_MS).contains(&(killed - burst.ended_at)))
        };
        self.people.order(&people::Order::Hush).await?;
        sleep(LAST_BURST).await;
        let is_awaited = |burst: &Played| burst.began_at >= from && !is_unheard(burst) && !untold(burst);
        while !self.is_caught_up(room, is_awaited) && began.elapsed() < CATCH_UP {
            sleep(Duration::from_millis(100)).await;
        }
        let notes = self.end(&[room.to_owned()]).await?;
        let mut score = notes.score(from, f64::INFINITY);
        let was_late = |number| {
            notes
                .played
                .iter()
                .any(|burst| burst.number == number && burst.began_at < over_at)
        };
        let late = notes.captions.iter().filter(|caption| {
            caption.is_final
                && bursts_in(&caption.text)
                    .iter()
                    .any(|(number, _)| was_late(*number))
        });
        let caught_up_at = late.map(|caption| caption.at).fold(over_at, f64::max);
        let lost = notes
            .played
            .iter()
            .filter(|burst| score.lost.contains(&named(room, burst.number)));
        let (unheard, uncaptioned): (Vec<_>, Vec<_>) = lost.partition(|burst| is_unheard(burst));
        // What a dead worker had heard is in the transcript alone.
        let uncaptioned: Vec<u8> = uncaptioned.iter().map(|burst| burst.number).collect();
        let missing = self.transcribed(room, &uncaptioned, CATCH_UP).await?;
        score.lost = missing.into_iter().map(|number| named(room, number)).collect();
        Ok(Outcome {
            what: String::new(),
            unheard: unheard.len(),
            score,
            captions_again: Some((back_at - over_at).max(0.0) / 1000.0),
            caught_up: (caught_up_at - over_at) / 1000.0,
        })
    }

    async fn judge_transcript(
        &mut self,
        surroundings: &Surroundings,
        room: &str,
        from: f64,
        deleted_at: f64,
        unheard_since: Option<f64>,
    ) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        self.people.order(&people::Order::Hush).await?;
        let speaker_back = self.speaker_back(surroundings, room).await?;
        let is_unheard = surroundings.unheard(room, unheard_since, &speaker_back);
        let mut whole = self.played(room);
        whole.retain(|burst| burst.began_at >= from && burst.ended_at < deleted_at - IN_FLIGHT_MS);
        let heard = whole.iter().filter(|burst| !is_unheard(burst));
        let numbers: Vec<u8> = heard.map(|burst| burst.number).collect();
        let missing = self.transcribed(room, &numbers, CATCH_UP).await?;
        let caught_up = began.elapsed().as_secs_f64();
        self.end(&[]).await?;
        Ok(Outcome {
            what: String::new(),
            score: Score {
                expected: numbers.len(),
                lost: missing.into_iter().map(|number| named(room, number)).collect(),
                ..Score::default()
            },
            unheard: whole.len() - numbers.len(),
            captions_again: None,
            caught_up,
        })
    }
}

impl Bench {
    /// Kills LiveKit's server, and starts it again later.
    async fn restart_server(&mut self, after: Duration) -> anyhow::Result<()> {
        signal("KILL", &self.server.to_string()).await?;
        sleep(after).await;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.surroundings.log.with_file_name("livekit.log"))?;
        let server = Command::new(variable("LIVEKIT_SERVER")?)
            .args(["--config", &variable("LIVEKIT_YAML")?])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("LiveKit's server does not start")?;
        self.server = server.id().context("it was just started")?;
        self.restarted = Some(server);
        Ok(())
    }

    /// When the speaker was back after each of the times that LiveKit's server was killed.
    async fn speaker_back(&self, surroundings: &Surroundings, room: &str) -> anyhow::Result<Vec<f64>> {
        let mut back = Vec::new();
        for killed in &surroundings.killed {
            back.push(self.is_back(room, *killed).await?);
        }
        Ok(back)
    }
}

impl Fault {
    /// Until it is over.
    fn time(&self) -> Duration {
        match self {
            Self::Recogniser(_, seconds) | Self::ServerFrozen(seconds) | Self::DatabaseAway(seconds) => {
                Duration::from_secs(*seconds)
            }
            Self::ServerKilled(seconds) => Duration::from_secs(seconds + 5),
            Self::Crash | Self::Deploy => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recogniser(Failure::Close, _) => write!(f, "recogniser closes"),
            Self::Recogniser(Failure::Refuse, seconds) => write!(f, "recogniser away {seconds} s"),
            Self::Recogniser(Failure::Unavailable, seconds) => write!(f, "recogniser 503 {seconds} s"),
            Self::Recogniser(Failure::Busy, seconds) => write!(f, "recogniser 429 {seconds} s"),
            Self::Recogniser(Failure::Hang, seconds) => write!(f, "recogniser hung {seconds} s"),
            Self::ServerFrozen(seconds) => write!(f, "server frozen {seconds} s"),
            Self::ServerKilled(seconds) => write!(f, "server killed, back after {seconds} s"),
            Self::DatabaseAway(seconds) => write!(f, "database away {seconds} s"),
            Self::Crash => write!(f, "worker killed"),
            Self::Deploy => write!(f, "worker replaced"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            score,
            unheard,
            captions_again,
            caught_up,
        } = self;
        let again = captions_again.map_or(String::new(), |seconds| format!("{seconds:.1} s"));
        let (lost, doubled) = (score.lost.len(), score.doubled.len());
        write!(
            f,
            "{what:<72} {:>10} {lost:>5} {doubled:>8} {unheard:>8} {again:>15} {caught_up:>8.1} s",
            score.expected
        )
    }
}

struct Names<'a>(&'a [Fault]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if index > 0 { " + " } else { "" })?;
        }
        Ok(())
    }
}

async fn signal(name: &str, process: &str) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args([&format!("-{name}"), process])
        .status()
        .await?;
    anyhow::ensure!(status.success(), "kill -{name}: {status}");
    Ok(())
}

const HEAD: &str = "fault                                                                    utterances  lost  doubled  unheard  captions again  caught up";
/// What is always tried.
const SHORT: [(&[Fault], Room); 8] = [
    (&[Fault::Recogniser(Failure::Refuse, 12)], Room::GoesOn),
    (
        &[Fault::Recogniser(Failure::Hang, 8), Fault::DatabaseAway(8)],
        Room::GoesOn,
    ),
    (&[Fault::Crash], Room::GoesOn),
    (&[Fault::Deploy], Room::GoesOn),
    (&[Fault::ServerKilled(2)], Room::GoesOn),
    (&[Fault::Recogniser(Failure::Unavailable, 10)], Room::Deleted),
    (
        &[Fault::Recogniser(Failure::Refuse, 15), Fault::Crash],
        Room::Deleted,
    ),
    (&[Fault::DatabaseAway(8), Fault::Crash], Room::Deleted),
];
/// What is tried by itself and in pairs.
const EVERY: [Fault; 13] = [
    Fault::Recogniser(Failure::Close, 0),
    Fault::Recogniser(Failure::Refuse, 5),
    Fault::Recogniser(Failure::Refuse, 20),
    Fault::Recogniser(Failure::Refuse, 60),
    Fault::Recogniser(Failure::Unavailable, 5),
    Fault::Recogniser(Failure::Busy, 5),
    Fault::Recogniser(Failure::Hang, 5),
    Fault::Recogniser(Failure::Hang, 45),
    Fault::ServerFrozen(3),
    Fault::ServerKilled(2),
    Fault::DatabaseAway(20),
    Fault::Crash,
    Fault::Deploy,
];
/// From one fault to the next.
const BETWEEN: Duration = Duration::from_millis(2500);
/// Until whoever is told to say no more has ended the burst that they are at.
const LAST_BURST: Duration = Duration::from_secs(1);
/// How long late words may take.
const CATCH_UP: Duration = Duration::from_secs(90);
/// Until what was said is on the speakers' screens.
const CAPTIONED_MS: f64 = 1_500.0;
