//! What the worker has to be told, parsed by whoever starts it.

use std::{path::PathBuf, time::Duration};

use lectern_pipelines::{PageSize, SttSettings};
use secrecy::SecretString;

/// All settings of a worker.
#[derive(Debug, Clone)]
pub struct Config {
    /// The LiveKit server.
    pub livekit: LiveKit,
    /// Empty: every room is ours. Else only rooms that ask for an agent of this name.
    pub agent_name: String,
    /// Rooms that this worker takes at once.
    pub rooms_max: u32,
    /// How long running rooms may go on once the worker was told to stop.
    pub drain: Duration,
    /// Whether participants see the agent.
    pub visibility: Visibility,
    /// The ways by which media may reach us.
    pub network_paths: NetworkPaths,
    /// What becomes of a shared screen's sound.
    pub screen_share_audio: ScreenShareAudio,
    /// The wire forms in which captions are sent.
    pub caption_forms: CaptionForms,
    /// The recogniser.
    pub stt: Stt,
    /// The language model; without one summaries are extractive.
    pub llm: Option<Llm>,
    /// The folder for logs of what was heard and not recognised yet; without one that is kept in memory alone, and lost
    /// with the process.
    pub speech_logs: Option<PathBuf>,
    /// The program whose `render` command turns minutes into a PDF; usually our own executable.
    pub render_program: PathBuf,
    /// The paper of every PDF; what is usual where the summary's language is spoken if absent.
    pub paper: Option<PageSize>,
}

/// Where LiveKit is and how to prove that we may use it.
#[derive(Debug, Clone)]
pub struct LiveKit {
    /// `ws://`, `wss://`, `http://` or `https://`.
    pub url: String,
    /// The API key's name.
    pub api_key: String,
    /// The API key's secret.
    pub api_secret: SecretString,
}

/// Whether participants see the agent among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// The default: nobody sees it.
    Hidden,
    /// Front ends that look for a voice assistant find it.
    Visible,
}

/// The ways by which media may go between a LiveKit server and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkPaths {
    /// By our own addresses, and by the server's TURN relays where those don't get through.
    Direct,
    /// Also by what STUN servers say our addresses look like from outside. Whoever runs them learns when we connect.
    WithStun,
    /// By the server's TURN relays alone.
    RelayOnly,
}

/// What becomes of the sound of a shared screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenShareAudio {
    /// It is not subscribed to.
    Ignored,
    /// It is captioned like a microphone.
    Captioned,
}

/// Which of the three wire forms of a caption are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptionForms {
    /// Text streams on `lk.transcription`.
    pub text_streams: bool,
    /// The older `Transcription` packets.
    pub transcription_packets: bool,
    /// Our own JSON on `lectern.captions`.
    pub data_packets: bool,
}

/// The recognisers and how they are asked.
#[derive(Debug, Clone)]
pub struct Stt {
    /// At least one, the one that should serve first; the others serve while those before them are away.
    pub servers: Vec<SttServer>,
    /// Sockets open at once in this process.
    pub sockets_max: u32,
    /// Of these, for what was said while the recogniser was away.
    pub lanes_max: u32,
    /// What they are asked for.
    pub settings: SttSettings,
}

/// Where a recogniser is.
#[derive(Debug, Clone)]
pub struct SttServer {
    /// `http(s)://` or `ws(s)://`, to which `/v1/listen` is added.
    pub base_url: String,
    /// Absent for our own recogniser.
    pub api_key: Option<SecretString>,
    /// The model that it is asked for, where that is another one than in [`Stt::settings`].
    pub model: Option<String>,
}

/// An OpenAI-compatible language model.
#[derive(Debug, Clone)]
pub struct Llm {
    /// `https://…/v1`.
    pub base_url: String,
    /// Absent where the server asks for none.
    pub api_key: Option<SecretString>,
    /// The model's name.
    pub model: String,
    /// What the model takes and gives in one call.
    pub context_tokens: u32,
    /// The language that summaries are written in, BCP 47; each lecture's own if absent.
    pub language: Option<String>,
}
