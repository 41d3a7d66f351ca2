//! What is said in rooms, to those who read along: in order, without loss, from where they left off.
//!
//! Workers store final words, perhaps in another process; nobody tells us. So one task looks for all rooms that anybody
//! reads along in, by one small query every [`LOOK_EVERY`], and fetches what is new once for all who read it. Whoever is
//! further behind reads the database itself, at its own pace: nothing waits for anybody.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lectern_pipelines::{MeetingId, RoomName, Stage};
use lectern_storage::{CaptionedMeeting, Database, Error, StoredCaption};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// The rooms of this process that somebody reads along in.
#[derive(Clone)]
pub(crate) struct CaptionFeeds {
    database: Database,
    rooms: Arc<Mutex<Rooms>>,
    /// Somebody came to a room that nobody looked at until now.
    came: Arc<Notify>,
}

#[derive(Default)]
struct Rooms {
    /// Nothing until somebody looked.
    views: HashMap<RoomName, watch::Sender<Option<Arc<View>>>>,
    watched: Watched,
}

/// Whether the task that looks is running.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Watched {
    #[default]
    No,
    Yes,
}

/// What is known of a room.
#[derive(Debug, Default)]
struct View {
    /// The present or last meeting.
    meeting: Option<CaptionedMeeting>,
    /// All that became final after `from`.
    recent: VecDeque<Arc<StoredCaption>>,
    from: u64,
}

impl CaptionFeeds {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            rooms: Arc::default(),
            came: Arc::default(),
        }
    }

    /// What is said in a room's present or last meeting; from its beginning, or from after a caption of one of the
    /// room's meetings on.
    pub(crate) fn listen(&self, room: RoomName, after: Option<(MeetingId, u64)>) -> CaptionListener {
        let mut rooms = self.locked();
        let view = rooms.views.entry(room.clone()).or_default().subscribe();
        if rooms.watched == Watched::No {
            rooms.watched = Watched::Yes;
            tokio::spawn(self.clone().watch());
        }
        self.came.notify_one();
        CaptionListener {
            database: self.database.clone(),
            room,
            view,
            place: after.map(|(meeting, position)| Place {
                meeting,
                position,
                told: None,
            }),
            missed: VecDeque::new(),
        }
    }

    /// Looks at rooms until nobody reads along in any.
    async fn watch(self) {
        while let Some(rooms) = self.read_rooms() {
            let pause = match self.look(&rooms).await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!("rooms' captions can't be read: {error}");
                    LOOK_AFTER_FAILURE
                }
            };
            timeout(pause, self.came.notified()).await.ok();
        }
    }

    /// The rooms that somebody reads along in; forgets the others, and at last itself.
    fn read_rooms(&self) -> Option<Vec<RoomName>> {
        let mut rooms = self.locked();
        rooms.views.retain(|_, view| view.receiver_count() > 0);
        if rooms.views.is_empty() {
            rooms.watched = Watched::No;
            return None;
        }
        Some(rooms.views.keys().cloned().collect())
    }

    async fn look(&self, rooms: &[RoomName]) -> Result<(), Error> {
        let found = self.database.captioned_meetings(rooms).await?;
        let mut found: HashMap<_, _> = found
            .into_iter()
            .map(|meeting| (meeting.room.clone(), meeting))
            .collect();
        for room in rooms {
            self.look_at(room, found.remove(room)).await?;
        }
        Ok(())
    }

    async fn look_at(&self, room: &RoomName, meeting: Option<CaptionedMeeting>) -> Result<(), Error> {
        let known = self.locked().views.get(room).map(|view| view.borrow().clone());
        let known = match known {
            None => return Ok(()),
            Some(Some(known)) if known.meeting == meeting => return Ok(()),
            Some(known) => known,
        };
        let view = self.view_of(known.as_deref(), meeting).await?;
        if let Some(sender) = self.locked().views.get(room) {
            sender.send_replace(Some(Arc::new(view)));
        }
        Ok(())
    }

    /// What is to be known of a room, after what was `known`.
    async fn view_of(&self, known: Option<&View>, meeting: Option<CaptionedMeeting>) -> Result<View, Error> {
        let Some(mut meeting) = meeting else {
            return Ok(View::default());
        };
        let same = known
            .filter(|known| {
                known
                    .meeting
                    .as_ref()
                    .is_some_and(|before| before.id == meeting.id)
            })
            .and_then(|known| Some((known, known.meeting.as_ref()?.last)));
        let Some((known, last)) = same else {
            // Whoever wants to know what was said before reads it.
            return Ok(View {
                from: meeting.last,
                meeting: Some(meeting),
                recent: VecDeque::new(),
            });
        };
        let news = self
            .database
            .captions_after(&meeting.id, last, RECENT_MAX as u32)
            .await?;
        if news.next.is_some() {
            // The rest is news the next time.
            meeting.last = news.items.last().map_or(last, |caption| caption.position);
        }
        let mut view = View {
            meeting: Some(meeting),
            recent: known.recent.clone(),
            from: known.from,
        };
        view.add(news.items);
        Ok(view)
    }

    fn locked(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    fn add(&mut self, news: Vec<StoredCaption>) {
        self.recent.extend(news.into_iter().map(Arc::new));
        while self.recent.len() > RECENT_MAX {
            self.from = self.recent.pop_front().map_or(self.from, |old| old.position);
        }
    }
}

/// One reader's place in what is said in a room.
pub(crate) struct CaptionListener {
    database: Database,
    room: RoomName,
    view: watch::Receiver<Option<Arc<View>>>,
    place: Option<Place>,
    missed: VecDeque<Arc<StoredCaption>>,
}

struct Place {
    meeting: MeetingId,
    position: u64,
    /// How far the reader knows the meeting to have come.
    told: Option<Stage>,
}

/// What a reader is told.
#[derive(Debug, Clone)]
pub(crate) enum CaptionNews {
    /// What follows is of this meeting; or it has come further.
    Meeting(CaptionedMeeting),
    /// Final words or a gap, of the meeting that was told last.
    Caption(MeetingId, Arc<StoredCaption>),
}

impl CaptionListener {
    /// What is told next, however long it takes. Nothing is lost if the call is given up.
    pub(crate) async fn next(&mut self) -> Result<CaptionNews, Error> {
        loop {
            if let Some(news) = self.next_missed() {
                return Ok(news);
            }
            let view = self.view.borrow_and_update().clone();
            let Some(view) = view else {
                self.changed().await;
                continue;
            };
            let is_behind = self.place.as_ref().is_some_and(|place| !is_in(place, &view));
            match &view.meeting {
                _ if is_behind => self.catch_up(&view).await?,
                None => self.changed().await,
                Some(meeting) => {
                    if let Some(news) = self.follow(&view, meeting).await? {
                        return Ok(news);
                    }
                }
            }
        }
    }

    fn next_missed(&mut self) -> Option<CaptionNews> {
        let place = self.place.as_mut()?;
        let caption = self.missed.pop_front()?;
        place.position = caption.position;
        Some(CaptionNews::Caption(place.meeting.clone(), caption))
    }

    /// Tells of the room's present meeting, fetches what is new in it, or waits for that.
    async fn follow(
        &mut self,
        view: &View,
        meeting: &CaptionedMeeting,
    ) -> Result<Option<CaptionNews>, Error> {
        let place = self
            .place
            .get_or_insert_with(|| Place::at_the_beginning_of(meeting));
        let has_news = place.position < meeting.last;
        // That it is over is told after its last words.
        if place.told.is_none() || (place.told != Some(meeting.stage) && !has_news) {
            place.told = Some(meeting.stage);
            return Ok(Some(CaptionNews::Meeting(meeting.clone())));
        }
        if !has_news {
            self.changed().await;
        } else if place.position >= view.from {
            let news = view
                .recent
                .iter()
                .filter(|caption| caption.position > place.position);
            self.missed = news.cloned().collect();
            // What is withdrawn takes a position too.
            if self.missed.is_empty() {
                place.position = meeting.last;
            }
        } else {
            let page = self
                .database
                .captions_after(&place.meeting, place.position, PAGE_MAX)
                .await?;
            if page.items.is_empty() {
                place.position = view.from;
            }
            self.missed = page.items.into_iter().map(Arc::new).collect();
        }
        Ok(None)
    }

    /// Reads a meeting that is over to its end, then goes on to the next.
    async fn catch_up(&mut self, view: &View) -> Result<(), Error> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        let page = self
            .database
            .captions_after(&place.meeting, place.position, PAGE_MAX)
            .await?;
        if page.items.is_empty() {
            let next = self
                .database
                .captioned_meeting_after(&self.room, &place.meeting)
                .await?;
            // There is none where this one was erased meanwhile.
            let next = next.or_else(|| view.meeting.clone());
            self.place = next.as_ref().map(Place::at_the_beginning_of);
        }
        self.missed = page.items.into_iter().map(Arc::new).collect();
        Ok(())
    }

    async fn changed(&mut self) {
        // The sender stays for as long as we listen.
        if self.view.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Place {
    fn at_the_beginning_of(meeting: &CaptionedMeeting) -> Self {
        Self {
            meeting: meeting.id.clone(),
            position: 0,
            told: None,
        }
    }
}

/// Whether a reader has come to the room's present or last meeting.
fn is_in(place: &Place, view: &View) -> bool {
    view.meeting
        .as_ref()
        .is_some_and(|meeting| meeting.id == place.meeting)
}

/// How late final words may be, at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How many captions of a room are kept for all who read along.
const RECENT_MAX: usize = 64;
/// How many captions somebody who is behind reads at a time.
const PAGE_MAX: u32 = 100;
