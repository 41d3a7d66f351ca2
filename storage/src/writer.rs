//! The writer: what live meetings store, safe as soon as the disk allows.
//!
//! One task in a process stores for all of its rooms. It commits what has come at once; what comes while it commits is
//! the next batch. So a lone record waits for nobody, and a crowd of them shares one commit; there is no timer.
//!
//! What the database doesn't take at once goes into a log on this machine's disk and is safe there. It is stored from
//! memory once the database is back; whoever dies before that leaves the log to the next process with its folder.

mod entry;
mod left;
mod log;
mod waiting;

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use lectern_pipelines::{MeetingId, SegmentId};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep_until, timeout},
};

pub use self::left::WordLog;

use self::{
    left::Heir,
    log::{Log, encoded},
    waiting::{Refusal, Step, Through, Waiting},
};
use crate::{Database, Error, Record};

/// How many records wait for the database at most that are in no log; some minutes' worth of a full worker. Beyond it
/// the sender gets its record back.
pub const QUEUED_RECORDS_MAX: usize = 4096;

/// Where a process hands in what its rooms store. Clones share one queue and one task.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
    open: OpenRecords,
    log: watch::Receiver<LogState>,
}

/// One room's access to the [`Writer`].
#[derive(Debug, Clone)]
pub struct MeetingWriter {
    meeting: MeetingId,
    queue: mpsc::Sender<Job>,
    receipts: mpsc::UnboundedSender<Receipt>,
    open: OpenRecords,
}

/// What became of a segment; it comes exactly once, and only for segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It is on disk, in the database or in the log of what waits for it: it may be shown as final.
    Stored(SegmentId),
    /// The database will never take it, because its meeting was erased. Let go of it.
    Refused(SegmentId),
}

/// A record that was not taken, given back.
#[derive(Debug, Clone, PartialEq)]
pub enum NotTaken {
    /// The queue is full: the database is away or too slow. Keep it and try again later.
    Full(Box<Record>),
    /// The writer has ended.
    Closed(Box<Record>),
}

/// What the log is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogState {
    /// It takes what it should, or has nothing to take.
    Ready,
    /// It can't be written: what waits for the database does so in memory alone.
    Failing {
        /// What the system says.
        reason: String,
    },
    /// It is as large as it may be: what has come since waits in memory alone.
    Full,
}

/// The running writer; ends when every [`Writer`] and [`MeetingWriter`] is gone and all they took is stored, or in the
/// log if the database is away.
#[derive(Debug)]
pub struct WriterTask(JoinHandle<()>);

impl Writer {
    /// Starts the task, without a log: what waits for the database does so in memory. It must run inside a tokio runtime.
    pub fn start(database: Database) -> (Self, WriterTask) {
        Self::start_with(database, None)
    }

    /// Starts the task with a log, and stores what processes that are no more have left there.
    pub fn start_logging(database: Database, log: WordLog) -> (Self, WriterTask) {
        Self::start_with(database, Some(log))
    }

    fn start_with(database: Database, log: Option<WordLog>) -> (Self, WriterTask) {
        let (queue, jobs) = mpsc::channel(QUEUED_RECORDS_MAX);
        let open = OpenRecords::default();
        let waiting = match log {
            Some(_) => Waiting::new(),
            None => Waiting::without_log(),
        };
        let mut store = Store::new(database.clone(), jobs, waiting);
        let mut heir = JoinSet::new();
        if let Some(log) = log {
            store.log = Some(Log::new(log.folder().to_owned()));
            heir.spawn(Heir::new(database, log, open.clone()).run());
        }
        let writer = Self {
            queue,
            open,
            log: store.log_state.subscribe(),
        };
        let task = tokio::spawn(async move {
            store.run().await;
            // What it hasn't stored stays for the next process.
            heir.shutdown().await;
        });
        (writer, WriterTask(task))
    }

    /// What one room stores through, and where it hears of its segments.
    pub fn meeting(&self, meeting: MeetingId) -> (MeetingWriter, mpsc::UnboundedReceiver<Receipt>) {
        let (receipts, received) = mpsc::unbounded_channel();
        (
            MeetingWriter {
                meeting,
                queue: self.queue.clone(),
                receipts,
                open: self.open.clone(),
            },
            received,
        )
    }

    /// Waits until the database has all that anybody here took or found of a meeting, or refused it for good; for as long
    /// as it takes.
    pub async fn settled(&self, meeting: &MeetingId) {
        self.open.none_of(meeting).await;
    }

    /// Follows what the log is good for.
    pub fn log_state(&self) -> watch::Receiver<LogState> {
        self.log.clone()
    }
}

impl MeetingWriter {
    /// Hands a record in without waiting; gives it back if the queue is full.
    pub fn try_store(&self, record: Record) -> Result<(), NotTaken> {
        self.queue
            .try_send(self.job(record))
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(job) => NotTaken::Full(Box::new(job.record)),
                mpsc::error::TrySendError::Closed(job) => NotTaken::Closed(Box::new(job.record)),
            })
    }

    /// Hands a record in, waiting for room in the queue; gives it back only if the writer has ended.
    pub async fn store(&self, record: Record) -> Result<(), NotTaken> {
        let sent = self.queue.send(self.job(record)).await;
        sent.map_err(|mpsc::error::SendError(job)| NotTaken::Closed(Box::new(job.record)))
    }

    /// Waits until the database has all that was taken or found of its meeting, or refused it for good; for as long as it
    /// takes.
    pub async fn settled(&self) {
        self.open.none_of(&self.meeting).await;
    }

    /// The meeting it stores for.
    pub fn meeting(&self) -> &MeetingId {
        &self.meeting
    }

    fn job(&self, record: Record) -> Job {
        Job {
            meeting: self.meeting.clone(),
            record,
            receipts: self.receipts.clone(),
            _open: self.open.another(&self.meeting),
        }
    }
}

impl WriterTask {
    /// Waits until all that was taken is stored, or safe in the log. Drop every [`Writer`] and [`MeetingWriter`] first.
    ///
    /// While the database is away and there is no log this waits for it: whoever has a deadline puts a timeout around it.
    pub async fn finish(self) {
        if let Err(error) = self.0.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// A server that hangs is asked again after this long; what it may have stored already is not stored twice.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Job {
    meeting: MeetingId,
    record: Record,
    receipts: mpsc::UnboundedSender<Receipt>,
    _open: Open,
}

impl Job {
    fn answer(&self, receipt: impl Fn(SegmentId) -> Receipt) {
        if let Record::Segment(segment) = &self.record {
            // A room that is gone needs no answer.
            self.receipts.send(receipt(segment.id.clone())).ok();
        }
    }
}

/// How many records of each meeting are not dealt with, by anybody in this process.
#[derive(Debug, Clone, Default)]
struct OpenRecords(watch::Sender<HashMap<MeetingId, usize>>);

impl OpenRecords {
    fn another(&self, meeting: &MeetingId) -> Open {
        metrics::gauge!("lectern_records_waiting").increment(1);
        self.0.send_modify(|open| match open.get_mut(meeting) {
            Some(count) => *count += 1,
            None => drop(open.insert(meeting.clone(), 1)),
        });
        Open {
            meeting: meeting.clone(),
            all: self.clone(),
        }
    }

    async fn none_of(&self, meeting: &MeetingId) {
        let mut open = self.0.subscribe();
        open.wait_for(|open| !open.contains_key(meeting))
            .await
            .expect("we hold the sender");
    }
}

/// A record that is not dealt with, counted.
#[derive(Debug)]
struct Open {
    meeting: MeetingId,
    all: OpenRecords,
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("lectern_records_waiting").decrement(1);
        self.all.0.send_modify(|open| {
            let count = open.get_mut(&self.meeting).expect("it was counted");
            *count -= 1;
            if *count == 0 {
                open.remove(&self.meeting);
            }
        });
    }
}

/// Does what [`Waiting`] decides.
struct Store {
    database: Database,
    jobs: mpsc::Receiver<Job>,
    waiting: Waiting<Arc<Job>>,
    storing: JoinSet<Result<(), Error>>,
    /// At home while nothing is done to it; absent where there is none.
    log: Option<Log>,
    logging: JoinSet<Logged>,
    log_state: watch::Sender<LogState>,
}

/// The log, and its length now.
type Logged = (Log, io::Result<u64>);

enum Event {
    Taken,
    Stored(Result<(), Error>),
    Logged(Logged),
    Timeout,
}

impl Store {
    fn new(database: Database, jobs: mpsc::Receiver<Job>, waiting: Waiting<Arc<Job>>) -> Self {
        Self {
            database,
            jobs,
            waiting,
            storing: JoinSet::new(),
            log: None,
            logging: JoinSet::new(),
            log_state: watch::Sender::new(LogState::Ready),
        }
    }

    /// Until nothing more comes, and what came is safe.
    async fn run(mut self) {
        let mut taken = Vec::new();
        loop {
            self.begin_steps();
            if self.jobs.is_closed() && self.jobs.is_empty() && self.waiting.may_end() {
                return;
            }
            match self.next_event(&mut taken).await {
                Event::Taken => {
                    let now = Instant::now();
                    taken
                        .drain(..)
                        .for_each(|job| self.waiting.take(Arc::new(job), now));
                }
                Event::Stored(stored) => self.store_ended(stored),
                Event::Logged((log, logged)) => {
                    self.log = Some(log);
                    self.log_work_ended(logged);
                }
                Event::Timeout => {}
            }
        }
    }

    async fn next_event(&mut self, taken: &mut Vec<Job>) -> Event {
        let Self {
            jobs,
            waiting,
            storing,
            logging,
            ..
        } = self;
        let (room, due) = (waiting.room(), waiting.next_timeout());
        let more = room > 0 && !(jobs.is_closed() && jobs.is_empty());
        tokio::select! {
            Some(stored) = storing.join_next() => Event::Stored(stored.expect("storing doesn't panic")),
            Some(logged) = logging.join_next() => Event::Logged(logged.expect("files don't panic")),
            _ = jobs.recv_many(taken, room), if more => Event::Taken,
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => Event::Timeout,
        }
    }

    fn begin_steps(&mut self) {
        while let Some(step) = self.waiting.next_step(Instant::now()) {
            match step {
                Step::Store(count) => {
                    let jobs: Vec<_> = self.waiting.range(0..count).cloned().collect();
                    self.storing.spawn(store(self.database.clone(), jobs));
                }
                Step::Keep(range) => {
                    let jobs = self.waiting.range(range);
                    let bytes = encoded(jobs.map(|job| (&job.meeting, &job.record)));
                    self.use_log(move |log| log.append(&bytes));
                }
                Step::Remove => self.use_log(|log| log.remove().map(|()| 0)),
            }
        }
    }

    fn use_log(&mut self, work: impl FnOnce(&mut Log) -> io::Result<u64> + Send + 'static) {
        let mut log = self
            .log
            .take()
            .expect("one work at a time, and only where there is one");
        self.logging.spawn_blocking(move || {
            let worked = work(&mut log);
            (log, worked)
        });
    }

    fn store_ended(&mut self, stored: Result<(), Error>) {
        match stored {
            Ok(()) => {
                if let attempts @ 1.. = self.waiting.failures() {
                    tracing::info!(
                        attempts,
                        "the database is back: stored after {attempts} attempts that failed"
                    );
                }
                let news = self.waiting.stored().news;
                news.iter().for_each(|job| job.answer(Receipt::Stored));
            }
            Err(error) if error.refuses_values() => {
                let Through { safe_before, news } = self.waiting.refused();
                news.iter().for_each(|job| job.answer(Receipt::Refused));
                for job in news.iter().chain(&safe_before) {
                    metrics::counter!("lectern_records_refused_total").increment(1);
                    tracing::error!(meeting.id = %job.meeting, %error, "the database refuses a record of meeting {}", job.meeting);
                }
            }
            Err(error) => {
                let pause = self.waiting.failed(Instant::now());
                tracing::warn!(attempt = self.waiting.failures(), %error, "nothing is lost, storing again in {} ms", pause.as_millis());
            }
        }
        self.tell_of_log(None);
    }

    fn log_work_ended(&mut self, worked: io::Result<u64>) {
        let error = match worked {
            Ok(0) => {
                self.waiting.removed();
                None
            }
            Ok(bytes) => {
                self.waiting
                    .kept(bytes)
                    .for_each(|job| job.answer(Receipt::Stored));
                None
            }
            Err(error) => {
                self.waiting.log_failed(Instant::now());
                Some(error)
            }
        };
        metrics::gauge!("lectern_word_log_bytes").set(self.waiting.log_bytes() as f64);
        self.tell_of_log(error);
    }

    /// Tells the operator, once per change.
    fn tell_of_log(&self, error: Option<io::Error>) {
        let state = match (self.waiting.refusal(), error) {
            (Some(Refusal::Failing), Some(error)) => LogState::Failing {
                reason: error.to_string(),
            },
            (Some(Refusal::Failing), None) => return,
            (Some(Refusal::Full), _) => LogState::Full,
            (None, _) => LogState::Ready,
        };
        let is_news = self.log_state.send_if_modified(|told| {
            let is_news = *told != state;
            told.clone_from(&state);
            is_news
        });
        if !is_news {
            return;
        }
        metrics::gauge!("lectern_word_log_failing").set(f64::from(u8::from(state != LogState::Ready)));
        match state {
            LogState::Ready => tracing::info!("what waits for the database is safe on disk again, or stored"),
            LogState::Failing { reason } => tracing::error!(
                "what waits for the database does so in memory alone, and is not final before it is back: {reason}; is \
                the disk of LECTERN_DATA full, or may it not be written?"
            ),
            LogState::Full => tracing::error!(
                "the log of what waits for the database is full: what is said now waits in memory alone"
            ),
        }
    }
}

async fn store(database: Database, jobs: Vec<Arc<Job>>) -> Result<(), Error> {
    let records = jobs.iter().map(|job| (&job.meeting, &job.record));
    let stored = timeout(COMMIT_TIMEOUT, database.store(records)).await;
    stored.unwrap_or_else(|_| {
        Err(Error::NoAnswer {
            doing: "store what was said",
            seconds: COMMIT_TIMEOUT.as_secs(),
        })
    })
}
