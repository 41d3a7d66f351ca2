//! The worker that lives in a room.
//!
//! [`run`] registers with LiveKit, takes rooms, and brings each from its first word to its artifacts. One process
//! serves many rooms; each is a task tree of its own, and nothing that goes wrong in one reaches another.

mod backoff;
mod chat;
mod config;
mod cover;
mod driver;
mod error;
mod failover;
mod handover;
mod history;
mod journal;
mod link;
mod llm;
mod probe;
mod reconcile;
mod recovery;
mod replies;
mod room;
mod rooms;
mod roster;
mod run;
mod server;
mod stages;
mod stt;
mod summary;
#[cfg(test)]
#[path = "../tests/support/config.rs"]
mod test_config;
mod tls;
mod worker;

// What tests of the crate share with tests on its outside names it as these do.
#[cfg(test)]
extern crate self as lectern_agent;

use lectern_storage::{Database, Objects, Writer};
use tokio::sync::{Notify, watch};

pub use chat::TellOfChat;
pub use config::{
    CaptionForms, Config, LiveKit, Llm, NetworkPaths, ScreenShareAudio, Stt, SttServer, Visibility,
};
pub use error::Error;
pub use llm::Exchange;
pub use probe::{count_rooms, probe_llm, probe_recognisers};
pub use replies::Replies;
pub use room::speaker::{HeardCaption, Speaker, delete_room, join_url, participant_token};
pub use run::run;
pub use stt::{Recogniser, SocketStuck, SttConfigError, SttEvent, SttMessage, SttNews, SttSocket, SttUrl};
pub use summary::{SUMMARY_PATIENCE, Summarised, Summariser, Wishes};

use crate::{chat::Chats, cover::Held, journal::Journals};

/// What every room and every stage of one worker process shares.
#[derive(Debug)]
pub struct Context {
    /// All settings.
    pub config: Config,
    /// Meetings, their stages and leases.
    pub database: Database,
    /// Stores final segments as they come, many rooms in one commit.
    pub writer: Writer,
    /// Artifacts.
    pub objects: Objects,
    /// The name under which this process holds leases; new at each start.
    pub holder: String,
    /// Told when a meeting has reached a new stage, so that the next step starts at once.
    pub stages_wake: Notify,
    /// Told when LiveKit's rooms should be compared with ours at once.
    pub reconcile_wake: Notify,
    recogniser: Recogniser,
    /// Nothing where what is heard is kept in memory alone.
    journals: Option<Journals>,
    /// Nothing where chat is not shared with LiveKit's components.
    chats: Option<Chats>,
    held: Held,
    registered: watch::Sender<bool>,
}

impl Context {
    /// Puts together what the worker's parts share.
    pub fn new(config: Config, database: Database, writer: Writer, objects: Objects) -> Result<Self, Error> {
        let journals = config.speech_logs.as_deref().map(Journals::start);
        Ok(Self {
            recogniser: Recogniser::new(&config.stt)?,
            journals: journals.transpose().map_err(Error::SpeechLog)?,
            chats: None,
            config,
            database,
            writer,
            objects,
            holder: format!("worker-{}", uuid::Uuid::now_v7()),
            stages_wake: Notify::new(),
            reconcile_wake: Notify::new(),
            held: Held::default(),
            registered: watch::Sender::new(false),
        })
    }

    /// Shares rooms' chat with LiveKit's own components; `tell` makes the events that the service's listeners get.
    pub fn with_chat(mut self, tell: TellOfChat) -> Self {
        self.chats = Some(Chats::new(self.database.clone(), tell));
        self
    }

    /// What should be known of the recognisers, whenever it is asked; nothing where there is but one.
    pub fn recognisers(&self) -> Option<impl Fn() -> Result<(), String> + Send + Sync + 'static> {
        self.recogniser.standing()
    }

    /// Whether LiveKit has accepted this worker and can reach it; follow it for readiness.
    pub fn registered(&self) -> watch::Receiver<bool> {
        self.registered.subscribe()
    }
}
