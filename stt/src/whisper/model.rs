//! whisper.cpp by `whisper-rs`: the loaded model, its states, and a decoder for each utterance.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperSegment, WhisperState,
    get_lang_id, get_lang_str, install_logging_hooks,
};

use super::file::{self, Facts};
use super::hypothesis::{Hypothesis, Segment, Token};
use super::window::Window;
use crate::engine::{EngineError, Language, Settled};
use crate::resample::RECOGNISER_HZ;
use crate::session::Answer;
use crate::voice::{FRAME_SAMPLES, Sound, VoiceDetector};

/// Cores of one decoding; beyond them whisper.cpp gains little.
const CORES_PER_STATE: usize = 4;
/// Shortest audio that is handed over, filled up with silence: the library ignores less than a tenth of a second, and
/// guesses at less than one.
const AUDIO_SAMPLES_MIN: usize = RECOGNISER_HZ as usize;
/// Audio from which a found language is kept for the rest of its utterance.
const LANGUAGE_SAMPLES: u64 = 3 * RECOGNISER_HZ as u64;
/// How much the randomness grows when a guess at an utterance's end is taken for a loop: two more attempts.
const TEMPERATURE_STEP: f32 = 0.5;
/// Times are counted in hundredths of a second.
const TIME_UNITS_PER_SECOND: f64 = 100.0;
/// Names of languages that whisper knows by another.
const SYNONYMS: [(&str, &str); 4] = [("nb", "no"), ("fil", "tl"), ("iw", "he"), ("jv", "jw")];

/// A loaded model and the states in which it decodes. A state takes hundreds of megabytes and is of use during a
/// decoding only, so all utterances share as many as there are cores for.
pub(crate) struct Model {
    context: WhisperContext,
    facts: Facts,
    path: PathBuf,
    threads: usize,
    free: Mutex<Vec<WhisperState>>,
    places: Semaphore,
    /// Parameters by language: `whisper-rs` never frees a language that was set, so each is set once.
    parameters: Mutex<HashMap<&'static str, FullParams<'static, 'static>>>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Model")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads a ggml file: as long as it takes to read it.
    pub(crate) fn load(path: &Path) -> Result<Self, EngineError> {
        let facts = file::look_at(path)?;
        // Or the library writes to standard error, and what people said among it.
        install_logging_hooks();
        let unfit = |what: &str| EngineError::WhisperModelUnfit {
            path: path.to_owned(),
            reason: format!("whisper.cpp can't {what}"),
        };
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
            .map_err(|_| unfit("load it"))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let states = (cores / CORES_PER_STATE).max(1);
        // One now, so that what can't be decoded or doesn't fit into memory shows at once.
        let state = context
            .create_state()
            .map_err(|_| unfit("get the memory to decode by it"))?;
        Ok(Self {
            context,
            facts,
            path: path.to_owned(),
            threads: cores.min(CORES_PER_STATE),
            free: Mutex::new(vec![state]),
            places: Semaphore::new(states),
            parameters: Mutex::new(HashMap::new()),
        })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What the model is called.
    pub(crate) fn name(&self) -> String {
        let english = if self.facts.is_multilingual() { "" } else { ".en" };
        format!("whisper-{}{english}", self.facts.size())
    }

    /// What is to be listened for; an error says which languages there are.
    pub(crate) fn language(&self, asked: Option<&str>) -> Result<Language, String> {
        let asked = asked.unwrap_or_default().to_ascii_lowercase();
        let primary = asked.split(['-', '_']).next().unwrap_or_default();
        let primary = SYNONYMS
            .iter()
            .find_map(|(other, name)| (*other == primary).then_some(*name))
            .unwrap_or(primary);
        let finds = matches!(primary, "" | "multi" | "auto");
        if !self.facts.is_multilingual() {
            return match finds || primary == "en" {
                true => Ok(Language::Known("en")),
                false => Err(format!(
                    "language {asked}: {} knows English only; name a model without .en by LECTERN_WHISPER_MODEL",
                    self.name()
                )),
            };
        }
        if finds {
            return Ok(Language::Found);
        }
        // The library would panic at a zero byte, and takes whole names of languages, too.
        let known = (primary.len() <= 3 && !primary.contains('\0'))
            .then(|| get_lang_id(primary).and_then(get_lang_str))
            .flatten();
        known.map(Language::Known).ok_or_else(|| {
            format!("language {asked}: whisper doesn't know it; ask for one of ISO 639's, such as de, or for multi")
        })
    }

    /// Decodes at most 30 s, when a state is free; blocks. `last` is whether nothing comes after it.
    fn decode(&self, samples: &[i16], language: &'static str, last: bool) -> Result<Hypothesis, EngineError> {
        let mut audio: Vec<f32> = samples
            .iter()
            .map(|sample| f32::from(*sample) / 32_768.0)
            .collect();
        audio.resize(audio.len().max(AUDIO_SAMPLES_MIN), 0.0);
        let mut parameters = self.parameters(language);
        parameters.set_temperature_inc(if last { TEMPERATURE_STEP } else { 0.0 });
        // In the order of asking, so that nobody waits for ever.
        let place = Handle::current()
            .block_on(self.places.acquire())
            .expect("it is never closed");
        let free = locked(&self.free).pop();
        let mut state = match free {
            Some(state) => state,
            None => self.context.create_state().map_err(|_| EngineError::Decoding {
                doing: "get the memory to decode",
            })?,
        };
        state
            .full(parameters, &audio)
            .map_err(|_| EngineError::Decoding {
                doing: "decode audio",
            })?;
        let hypothesis = Hypothesis {
            segments: state.as_iter().map(|segment| self.segment(&segment)).collect(),
            language: (language == AUTO)
                .then(|| get_lang_str(state.full_lang_id_from_state()))
                .flatten(),
        };
        locked(&self.free).push(state);
        drop(place);
        Ok(hypothesis)
    }

    fn parameters(&self, language: &'static str) -> FullParams<'static, 'static> {
        let mut known = locked(&self.parameters);
        let parameters = known.entry(language).or_insert_with(|| {
            let mut parameters = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
            parameters.set_language(Some(language));
            parameters.set_n_threads(i32::try_from(self.threads).expect("few"));
            parameters.set_no_context(true);
            parameters.set_token_timestamps(true);
            parameters.set_suppress_nst(true);
            parameters.set_print_special(false);
            parameters.set_print_progress(false);
            parameters.set_print_realtime(false);
            parameters.set_print_timestamps(false);
            parameters
        });
        parameters.clone()
    }

    fn segment(&self, segment: &WhisperSegment<'_>) -> Segment {
        // Marks and times have the numbers from this one on.
        let marks = self.context.token_eot();
        let tokens = (0..segment.n_tokens()).filter_map(|index| segment.get_token(index));
        let tokens = tokens
            .filter(|token| token.token_id() < marks)
            .filter_map(|token| {
                let data = token.token_data();
                Some(Token {
                    bytes: token.to_bytes().ok()?.to_vec(),
                    start_seconds: data.t0 as f64 / TIME_UNITS_PER_SECOND,
                    end_seconds: data.t1 as f64 / TIME_UNITS_PER_SECOND,
                    probability: f64::from(data.p),
                })
            });
        Segment {
            no_speech: f64::from(segment.no_speech_probability()),
            tokens: tokens.collect(),
        }
    }
}

/// The library's name for finding the language.
const AUTO: &str = "auto";

/// Listens to one utterance at a time.
#[derive(Debug)]
pub(crate) struct Decoder {
    model: Arc<Model>,
    window: Window,
    detector: VoiceDetector,
    /// Audio of the utterance from the window's beginning on.
    audio: Vec<i16>,
    audio_start: u64,
    /// Samples of it that were judged.
    judged: usize,
    /// Words that became final and weren't told yet.
    finals: Vec<Settled>,
    asked: Language,
    found: Option<&'static str>,
}

impl Decoder {
    /// A decoder of the model that all share.
    pub(crate) fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            window: Window::default(),
            detector: VoiceDetector::default(),
            audio: Vec::new(),
            audio_start: 0,
            judged: 0,
            finals: Vec::new(),
            asked: Language::Found,
            found: None,
        }
    }

    /// Begins an utterance.
    pub(crate) fn start(&mut self, language: Language) {
        *self = Self {
            asked: language,
            ..Self::new(self.model.clone())
        };
    }

    /// Listens to 16 kHz audio.
    pub(crate) fn audio(&mut self, samples: &[i16]) {
        self.audio.extend_from_slice(samples);
        while self.audio.len() - self.judged >= FRAME_SAMPLES {
            let frame = &self.audio[self.judged..self.judged + FRAME_SAMPLES];
            self.window.hear(FRAME_SAMPLES, self.detector.hear(frame));
            self.judged += FRAME_SAMPLES;
        }
    }

    /// Decodes if it is time to; the words that became final meanwhile, and those that may still change.
    pub(crate) fn guess(&mut self) -> Result<Answer, EngineError> {
        if let Some(window) = self.window.due() {
            self.decode(&window, false)?;
        }
        Ok(Answer::Settled {
            finals: std::mem::take(&mut self.finals),
            rest: self.window.open_words(),
        })
    }

    /// Ends the utterance: the words that were not told as final.
    pub(crate) fn finish(&mut self) -> Result<Answer, EngineError> {
        let rest = self.audio.len() - self.judged;
        if rest > 0 {
            // Less than a frame, too short to be judged, but perhaps the end of a word.
            self.window.hear(rest, Sound::Speech);
            self.judged = self.audio.len();
        }
        while let Some(window) = self.window.due_at_end() {
            self.decode(&window, true)?;
        }
        Ok(Answer::Settled {
            finals: std::mem::take(&mut self.finals),
            rest: self.window.finish(),
        })
    }

    fn decode(&mut self, window: &std::ops::Range<u64>, last: bool) -> Result<(), EngineError> {
        let asked_at = Instant::now();
        let place = |sample: u64| (sample - self.audio_start) as usize;
        let samples = &self.audio[place(window.start)..place(window.end)];
        let language = match (self.asked, self.found) {
            (Language::Known(language), _) | (Language::Found, Some(language)) => language,
            (Language::Found, None) => AUTO,
        };
        let mut hypothesis = self.model.decode(samples, language, last)?;
        if window.end - window.start >= LANGUAGE_SAMPLES {
            self.found = self.found.or(hypothesis.language);
        }
        hypothesis.language = hypothesis.language.or(self.found);
        self.window.take(window, &hypothesis, asked_at.elapsed());
        self.finals.extend(self.window.settled());
        let unneeded = (self.window.start() - self.audio_start) as usize;
        self.audio.drain(..unneeded);
        self.judged -= unneeded;
        self.audio_start = self.window.start();
        Ok(())
    }
}

/// The values that are locked here are whole at every moment, so a panic elsewhere leaves them usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Heard;
    use crate::whisper::tiny::{LANGUAGE, TinyModel, written};

    const SECOND: usize = RECOGNISER_HZ as usize;

    fn voice(seconds: usize) -> Vec<i16> {
        (0..seconds * SECOND)
            .map(|n| if n / 40 % 2 == 0 { 4_000 } else { -4_000 })
            .collect()
    }

    fn texts(words: &[Heard]) -> Vec<&str> {
        words.iter().map(|word| word.text.as_str()).collect()
    }

    /// The words of an answer, none of which is settled.
    fn words(answer: Result<Answer, EngineError>) -> Vec<Heard> {
        match answer.expect("decoded") {
            Answer::Settled { finals, rest } if finals.is_empty() => rest,
            other => panic!("{other:?}"),
        }
    }

    /// Decoding waits on a runtime for its place, as it does on the server's threads for blocking work.
    async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(task).await.expect("no panic")
    }

    #[tokio::test]
    async fn a_model_says_what_it_was_made_to_say() {
        blocking(|| {
            let file = TinyModel::multilingual().written();
            let model = Arc::new(Model::load(file.path()).expect("a model"));
            let mut decoder = Decoder::new(model);
            decoder.start(Language::Known("fr"));
            decoder.audio(&voice(2));
            assert_eq!(texts(&words(decoder.guess())), ["Good", "morning,", "all."]);
            decoder.audio(&voice(1)[..SECOND / 2 + 7]);
            let words = words(decoder.finish());
            assert_eq!(texts(&words), ["Good", "morning,", "all."]);
            let mut before = 0.0;
            for word in &words {
                assert!(
                    before <= word.start_seconds && word.start_seconds <= word.end_seconds,
                    "{word:?}"
                );
                assert!(word.end_seconds <= 2.6, "{word:?}");
                assert!(word.confidence > 0.9, "{word:?}");
                assert_eq!(word.language, None, "it was told the language");
                before = word.start_seconds;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_multilingual_model_finds_the_language_and_says_so() {
        blocking(|| {
            let file = TinyModel::multilingual().written();
            let mut decoder = Decoder::new(Arc::new(Model::load(file.path()).expect("a model")));
            decoder.start(Language::Found);
            decoder.audio(&voice(4));
            let heard = words(decoder.guess());
            assert!(
                heard.iter().all(|word| word.language == Some(LANGUAGE.0)),
                "{heard:?}"
            );
            // From now on it isn't looked for again, and still told.
            assert_eq!(decoder.found, Some(LANGUAGE.0));
            decoder.audio(&voice(1));
            let words = words(decoder.finish());
            assert_eq!(texts(&words), ["Good", "morning,", "all."]);
            assert!(
                words.iter().all(|word| word.language == Some(LANGUAGE.0)),
                "{words:?}"
            );
        })
        .await;
    }

    #[tokio::test]
    async fn many_decoders_share_few_states() {
        blocking(|| {
            let file = TinyModel::english().written();
            let model = Arc::new(Model::load(file.path()).expect("a model"));
            let places = model.places.available_permits();
            let handle = Handle::current();
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    let model = model.clone();
                    let handle = handle.clone();
                    std::thread::spawn(move || {
                        let _entered = handle.enter();
                        let mut decoder = Decoder::new(model);
                        decoder.start(Language::Known("en"));
                        decoder.audio(&voice(1));
                        words(decoder.finish())
                    })
                })
                .collect();
            for thread in threads {
                assert_eq!(
                    texts(&thread.join().expect("no panic")),
                    ["Good", "morning,", "all."]
                );
            }
            assert!(locked(&model.free).len() <= places);
            assert_eq!(model.places.available_permits(), places);
        })
        .await;
    }

    #[tokio::test]
    async fn silence_and_a_moment_have_no_words() {
        blocking(|| {
            let file = TinyModel::english().written();
            let mut decoder = Decoder::new(Arc::new(Model::load(file.path()).expect("a model")));
            decoder.start(Language::Known("en"));
            assert_eq!(words(decoder.finish()), []);
            decoder.start(Language::Known("en"));
            decoder.audio(&vec![0; 3 * SECOND]);
            // This model speaks whatever it hears, and nobody does.
            assert_eq!(words(decoder.guess()), []);
            assert_eq!(words(decoder.finish()), []);
        })
        .await;
    }

    #[test]
    fn languages_are_known_by_their_tags() {
        let file = TinyModel::multilingual().written();
        let model = Model::load(file.path()).expect("a model");
        for asked in [None, Some(""), Some("multi"), Some("auto")] {
            assert_eq!(model.language(asked), Ok(Language::Found), "{asked:?}");
        }
        for (asked, known) in [
            ("de", "de"),
            ("pt-BR", "pt"),
            ("ZH-Hant", "zh"),
            ("nb", "no"),
            ("yue", "yue"),
        ] {
            assert_eq!(model.language(Some(asked)), Ok(Language::Known(known)), "{asked}");
        }
        for asked in ["xx", "klingon", "german", "d\0", "é"] {
            let reason = model.language(Some(asked)).expect_err(asked);
            assert!(reason.contains("ISO 639"), "{reason}");
        }
        let file = TinyModel::english().written();
        let model = Model::load(file.path()).expect("a model");
        assert_eq!(model.language(None), Ok(Language::Known("en")));
        assert!(
            model
                .language(Some("de"))
                .expect_err("English only")
                .contains("without .en")
        );
        assert_eq!(model.name(), "whisper-custom.en");
    }

    #[test]
    fn what_cant_be_loaded_is_an_error_and_no_abort() {
        let bytes = TinyModel::english().bytes();
        for end in [0, 3, 64, bytes.len() / 3, bytes.len() - 2] {
            let file = written(&bytes[..end]);
            let error = Model::load(file.path()).expect_err("cut");
            assert!(error.to_string().contains("LECTERN_WHISPER_MODEL"), "{error}");
        }
        // Whole by its layout, and not for the library: a tensor that it doesn't know.
        let name = b"decoder.ln.weight";
        let place = bytes
            .windows(name.len())
            .position(|window| window == name)
            .expect("its name");
        let mut misnamed = bytes.clone();
        misnamed[place] = b'x';
        let error = Model::load(written(&misnamed).path()).expect_err("misnamed");
        assert!(error.to_string().contains("can't load it"), "{error}");
    }
}
