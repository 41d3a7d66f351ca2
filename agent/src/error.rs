//! What can go wrong around a room.

use lectern_pipelines::{ModelFailure, RoomName};

/// Why the worker, one of its rooms or a step after a room's end failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database or the object store failed.
    #[error(transparent)]
    Storage(#[from] lectern_storage::Error),
    /// A token could not be made: the API key or secret is unusable.
    #[error("making a LiveKit token: {0}")]
    Token(#[from] livekit_api::access_token::AccessTokenError),
    /// LiveKit's HTTP services refused or did not answer.
    #[error("asking LiveKit to {action}: {source}")]
    LiveKit {
        /// What was being tried, as a verb phrase.
        action: &'static str,
        /// The client's account of it.
        source: livekit_api::services::ServiceError,
    },
    /// The worker's connection to LiveKit failed.
    #[error("worker connection to {url}: {reason}")]
    Worker {
        /// Where we connected to.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A room could not be joined.
    #[error("joining room {room}: {reason}")]
    Join {
        /// The room.
        room: RoomName,
        /// What happened.
        reason: String,
    },
    /// The recogniser's settings make no sense.
    #[error(transparent)]
    Stt(#[from] crate::SttConfigError),
    /// The recogniser can't be used.
    #[error("recogniser {url}: {reason}")]
    Recogniser {
        /// Its base URL.
        url: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A participant of ours could not speak.
    #[error("speaking into the room: {reason}")]
    Speak {
        /// What happened.
        reason: String,
    },
    /// The language model failed.
    #[error("language model: {reason}")]
    Llm {
        /// What kind of failure that is.
        failure: ModelFailure,
        /// What happened, and what to do.
        reason: String,
    },
    /// The PDF could not be rendered.
    #[error("rendering the PDF: {0}")]
    Render(String),
    /// The log of what a dead worker heard can't be read or removed.
    #[error("the log of what was heard: {0}")]
    SpeechLog(std::io::Error),
    /// A step after a room's end panicked.
    #[error("a step panicked: {0}")]
    Panicked(String),
    /// A step after a room's end took too long.
    #[error("a step had no end within {seconds} s")]
    StepTimeout {
        /// How long was waited.
        seconds: u64,
    },
}
