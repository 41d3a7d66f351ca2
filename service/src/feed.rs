//! What happens in rooms, to those who listen: in order, without loss, from where they left off.
//!
//! The database has the history; a listener reads what it missed there. What is new is read once for all listeners of a
//! room and handed around. Nothing here has to be delivered: what no announcement told of, another process's say, is
//! found by the next look at all rooms.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lectern_pipelines::RoomName;
use lectern_storage::{Audience, Database, Error, RoomEvent, RoomNews};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{interval, sleep},
};

use crate::replicas::Replicas;

/// The feeds of this process.
#[derive(Clone)]
pub(crate) struct Feeds {
    database: Database,
    replicas: Option<Arc<Replicas>>,
    /// What no announcement told of.
    unannounced: RoomNews,
    rooms: Arc<Mutex<HashMap<RoomName, Arc<Feed>>>>,
}

/// One room's feed, while anybody listens.
#[derive(Default)]
struct Feed {
    news: Notify,
    listeners: Mutex<HashMap<Audience, Vec<mpsc::Sender<Arc<RoomEvent>>>>>,
}

impl Feeds {
    pub(crate) fn new(database: Database, replicas: Option<Arc<Replicas>>) -> Self {
        Self {
            unannounced: RoomNews::new(database.clone()),
            database,
            replicas,
            rooms: Arc::default(),
        }
    }

    /// Looks that often for what no announcement told of.
    pub(crate) fn look_every(&mut self, time: Duration) {
        self.unannounced = RoomNews::looking_every(self.database.clone(), time);
    }

    /// Says that something was added to a room's history, to other processes too.
    pub(crate) fn announce(&self, room: &RoomName) {
        self.wake(room);
        if let Some(replicas) = &self.replicas {
            replicas.tell(room);
        }
    }

    /// Makes who listens to every room look now.
    pub(crate) fn wake_all(&self) {
        for feed in self.locked().values() {
            feed.news.notify_one();
        }
    }

    /// Makes who listens to a room look now.
    pub(crate) fn wake(&self, room: &RoomName) {
        if let Some(feed) = self.locked().get(room) {
            feed.news.notify_one();
        }
    }

    /// What is told to `audiences` in a room after a position.
    pub(crate) fn listen(&self, room: RoomName, audiences: Vec<Audience>, after: u64) -> Listener {
        Listener {
            feeds: self.clone(),
            room,
            audiences,
            last: after,
            missed: VecDeque::new(),
            reading: true,
            live: None,
        }
    }

    /// Registers for what is new from now on; begins the room's feed if nobody listened until now.
    async fn register(
        &self,
        room: &RoomName,
        audiences: &[Audience],
    ) -> Result<mpsc::Receiver<Arc<RoomEvent>>, Error> {
        // Before anybody registers: what comes after this is handed around, what came before is read by who registers.
        let last = self.database.last_event(room).await?;
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD_MAX);
        let mut rooms = self.locked();
        let feed = rooms.entry(room.clone()).or_insert_with(|| {
            let feed = Arc::new(Feed::default());
            tokio::spawn(self.clone().run(room.clone(), Arc::clone(&feed), last));
            feed
        });
        let mut listeners = feed.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for audience in audiences {
            listeners
                .entry(audience.clone())
                .or_default()
                .push(sender.clone());
        }
        Ok(receiver)
    }

    /// Hands a room's events around until nobody listens.
    async fn run(self, room: RoomName, feed: Arc<Feed>, mut last: u64) {
        let mut unannounced = self.unannounced.watch(&room);
        loop {
            match self.database.events_after(&room, last).await {
                Ok(events) if events.is_empty() => {
                    if self.wait(&room, &feed, &mut unannounced).await == Wake::Forgotten {
                        return;
                    }
                }
                Ok(events) => {
                    for event in events {
                        last = event.position;
                        feed.hand_around(event);
                    }
                }
                Err(error) => {
                    tracing::warn!("a room's events can't be read: {error}");
                    sleep(PAUSE_AFTER_ERROR).await;
                }
            }
        }
    }

    /// Waits until there may be something new, or nobody listens any more.
    async fn wait(&self, room: &RoomName, feed: &Feed, unannounced: &mut watch::Receiver<u64>) -> Wake {
        let mut check = interval(CHECK_LISTENERS_EVERY);
        loop {
            tokio::select! {
                () = feed.news.notified() => return Wake::News,
                Ok(()) = unannounced.changed() => return Wake::News,
                _ = check.tick() => if self.forgotten(room, feed) {
                    return Wake::Forgotten;
                },
            }
        }
    }

    /// Ends a feed that nobody listens to.
    fn forgotten(&self, room: &RoomName, feed: &Feed) -> bool {
        // Who registers holds this lock, so that nobody registers with a feed that ends.
        let mut rooms = self.locked();
        let mut listeners = feed.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        if listeners.is_empty() {
            rooms.remove(room);
        }
        listeners.is_empty()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<RoomName, Arc<Feed>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn hand_around(&self, event: RoomEvent) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(senders) = listeners.get_mut(&event.audience) else {
            return;
        };
        let event = Arc::new(event);
        // Who can't keep up is let go, and reads what it missed in the database.
        senders.retain(|sender| sender.try_send(Arc::clone(&event)).is_ok());
    }
}

/// One listener's place in a room's history.
pub(crate) struct Listener {
    feeds: Feeds,
    room: RoomName,
    audiences: Vec<Audience>,
    last: u64,
    missed: VecDeque<RoomEvent>,
    reading: bool,
    live: Option<mpsc::Receiver<Arc<RoomEvent>>>,
}

impl Listener {
    /// The next event, however long it takes.
    pub(crate) async fn next(&mut self) -> Result<RoomEvent, Error> {
        loop {
            if let Some(event) = self.next_missed() {
                return Ok(event);
            }
            let Some(live) = &mut self.live else {
                self.live = Some(self.feeds.register(&self.room, &self.audiences).await?);
                self.reading = true;
                continue;
            };
            if self.reading {
                let events = self.feeds.database.events_after(&self.room, self.last).await?;
                self.reading = !events.is_empty();
                self.missed = events.into();
                continue;
            }
            match live.recv().await {
                Some(event) if event.position > self.last => {
                    self.last = event.position;
                    return Ok(RoomEvent::clone(&event));
                }
                Some(_) => {}
                None => self.live = None,
            }
        }
    }

    fn next_missed(&mut self) -> Option<RoomEvent> {
        while let Some(event) = self.missed.pop_front() {
            self.last = event.position;
            if self.audiences.contains(&event.audience) {
                return Some(event);
            }
        }
        None
    }
}

/// Why a feed goes on.
#[derive(Debug, PartialEq, Eq)]
enum Wake {
    News,
    Forgotten,
}

/// How long a feed may outlive its last listener.
const CHECK_LISTENERS_EVERY: Duration = Duration::from_secs(2);
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(2);
/// How many events a listener may be behind before it has to read them itself.
const EVENTS_AHEAD_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use lectern_pipelines::{AccountId, UnixMillis};
    use lectern_storage::{AccountRole, DatabaseConfig, Door, NewAccount, NewEvent, Room, RoomStatus};

    use tokio::time::timeout;

    use super::*;

    async fn room_in(folder: &tempfile::TempDir) -> (Database, RoomName) {
        let config = DatabaseConfig {
            url: None,
            direct_url: None,
            data_dir: folder.path().to_owned(),
            max_connections: 4,
        };
        let database = Database::open(&config).await.expect("a database");
        database.migrate().await.expect("tables");
        let new = NewAccount {
            email: "ada@example.org",
            name: "Ada",
            role: AccountRole::Host,
            password_hash: None,
        };
        let owner: AccountId = database
            .create_account(new, UnixMillis(1))
            .await
            .expect("stored")
            .expect("new")
            .id;
        let id = RoomName::parse("r").expect("a name");
        let room = Room {
            id: id.clone(),
            code: "abc".to_owned(),
            title: "Algebra".to_owned(),
            owner,
            status: RoomStatus::Live,
            door: Door::Unlocked,
            settings: "{}".to_owned(),
            starts_at: None,
            created_at: UnixMillis(1),
            revision: 0,
            revised_at: None,
        };
        assert!(database.create_room(&room).await.expect("stored"));
        (database, id)
    }

    fn event(audience: Audience, number: usize) -> NewEvent {
        NewEvent {
            audience,
            kind: "chat.message",
            json: number.to_string(),
        }
    }

    async fn heard(listener: &mut Listener, count: usize) -> Vec<String> {
        let mut heard = Vec::new();
        for _ in 0..count {
            let event = timeout(Duration::from_secs(20), listener.next()).await;
            heard.push(event.expect("in time").expect("readable").json);
        }
        heard
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn listeners_hear_all_in_order_whenever_they_come() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, room) = room_in(&folder).await;
        let feeds = Feeds::new(database.clone(), None);
        let mut from_the_start = feeds.listen(room.clone(), vec![Audience::All], 0);
        let writer = {
            let (feeds, database, room) = (feeds.clone(), database.clone(), room.clone());
            tokio::spawn(async move {
                for number in 0..300 {
                    let events = [event(Audience::All, number), event(Audience::Hosts, number)];
                    database
                        .append_events(&room, &events, UnixMillis(2))
                        .await
                        .expect("stored");
                    feeds.announce(&room);
                }
            })
        };
        let expected: Vec<_> = (0..300).map(|number| number.to_string()).collect();
        assert_eq!(heard(&mut from_the_start, 100).await, expected[..100]);
        // From the hundredth for all: two events each.
        let mut later = feeds.listen(room.clone(), vec![Audience::All, Audience::Hosts], 200);
        let both = heard(&mut later, 400).await;
        assert_eq!(
            both.iter().step_by(2).cloned().collect::<Vec<_>>(),
            expected[100..]
        );
        // It stood still meanwhile, and was let go.
        assert_eq!(heard(&mut from_the_start, 200).await, expected[100..]);
        writer.await.expect("no panic");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn event_of_another_process_is_heard_without_an_announcement() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, room) = room_in(&folder).await;
        let feeds = Feeds::new(database.clone(), None);
        let mut listener = feeds.listen(room.clone(), vec![Audience::Hosts], 0);
        let written = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let events = [event(Audience::Hosts, 7)];
            database
                .append_events(&room, &events, UnixMillis(2))
                .await
                .expect("stored");
        };
        let (heard, ()) = tokio::join!(heard(&mut listener, 1), written);
        assert_eq!(heard, ["7"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn feed_ends_with_its_last_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, room) = room_in(&folder).await;
        let feeds = Feeds::new(database.clone(), None);
        let mut listener = feeds.listen(room.clone(), vec![Audience::All], 0);
        database
            .append_events(&room, &[event(Audience::All, 1)], UnixMillis(2))
            .await
            .expect("stored");
        heard(&mut listener, 1).await;
        timeout(Duration::from_millis(100), listener.next())
            .await
            .expect_err("nothing new");
        assert_eq!(feeds.locked().len(), 1);
        drop(listener);
        feeds.announce(&room);
        timeout(Duration::from_secs(20), async {
            while !feeds.locked().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("forgotten");
    }
}
