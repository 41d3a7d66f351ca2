//! The engines that turn an utterance into words.

use std::path::PathBuf;
use std::sync::Arc;

use crate::Config;
use crate::pocketsphinx;
use crate::session::Answer;
#[cfg(feature = "whisper")]
use crate::whisper;

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
    /// A whisper model was named, and this program was built without whisper.
    #[error(
        "this program was built without whisper, which LECTERN_WHISPER_MODEL asks for. Build it where cmake and libclang \
         are by: cargo build --release --features whisper. Or leave LECTERN_WHISPER_MODEL empty to use PocketSphinx"
    )]
    WhisperNotBuilt,
    /// The whisper model can't be read.
    #[error(
        "there is no whisper model to read at {} ({reason}); LECTERN_WHISPER_MODEL names a ggml file, or a model to fetch, \
         such as base", path.display()
    )]
    WhisperModelMissing {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is there, but isn't a whole model of the kind.
    #[error(
        "{} is no whisper model in ggml's format: {reason}. LECTERN_WHISPER_MODEL names such a file (ggml-….bin of \
         whisper.cpp), or a model to fetch, such as base", path.display()
    )]
    WhisperModelUnfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A call that should work didn't.
    #[error("the recogniser failed to {doing}")]
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
    /// The library that was loaded, or built in.
    pub library: String,
    /// The model's name.
    pub model: String,
    /// The model's folder, or its file if it is one.
    pub model_path: PathBuf,
    /// What to expect of it, in a sentence.
    pub note: &'static str,
}

/// A kind of recogniser, loaded and able to make decoders.
#[derive(Debug)]
pub(crate) enum Engine {
    /// The distribution's PocketSphinx: real, streaming, English only, low accuracy.
    PocketSphinx(Arc<pocketsphinx::Library>),
    /// whisper.cpp: many languages, punctuation, good accuracy; slow without a big machine.
    #[cfg(feature = "whisper")]
    Whisper(Arc<whisper::Model>),
}

impl Engine {
    /// Loads what all decoders share: whisper if a model of it is named.
    pub(crate) fn load(config: &Config) -> Result<Self, EngineError> {
        #[cfg(feature = "whisper")]
        if let Some(path) = &config.whisper_model {
            return Ok(Self::Whisper(Arc::new(whisper::Model::load(path)?)));
        }
        #[cfg(not(feature = "whisper"))]
        if config.whisper_model.is_some() {
            return Err(EngineError::WhisperNotBuilt);
        }
        let library = pocketsphinx::Library::load(config.library.as_deref(), config.model_dir.as_deref())?;
        Ok(Self::PocketSphinx(Arc::new(library)))
    }

    /// Makes a decoder; this reads the whole model and takes a part of a second.
    pub(crate) fn decoder(&self) -> Result<Decoder, EngineError> {
        match self {
            Self::PocketSphinx(library) => {
                pocketsphinx::Decoder::new(library.clone()).map(Decoder::PocketSphinx)
            }
            #[cfg(feature = "whisper")]
            Self::Whisper(model) => Ok(Decoder::Whisper(Box::new(whisper::Decoder::new(model.clone())))),
        }
    }

    /// The language to listen for, of what a client asks for, or why it can't be.
    pub(crate) fn language(&self, asked: Option<&str>) -> Result<Language, String> {
        match self {
            Self::PocketSphinx(_) => english(asked),
            #[cfg(feature = "whisper")]
            Self::Whisper(model) => model.language(asked),
        }
    }

    /// Who ends utterances in which nobody pauses.
    pub(crate) fn long_utterances(&self) -> LongUtterances {
        match self {
            Self::PocketSphinx(_) => LongUtterances::Cut,
            #[cfg(feature = "whisper")]
            Self::Whisper(_) => LongUtterances::Settled,
        }
    }

    /// Gives the memory of dropped decoders back to the system.
    pub(crate) fn return_memory(&self) {
        match self {
            Self::PocketSphinx(library) => library.return_memory(),
            // Its decoders hold half a minute of audio and nothing else.
            #[cfg(feature = "whisper")]
            Self::Whisper(_) => {}
        }
    }

    /// Says what it is.
    pub(crate) fn info(&self) -> EngineInfo {
        match self {
            Self::PocketSphinx(library) => EngineInfo {
                name: "pocketsphinx",
                version: library.version().to_owned(),
                library: library.name().to_owned(),
                model: "pocketsphinx-en-us".to_owned(),
                model_path: library.model_dir().to_owned(),
                note: "English only, and of low accuracy: every tenth word of clear speech is wrong, and every \
                       fourth of an ordinary recording; set DEEPGRAM_API_KEY for better captions",
            },
            #[cfg(feature = "whisper")]
            Self::Whisper(model) => EngineInfo {
                name: "whisper",
                version: whisper_rs::WHISPER_CPP_VERSION.to_owned(),
                library: "whisper.cpp".to_owned(),
                model: model.name(),
                model_path: model.path().to_owned(),
                note: "as accurate as its model is large, and as slow: captions that fall behind ask for a smaller one, \
                       or a larger machine",
            },
        }
    }
}

/// What language a stream is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "whisper"),
    expect(dead_code, reason = "PocketSphinx knows one language and doesn't look")
)]
pub(crate) enum Language {
    /// This one, as in ISO 639-1.
    Known(&'static str),
    /// The engine finds out.
    Found,
}

/// How utterances that don't end are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LongUtterances {
    /// The session cuts them into pieces wherever they are.
    Cut,
    /// The engine says which words are final while the speaker goes on.
    Settled,
}

fn english(language: Option<&str>) -> Result<Language, String> {
    match language.map(str::to_ascii_lowercase) {
        Some(language) if !(language.is_empty() || language == "multi" || language.starts_with("en")) => {
            Err(format!(
                "language {language}: the local recogniser's model knows English only; ask for language=en, or set \
             LECTERN_WHISPER_MODEL or DEEPGRAM_API_KEY for other languages"
            ))
        }
        _ => Ok(Language::Known("en")),
    }
}

/// A recogniser for one utterance at a time.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// One of PocketSphinx.
    PocketSphinx(pocketsphinx::Decoder),
    /// One of whisper.
    #[cfg(feature = "whisper")]
    Whisper(Box<whisper::Decoder>),
}

impl Decoder {
    /// Begins an utterance in a voice that may have been heard before.
    pub(crate) fn start(&mut self, voice: Option<&Voice>, language: Language) -> Result<(), EngineError> {
        match self {
            Self::PocketSphinx(decoder) => {
                let Language::Known("en") = language else {
                    return Err(EngineError::Decoding {
                        doing: "listen for another language than English",
                    });
                };
                decoder.start(voice.map(|Voice::PocketSphinx(channel)| channel))
            }
            #[cfg(feature = "whisper")]
            Self::Whisper(decoder) => {
                decoder.start(language);
                Ok(())
            }
        }
    }

    /// Makes ready for another speaker than before.
    pub(crate) fn change_speaker(&mut self) {
        match self {
            Self::PocketSphinx(decoder) => decoder.forget_noise(),
            // It knows nothing from one utterance to the next.
            #[cfg(feature = "whisper")]
            Self::Whisper(_) => {}
        }
    }

    /// Listens to 16 kHz audio of the open utterance.
    pub(crate) fn audio(&mut self, samples: &[i16]) -> Result<(), EngineError> {
        match self {
            Self::PocketSphinx(decoder) => decoder.audio(samples),
            #[cfg(feature = "whisper")]
            Self::Whisper(decoder) => {
                decoder.audio(samples);
                Ok(())
            }
        }
    }

    /// What has been understood of the open utterance so far, without what was told as final.
    pub(crate) fn guess(&mut self) -> Result<Answer, EngineError> {
        match self {
            Self::PocketSphinx(decoder) => Ok(Answer::Words(decoder.words())),
            #[cfg(feature = "whisper")]
            Self::Whisper(decoder) => decoder.guess(),
        }
    }

    /// Ends an utterance of which nobody wants to know any more.
    pub(crate) fn abandon(&mut self) -> Result<(), EngineError> {
        match self {
            Self::PocketSphinx(decoder) => decoder.finish().map(|_| ()),
            // The next one starts afresh.
            #[cfg(feature = "whisper")]
            Self::Whisper(_) => Ok(()),
        }
    }

    /// Ends the utterance and returns its words, without those that were told as final.
    pub(crate) fn finish(&mut self) -> Result<Answer, EngineError> {
        match self {
            Self::PocketSphinx(decoder) => decoder.finish().map(Answer::Words),
            #[cfg(feature = "whisper")]
            Self::Whisper(decoder) => decoder.finish(),
        }
    }

    /// What was learnt of the speaker's microphone.
    pub(crate) fn voice(&mut self) -> Option<Voice> {
        match self {
            Self::PocketSphinx(decoder) => decoder.channel().map(Voice::PocketSphinx),
            #[cfg(feature = "whisper")]
            Self::Whisper(_) => None,
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
    /// The word as it is to be shown: with punctuation if the engine knows of it, else in lower case.
    pub(crate) text: String,
    /// When it begins.
    pub(crate) start_seconds: f64,
    /// When it ends.
    pub(crate) end_seconds: f64,
    /// How likely it is, 0 to 1; 0 while that isn't known.
    pub(crate) confidence: f64,
    /// The language that the engine found it to be in, as in ISO 639-1; none where it was told the language.
    pub(crate) language: Option<&'static str>,
}

/// Words that are final while their utterance goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settled {
    /// The words, perhaps none.
    pub(crate) words: Vec<Heard>,
    /// Up to where they are all there is, in seconds of their utterance.
    pub(crate) end_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_than_english_are_refused_with_a_reason() {
        let refused = english(Some("de")).expect_err("PocketSphinx knows no German");
        assert!(refused.contains("English only"), "{refused}");
        for language in [None, Some("en"), Some("en-GB"), Some("multi"), Some("")] {
            assert_eq!(english(language), Ok(Language::Known("en")), "{language:?}");
        }
    }

    #[cfg(not(feature = "whisper"))]
    #[test]
    fn a_program_without_whisper_says_how_to_build_it() {
        let config = Config {
            whisper_model: Some("model.bin".into()),
            ..Config::for_this_machine()
        };
        let error = Engine::load(&config).expect_err("it isn't built in");
        assert!(error.to_string().contains("--features whisper"), "{error}");
    }
}
