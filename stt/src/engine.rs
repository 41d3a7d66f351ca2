//! The engines that turn an utterance into words.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Config;
use crate::pocketsphinx;

/// Why no words come out of an engine.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The recogniser's library isn't installed.
    #[error(
        "PocketSphinx isn't installed ({reason}). Debian, Ubuntu: apt install libpocketsphinx3 pocketsphinx-en-us. \
         macOS: brew install cmu-pocketsphinx. Or set DEEPGRAM_API_KEY to use Deepgram"
    )]
    LibraryMissing {
        /// What the dynamic linker said.
        reason: String,
    },
    /// The library is there, but isn't one of the two versions that are known.
    #[error("{name} can't be used as PocketSphinx 0.8 or 5.x: {reason}")]
    LibraryUnfit {
        /// What was loaded.
        name: String,
        /// What it lacks.
        reason: String,
    },
    /// The English model, or a file of it, isn't installed.
    #[error(
        "PocketSphinx's English model isn't installed: no {}. Debian, Ubuntu: apt install pocketsphinx-en-us. \
         macOS: it comes with brew's cmu-pocketsphinx. Or name the folder that holds it", path.display()
    )]
    ModelMissing {
        /// The first file that was looked for in vain.
        path: PathBuf,
    },
    /// The model's files are there, but the library doesn't take them.
    #[error("PocketSphinx can't load the model in {}", path.display())]
    ModelUnfit {
        /// The model's folder.
        path: PathBuf,
    },
    /// A call that should work didn't.
    #[error("PocketSphinx failed to {doing}")]
    Decoding {
        /// What was being tried.
        doing: &'static str,
    },
}

/// What the recogniser is, for an operator who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// The engine's name.
    pub name: &'static str,
    /// Its version, as far as it tells.
    pub version: String,
    /// The library that was loaded.
    pub library: String,
    /// The folder of the model.
    pub model_dir: PathBuf,
    /// What to expect of it, in a sentence.
    pub note: &'static str,
}

/// A kind of recogniser, loaded and able to make decoders.
#[derive(Debug)]
pub(crate) enum Engine {
    /// The distribution's PocketSphinx: real, streaming, English only, low accuracy.
    PocketSphinx(Arc<pocketsphinx::Library>),
}

impl Engine {
    /// Loads what all decoders share.
    pub(crate) fn load(config: &Config) -> Result<Self, EngineError> {
        let library = pocketsphinx::Library::load(config.library.as_deref(), config.model_dir.as_deref())?;
        Ok(Self::PocketSphinx(Arc::new(library)))
    }

    /// Makes a decoder; this reads the whole model and takes a part of a second.
    pub(crate) fn decoder(&self) -> Result<Decoder, EngineError> {
        match self {
            Self::PocketSphinx(library) => {
                pocketsphinx::Decoder::new(library.clone()).map(Decoder::PocketSphinx)
            }
        }
    }

    /// Gives the memory of dropped decoders back to the system.
    pub(crate) fn return_memory(&self) {
        match self {
            Self::PocketSphinx(library) => library.return_memory(),
        }
    }

    /// Says what it is.
    pub(crate) fn info(&self) -> EngineInfo {
        match self {
            Self::PocketSphinx(library) => EngineInfo {
                name: "pocketsphinx",
                version: library.version().to_owned(),
                library: library.name().to_owned(),
                model_dir: library.model_dir().to_owned(),
                note: "English only, and of low accuracy: every tenth word of clear speech is wrong, and every \
                       fourth of an ordinary recording; set DEEPGRAM_API_KEY for better captions",
            },
        }
    }
}

/// A recogniser for one utterance at a time.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// One of PocketSphinx.
    PocketSphinx(pocketsphinx::Decoder),
}

impl Decoder {
    /// Begins an utterance in a voice that may have been heard before.
    pub(crate) fn start(&mut self, voice: Option<&Voice>) -> Result<(), EngineError> {
        match (self, voice) {
            (Self::PocketSphinx(decoder), Some(Voice::PocketSphinx(channel))) => decoder.start(Some(channel)),
            (Self::PocketSphinx(decoder), None) => decoder.start(None),
        }
    }

    /// Makes ready for another speaker than before.
    pub(crate) fn change_speaker(&mut self) {
        match self {
            Self::PocketSphinx(decoder) => decoder.forget_noise(),
        }
    }

    /// Listens to 16 kHz audio of the open utterance.
    pub(crate) fn audio(&mut self, samples: &[i16]) -> Result<(), EngineError> {
        match self {
            Self::PocketSphinx(decoder) => decoder.audio(samples),
        }
    }

    /// What has been understood of the open utterance so far.
    pub(crate) fn words(&mut self) -> Vec<Heard> {
        match self {
            Self::PocketSphinx(decoder) => decoder.words(),
        }
    }

    /// Ends the utterance and returns its words.
    pub(crate) fn finish(&mut self) -> Result<Vec<Heard>, EngineError> {
        match self {
            Self::PocketSphinx(decoder) => decoder.finish(),
        }
    }

    /// What was learnt of the speaker's microphone.
    pub(crate) fn voice(&mut self) -> Option<Voice> {
        match self {
            Self::PocketSphinx(decoder) => decoder.channel().map(Voice::PocketSphinx),
        }
    }
}

/// What an engine has learnt of one microphone.
#[derive(Debug, Clone)]
pub(crate) enum Voice {
    /// PocketSphinx' running mean.
    PocketSphinx(pocketsphinx::Channel),
}

/// A word as an engine heard it, in seconds since its utterance began.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    /// The word, in lower case.
    pub(crate) text: String,
    /// When it begins.
    pub(crate) start_seconds: f64,
    /// When it ends.
    pub(crate) end_seconds: f64,
    /// How likely it is, 0 to 1; 0 while that isn't known.
    pub(crate) confidence: f64,
}
