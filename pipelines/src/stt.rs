//! Talking to a recogniser: the wire format, stream time, and one track's session.

mod codec;
mod keyterms;
mod pending;
mod session;
mod spool;
mod timeline;

pub use codec::{
    CLOSE_STREAM as STT_CLOSE_STREAM, DEEPGRAM_CATCH_UP_RATE, ModelImprovement, SttSettings,
    stt_path_of_model,
};
pub(crate) use keyterms::Keyterms;
pub(crate) use pending::Item;
pub(crate) use session::{Connecting, Session, SessionOutput, Speech, SpeechEvent};
pub(crate) use spool::{FRAME_SAMPLES, Stretch, StretchDecoder};
