//! What processes that are no more have left in their logs.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    Job, OpenRecords, Store,
    log::{LeftLog, take_left},
    waiting::Waiting,
};
use crate::Database;

/// The folder where this machine's processes keep what was said until the database takes it: a log each.
#[derive(Debug)]
pub struct WordLog {
    folder: PathBuf,
    left: Vec<LeftLog>,
    /// Files that can't be read, of which the operator knows.
    told: HashSet<PathBuf>,
}

/// Stores what is left in a folder, and what will be.
#[derive(Debug)]
pub(super) struct Heir {
    database: Database,
    log: WordLog,
    open: OpenRecords,
    found: Vec<Legacy>,
}

/// A log of a process that is no more, and what of it is not stored yet.
#[derive(Debug)]
struct Legacy {
    log: LeftLog,
    jobs: Vec<Arc<Job>>,
}

/// How often the folder is looked into: another process may die at any time.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl WordLog {
    /// Takes what processes that are no more have left in `folder`. It is made once something has to be kept.
    pub async fn open(folder: PathBuf) -> Self {
        let mut log = Self {
            folder,
            left: Vec::new(),
            told: HashSet::new(),
        };
        log.look().await;
        log
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    async fn look(&mut self) {
        let (folder, mut told) = (self.folder.clone(), std::mem::take(&mut self.told));
        let looked = spawn_blocking(move || (take_left(&folder, &mut told), told)).await;
        let (left, told) = looked.expect("looking into a folder doesn't panic");
        self.told = told;
        match left {
            Ok(left) => self.left = left,
            // Whoever has to write there says so louder.
            Err(error) => tracing::debug!("can't look into {}: {error}", self.folder.display()),
        }
    }
}

impl Heir {
    /// From now on meetings are open whose words were found.
    pub(super) fn new(database: Database, log: WordLog, open: OpenRecords) -> Self {
        let mut heir = Self {
            database,
            log,
            open,
            found: Vec::new(),
        };
        heir.count();
        heir
    }

    /// For ever.
    pub(super) async fn run(mut self) {
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            for legacy in std::mem::take(&mut self.found) {
                legacy.store(&self.database).await;
            }
            look.tick().await;
            self.log.look().await;
            self.count();
        }
    }

    fn count(&mut self) {
        for mut log in self.log.left.drain(..) {
            // Nobody is there to be answered.
            let (receipts, _) = mpsc::unbounded_channel();
            let jobs = std::mem::take(&mut log.records)
                .into_iter()
                .map(|(meeting, record)| {
                    Arc::new(Job {
                        _open: self.open.another(&meeting),
                        meeting,
                        record,
                        receipts: receipts.clone(),
                    })
                });
            let legacy = Legacy {
                jobs: jobs.collect(),
                log,
            };
            legacy.tell();
            self.found.push(legacy);
        }
    }
}

impl Legacy {
    fn tell(&self) {
        let records = self.jobs.len();
        metrics::counter!("lectern_word_log_inherited_total").increment(records as u64);
        tracing::info!(
            records,
            "{records} records of a process that is no more wait in {}",
            self.log.path().display()
        );
    }

    async fn store(self, database: &Database) {
        let (mut waiting, now) = (Waiting::without_log(), Instant::now());
        for job in self.jobs {
            waiting.take(job, now);
        }
        let (_, jobs) = mpsc::channel(1);
        Store::new(database.clone(), jobs, waiting).run().await;
        let path = self.log.path().to_owned();
        let removed = spawn_blocking(move || self.log.remove()).await;
        match removed.expect("removing a file doesn't panic") {
            Ok(()) => tracing::info!("what waited in {} is stored", path.display()),
            // It is stored once more some day, which changes nothing.
            Err(error) => tracing::error!("can't remove {}: {error}", path.display()),
        }
    }
}
