//! The writer: what live meetings store, safe as soon as the disk allows.
//!
//! One task in a process stores for all of its rooms. It commits what has come at once; what comes while it commits is
//! the next batch. So a lone record waits for nobody, and a crowd of them shares one commit; there is no timer.

use std::time::Duration;

use lectern_pipelines::{MeetingId, SegmentId};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{Database, Error, Record};

/// How many records wait for the database at most; some minutes' worth of a full worker. Beyond it the sender gets its
/// record back.
pub const QUEUED_RECORDS_MAX: usize = 4096;

/// Where a process hands in what its rooms store. Clones share one queue and one task.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Job>,
}

/// One room's access to the [`Writer`].
#[derive(Debug, Clone)]
pub struct MeetingWriter {
    meeting: MeetingId,
    queue: mpsc::Sender<Job>,
    receipts: mpsc::UnboundedSender<Receipt>,
    /// How many of its records the task has yet to deal with.
    open: watch::Sender<usize>,
}

/// What became of a segment; it comes exactly once, and only for segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It is on disk: it may be shown as final.
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

/// The running writer; ends when every [`Writer`] and [`MeetingWriter`] is gone and all they took is stored.
#[derive(Debug)]
pub struct WriterTask(JoinHandle<()>);

impl Writer {
    /// Starts the task. It must run inside a tokio runtime.
    pub fn start(database: Database) -> (Self, WriterTask) {
        let (queue, jobs) = mpsc::channel(QUEUED_RECORDS_MAX);
        (Self { queue }, WriterTask(tokio::spawn(run(database, jobs))))
    }

    /// What one room stores through, and where it hears of its segments.
    pub fn meeting(&self, meeting: MeetingId) -> (MeetingWriter, mpsc::UnboundedReceiver<Receipt>) {
        let (receipts, received) = mpsc::unbounded_channel();
        (
            MeetingWriter {
                meeting,
                queue: self.queue.clone(),
                receipts,
                open: watch::Sender::new(0),
            },
            received,
        )
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

    /// Waits until all that was taken is stored, or refused for good; for as long as it takes.
    pub async fn settled(&self) {
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open == 0)
            .await
            .expect("we hold the sender");
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
            _open: Open::new(&self.open),
        }
    }
}

impl WriterTask {
    /// Waits until all that was taken is stored. Drop every [`Writer`] and [`MeetingWriter`] first.
    ///
    /// While the database is away this waits for it: whoever has a deadline puts a timeout around it.
    pub async fn finish(self) {
        if let Err(error) = self.0.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// Records that share a transaction at most.
const BATCH_RECORDS_MAX: usize = 256;
/// The first pause after a failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// A server that hangs is asked again after this long; what it may have stored already is not stored twice.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Job {
    meeting: MeetingId,
    record: Record,
    receipts: mpsc::UnboundedSender<Receipt>,
    _open: Open,
}

/// A record that is not dealt with, counted.
#[derive(Debug)]
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|open| *open += 1);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

async fn run(database: Database, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH_RECORDS_MAX);
    while jobs.recv_many(&mut batch, BATCH_RECORDS_MAX).await > 0 {
        store_batch(&database, &batch).await;
        batch.clear();
    }
}

async fn store_batch(database: &Database, batch: &[Job]) {
    match store_until_settled(database, batch).await {
        Ok(()) => batch.iter().for_each(|job| job.answer(Receipt::Stored)),
        // One of them spoils the batch; alone, the others are fine.
        Err(_) => {
            for job in batch {
                store_alone(database, job).await;
            }
        }
    }
}

async fn store_alone(database: &Database, job: &Job) {
    match store_until_settled(database, std::slice::from_ref(job)).await {
        Ok(()) => job.answer(Receipt::Stored),
        Err(error) => {
            tracing::error!(meeting.id = %job.meeting, %error, "the database refuses a record of meeting {}", job.meeting);
            job.answer(Receipt::Refused);
        }
    }
}

/// Tries until the batch is stored, or the database refuses what is in it; for as long as it takes.
async fn store_until_settled(database: &Database, batch: &[Job]) -> Result<(), Error> {
    let mut pause = PAUSE_MIN;
    for attempt in 1_u32.. {
        let records = batch.iter().map(|job| (&job.meeting, &job.record));
        let stored = timeout(COMMIT_TIMEOUT, database.store(records))
            .await
            .unwrap_or_else(|_| {
                Err(Error::NoAnswer {
                    doing: "store what was said",
                    seconds: COMMIT_TIMEOUT.as_secs(),
                })
            });
        let error = match stored {
            Ok(()) => {
                if attempt > 1 {
                    tracing::info!(
                        attempt,
                        records = batch.len(),
                        "the database is back: stored at attempt {attempt}"
                    );
                }
                return Ok(());
            }
            Err(error) if error.refuses_values() => return Err(error),
            Err(error) => error,
        };
        tracing::warn!(attempt, records = batch.len(), %error, "nothing is lost, storing again in {} ms", pause.as_millis());
        sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
    unreachable!("a database that is away for 2^32 attempts")
}

impl Job {
    fn answer(&self, receipt: impl Fn(SegmentId) -> Receipt) {
        if let Record::Segment(segment) = &self.record {
            // A room that is gone needs no answer.
            self.receipts.send(receipt(segment.id.clone())).ok();
        }
    }
}
