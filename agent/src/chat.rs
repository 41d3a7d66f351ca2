//! A room's chat, shared with LiveKit's own components: what is written in them is stored like everything that is
//! written through the service, and they are told of all the rest.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::{
    CHAT_NEWS_MAX, CHAT_TEXT_CHARS_MAX, ChatMessage, Database, Error, NewChatMessage, NewEvent, ReceivedChat,
    RoomNews,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{Instrument, Span, debug, warn};

use crate::{
    Context,
    backoff::insist,
    cover::unix_now,
    room::{ReceivedMessage, RoomChat, SentMessage},
};

/// What everybody who listens to a room is told of a message, by the kind of event. The service knows it.
pub type TellOfChat = fn(&'static str, &ChatMessage) -> NewEvent;

/// What rooms' chats share.
#[derive(Debug)]
pub(crate) struct Chats {
    news: RoomNews,
    tell: TellOfChat,
}

impl Chats {
    pub(crate) fn new(database: Database, tell: TellOfChat) -> Self {
        Self {
            news: RoomNews::new(database),
            tell,
        }
    }
}

/// Shares a room's chat, from what was written since the meeting began, until we have left the room.
///
/// Nothing where this worker shares none.
pub(crate) fn share(
    context: &Arc<Context>,
    room: &RoomName,
    since: UnixMillis,
    wire: RoomChat,
) -> Option<JoinHandle<()>> {
    let chats = context.chats.as_ref()?;
    let relay = Relay {
        news: chats.news.watch(room),
        tell: chats.tell,
        database: context.database.clone(),
        room: room.clone(),
        since,
        wire,
        told: 0,
        allowance: Allowance::new(Instant::now()),
    };
    Some(tokio::spawn(relay.run().instrument(Span::current())))
}

/// Stores what was written last, if the database takes it soon.
pub(crate) async fn settle(sharing: Option<JoinHandle<()>>) {
    let Some(mut sharing) = sharing else { return };
    if timeout(SETTLE_TIMEOUT, &mut sharing).await.is_err() {
        warn!("the database is away: what was written last in LiveKit's components is not stored");
        sharing.abort();
    }
}

struct Relay {
    database: Database,
    room: RoomName,
    since: UnixMillis,
    news: watch::Receiver<u64>,
    tell: TellOfChat,
    wire: RoomChat,
    /// The position of the latest event that components know of.
    told: u64,
    allowance: Allowance,
}

/// What components show of a message that was deleted: they know no other way, and an empty one they pass over.
const DELETED: &str = "🗑";
/// Ids are chosen by whoever sends. LiveKit's own have 36 characters.
const STREAM_ID_BYTES_MAX: usize = 128;
const SEND_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long storing may take after we left.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

impl Relay {
    async fn run(mut self) {
        let told = || self.database.chat_relayed(&self.room);
        self.told = insist("look how far chat was told", told).await;
        let mut is_behind = false;
        loop {
            tokio::select! {
                received = self.wire.next() => match received {
                    Some(message) => self.receive(message).await,
                    None => return,
                },
                Ok(()) = self.news.changed() => is_behind = self.catch_up().await.is_err(),
                () = sleep(SEND_AGAIN_AFTER), if is_behind => is_behind = self.catch_up().await.is_err(),
            }
        }
    }

    async fn receive(&mut self, message: ReceivedMessage) {
        let outcome = match kept(&message, &mut self.allowance, Instant::now()) {
            None => "refused",
            Some(text) => match self.store(&message, &text).await {
                ReceivedChat::Stored => "stored",
                ReceivedChat::Known => "known",
                ReceivedChat::NoChat => "refused",
            },
        };
        metrics::counter!("lectern_chat_received_total", "outcome" => outcome).increment(1);
    }

    async fn store(&self, message: &ReceivedMessage, text: &str) -> ReceivedChat {
        let new = NewChatMessage {
            identity: &message.identity,
            name: &message.name,
            text,
        };
        let at = unix_now();
        insist("store what was written", || {
            self.database
                .receive_message(&self.room, new, &message.stream_id, at, self.tell)
        })
        .await
    }

    /// Tells components what they do not know yet; an error where that has to be tried again.
    async fn catch_up(&mut self) -> Result<(), Behind> {
        loop {
            let news = self.database.chat_news(&self.room, self.since, self.told).await?;
            for message in &news {
                let sent = SentMessage {
                    stream_id: &message.stream_id,
                    identity: &message.identity,
                    text: message.text.as_deref().unwrap_or(DELETED),
                };
                self.wire.send(sent).await.map_err(|_| Behind)?;
                self.told = message.position;
                metrics::counter!("lectern_chat_sent_total").increment(1);
            }
            if !news.is_empty() {
                self.database.set_chat_relayed(&self.room, self.told).await?;
            }
            if news.len() < CHAT_NEWS_MAX as usize {
                return Ok(());
            }
        }
    }
}

/// Components were not told all there is.
#[derive(Debug)]
struct Behind;

impl From<Error> for Behind {
    fn from(error: Error) -> Self {
        debug!(%error, "what was written can't be passed on just now");
        Self
    }
}

/// What is kept of a received message: as much as the service would take, without space around it. Nothing where there is
/// nothing to keep, or its author has written too much of late.
fn kept(message: &ReceivedMessage, allowance: &mut Allowance, now: Instant) -> Option<String> {
    let text: String = message.text.trim().chars().take(CHAT_TEXT_CHARS_MAX).collect();
    let text = text.replace('\0', "\u{fffd}");
    let has_good_id =
        (1..=STREAM_ID_BYTES_MAX).contains(&message.stream_id.len()) && !message.stream_id.contains('\0');
    (!text.is_empty() && has_good_id && allowance.takes(&message.identity, now)).then_some(text)
}

/// How much each may write, so that nobody fills the database: as much as the service lets through.
#[derive(Debug)]
struct Allowance {
    began: Instant,
    written: HashMap<String, u32>,
}

const WINDOW: Duration = Duration::from_secs(60);
const MESSAGES_IN_WINDOW_MAX: u32 = 100;

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            written: HashMap::new(),
        }
    }

    fn takes(&mut self, identity: &str, now: Instant) -> bool {
        if now.duration_since(self.began) >= WINDOW {
            *self = Self::new(now);
        }
        let written = self.written.entry(identity.to_owned()).or_default();
        *written += 1;
        *written <= MESSAGES_IN_WINDOW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(stream_id: &str, text: &str) -> ReceivedMessage {
        ReceivedMessage {
            stream_id: stream_id.to_owned(),
            identity: "ada".to_owned(),
            name: "Ada".to_owned(),
            text: text.to_owned(),
        }
    }

    fn kept(stream_id: &str, text: &str) -> Option<String> {
        let now = Instant::now();
        super::kept(&message(stream_id, text), &mut Allowance::new(now), now)
    }

    #[test]
    fn what_is_kept_is_what_the_service_would_take() {
        assert_eq!(kept("s", " Hello\n").as_deref(), Some("Hello"));
        assert_eq!(kept("s", "a\0b").as_deref(), Some("a\u{fffd}b"));
        let long = "é".repeat(CHAT_TEXT_CHARS_MAX + 1);
        let cut = kept("s", &long).expect("kept");
        assert_eq!(cut.chars().count(), CHAT_TEXT_CHARS_MAX);
        for (stream_id, text) in [
            ("s", " \n"),
            ("", "Hello"),
            ("s\0", "Hello"),
            (&*"s".repeat(129), "Hello"),
        ] {
            assert_eq!(kept(stream_id, text), None, "{stream_id:?} {text:?}");
        }
    }

    #[test]
    fn nobody_fills_the_database() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let mut taken = |identity: &str, seconds| {
            let now = begun + Duration::from_secs(seconds);
            (0..1_000).filter(|_| allowance.takes(identity, now)).count()
        };
        assert_eq!(taken("ada", 0), 100);
        assert_eq!(taken("ada", 59), 0);
        assert_eq!(taken("ben", 59), 100);
        assert_eq!(taken("ada", 60), 100);
    }
}
