//! Tells that something was added to rooms' histories, by whatever process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lectern_pipelines::RoomName;
use tokio::{sync::watch, time::sleep};

use crate::Database;

/// Looks at all rooms that somebody watches at once, while somebody does. Clones share one look.
#[derive(Debug, Clone)]
pub struct RoomNews {
    database: Database,
    every: Duration,
    watched: Arc<Mutex<HashMap<RoomName, watch::Sender<u64>>>>,
}

impl RoomNews {
    /// Looks at rooms of this database four times a second.
    pub fn new(database: Database) -> Self {
        Self::looking_every(database, LOOK_EVERY)
    }

    /// Looks that often.
    pub fn looking_every(database: Database, every: Duration) -> Self {
        Self {
            database,
            every,
            watched: Arc::default(),
        }
    }

    /// The position of a room's latest event as of the last look; 0 until the first.
    pub fn watch(&self, room: &RoomName) -> watch::Receiver<u64> {
        let mut watched = self.locked();
        if watched.is_empty() {
            tokio::spawn(self.clone().look());
        }
        let sender = watched.entry(room.clone()).or_default();
        sender.subscribe()
    }

    async fn look(self) {
        loop {
            sleep(self.every).await;
            let Some(rooms) = self.still_watched() else { return };
            match self.database.last_events(&rooms).await {
                Ok(positions) => self.tell(&positions),
                Err(error) => {
                    tracing::warn!("what is new in rooms can't be read: {error}");
                    sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// Nothing once nobody watches any more: the look ends, and whoever watches next begins another.
    fn still_watched(&self) -> Option<Vec<RoomName>> {
        let mut watched = self.locked();
        watched.retain(|_, sender| sender.receiver_count() > 0);
        (!watched.is_empty()).then(|| watched.keys().cloned().collect())
    }

    fn tell(&self, positions: &HashMap<RoomName, u64>) {
        for (room, sender) in self.locked().iter() {
            if let Some(&position) = positions.get(room) {
                sender.send_if_modified(|known| std::mem::replace(known, position) != position);
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<RoomName, watch::Sender<u64>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(2);
