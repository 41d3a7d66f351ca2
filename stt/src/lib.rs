//! A local recogniser that speaks Deepgram's streaming protocol: what captions a room when no Deepgram key is set.
//!
//! `session.rs` is the protocol as a value, `pocketsphinx.rs` the engine, or `whisper` with that feature; `pool.rs`
//! shares its decoders between streams, `server.rs` and `stream.rs` put them on a socket.

mod engine;
mod pocketsphinx;
mod pool;
mod query;
mod resample;
mod server;
mod session;
mod stream;
mod text;
mod voice;
#[cfg(any(test, feature = "whisper"))]
mod whisper;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;

pub use crate::engine::{EngineError, EngineInfo};
pub use crate::server::Server;

/// Streams for each core: many are open, few speak.
const SESSIONS_PER_CORE: usize = 16;
/// Decoders for each core: what one core can do in real time, with a reserve (docs/adr/0003).
const DECODERS_PER_CORE: usize = 8;
/// Most decoders that are made without being asked for: 3 GB.
const DECODERS_MAX: usize = 32;
/// How long Deepgram waits for a client that says nothing.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How the recogniser is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Streams that may be open at once; more are answered 429.
    pub sessions_max: usize,
    /// Decoders, of about 100 MB each, that may be in memory at once; a speaker who finds none free waits.
    pub decoders_max: usize,
    /// Folder with `en-us/`, `en-us.lm.bin` and `cmudict-en-us.dict`; where packages put it if not given.
    pub model_dir: Option<PathBuf>,
    /// The engine's library; looked for by its usual names if not given.
    pub library: Option<PathBuf>,
    /// A whisper model in ggml's format, to use whisper instead; an error where this program was built without it.
    pub whisper_model: Option<PathBuf>,
    /// Time without audio or text after which a stream is closed.
    pub idle_max: Duration,
}

impl Config {
    /// What suits this machine's cores.
    pub fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            sessions_max: SESSIONS_PER_CORE * cores,
            decoders_max: (DECODERS_PER_CORE * cores).min(DECODERS_MAX),
            model_dir: None,
            library: None,
            whisper_model: None,
            idle_max: IDLE_MAX,
        }
    }
}

/// Why the recogniser doesn't serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine can't be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Loading the engine was broken off.
    #[error("loading the local recogniser was broken off: {reason}")]
    Load {
        /// What the runtime said.
        reason: String,
    },
    /// The listening socket failed.
    #[error("the local recogniser can't accept connections")]
    Serve(#[source] std::io::Error),
}

/// Loads the recogniser and serves `/v1/listen` until `shutdown`. Keys are accepted and not checked, so listen on
/// loopback, or behind something that checks.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    Server::start(config).await?.serve(listener, shutdown).await
}

/// Says whether the engine and its model are there and can be loaded; takes a part of a second.
pub fn check(config: &Config) -> Result<EngineInfo, Error> {
    let engine = engine::Engine::load(config)?;
    engine.decoder()?;
    Ok(engine.info())
}
