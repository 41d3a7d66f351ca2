//! Deepgram's streaming messages, read strictly where we know them and with patience where we don't.
//!
//! Source: Deepgram's API reference of `/v1/listen`, and what compatible servers were seen to send.

use std::time::Duration;

use serde::Deserialize;

use super::keyterms::Keyterms;

/// What a recogniser can be asked for; each is a setting.
#[derive(Debug, Clone)]
pub struct SttSettings {
    /// The recogniser's model, as it names them.
    pub model: Option<String>,
    /// BCP 47, or what the model takes instead (`multi`); the recogniser's own choice if absent.
    pub language: Option<String>,
    /// Silence after which the recogniser ends an utterance.
    pub endpointing: Duration,
    /// Words to be heard rather than others, whatever the model.
    pub keyterms: Vec<String>,
    /// Whether the recogniser may learn from what it hears.
    pub model_improvement: ModelImprovement,
    /// How much faster than speech audio may be sent that had to wait; Deepgram takes 1.25.
    pub catch_up_rate: f64,
}

impl SttSettings {
    /// Asks for nothing in particular, as Deepgram's own service is asked.
    pub fn with_endpointing(endpointing: Duration) -> Self {
        Self {
            model: None,
            language: None,
            endpointing,
            keyterms: Vec::new(),
            model_improvement: ModelImprovement::OptOut,
            catch_up_rate: DEEPGRAM_CATCH_UP_RATE,
        }
    }

    /// Whether the model takes keyterms at all: Deepgram's refuse the connection if they don't.
    pub(crate) fn takes_keyterms(&self) -> bool {
        self.model.as_deref().is_some_and(model_takes_keyterms)
    }

    /// The language that is asked for, if it is one: what is heard is in it unless the recogniser says otherwise.
    pub(crate) fn one_language(&self) -> Option<&str> {
        self.language.as_deref().filter(|language| *language != "multi")
    }
}

/// What Deepgram takes of audio that had to wait, as a multiple of real time.
pub const DEEPGRAM_CATCH_UP_RATE: f64 = 1.25;

/// Whether the recogniser's owner may train on the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelImprovement {
    /// It may.
    OptIn,
    /// It may not (`mip_opt_out=true`).
    OptOut,
}

/// Path and query of the websocket, `/v1/listen?…`, for a room in which these words may be said.
pub(crate) fn path_and_query(settings: &SttSettings, of_room: &Keyterms) -> String {
    let path = "/v1/listen?";
    let mut query = form_urlencoded::Serializer::for_suffix(path.to_owned(), path.len());
    query
        .append_pair("encoding", "linear16")
        .append_pair("sample_rate", "16000")
        .append_pair("channels", "1")
        .append_pair("interim_results", "true")
        .append_pair("punctuate", "true")
        .append_pair("smart_format", "true")
        .append_pair("vad_events", "true")
        .append_pair("utterance_end_ms", "1000")
        .append_pair("endpointing", &settings.endpointing.as_millis().to_string());
    for (name, value) in [("model", &settings.model), ("language", &settings.language)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let of_room = of_room.iter().filter(|_| settings.takes_keyterms());
    for keyterm in settings.keyterms.iter().map(String::as_str).chain(of_room) {
        query.append_pair("keyterm", keyterm);
    }
    if settings.model_improvement == ModelImprovement::OptOut {
        query.append_pair("mip_opt_out", "true");
    }
    query.finish()
}

/// The same question to another model, for a recogniser that stands in for the one that the settings are for. Keyterms
/// go to models that take them.
pub fn stt_path_of_model(path_and_query: &str, model: &str) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let path = format!("{path}?");
    let mut asked = form_urlencoded::Serializer::for_suffix(path.clone(), path.len());
    let kept = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "model" && (name != "keyterm" || model_takes_keyterms(model)));
    asked.extend_pairs(kept).append_pair("model", model);
    asked.finish()
}

fn model_takes_keyterms(model: &str) -> bool {
    model.starts_with("nova-3")
}

/// Keeps an idle connection; sent while no audio is.
pub(crate) const KEEP_ALIVE: &str = r#"{"type":"KeepAlive"}"#;
/// Asks for everything heard so far as final.
pub(crate) const FINALIZE: &str = r#"{"type":"Finalize"}"#;
/// Asks for what is left, then the end of the connection.
pub const CLOSE_STREAM: &str = r#"{"type":"CloseStream"}"#;

/// A message from the recogniser.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Message {
    /// Words, provisional or final.
    Results(Results),
    /// Nobody has said a word for `utterance_end_ms`.
    UtteranceEnd,
    /// Voice was heard.
    SpeechStarted,
    /// The stream's summary, after [`CLOSE_STREAM`].
    Metadata,
    /// The recogniser complains; the connection's end says how badly.
    Error,
    /// What we don't know and don't need.
    #[serde(other)]
    Other,
}

/// Words heard in a stretch of the stream. Times in seconds of audio sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Results {
    #[serde(default)]
    pub(crate) is_final: bool,
    #[serde(default)]
    pub(crate) speech_final: bool,
    #[serde(default)]
    pub(crate) from_finalize: bool,
    pub(crate) start: f64,
    pub(crate) duration: f64,
    pub(crate) channel: Channel,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Channel {
    #[serde(default)]
    pub(crate) alternatives: Vec<Alternative>,
    #[serde(default)]
    pub(crate) detected_language: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Alternative {
    #[serde(default)]
    pub(crate) transcript: String,
    #[serde(default)]
    pub(crate) words: Vec<HeardWord>,
    /// The languages heard, most spoken first; multilingual models only.
    #[serde(default)]
    pub(crate) languages: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct HeardWord {
    pub(crate) word: String,
    #[serde(default)]
    pub(crate) punctuated_word: Option<String>,
    pub(crate) start: f64,
    pub(crate) end: f64,
    #[serde(default)]
    pub(crate) confidence: f32,
}

/// Reads a text message; what is no message at all gets a name that may be logged.
pub(crate) fn parse(text: &str) -> Result<Message, &'static str> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "a recogniser message lacks a field or has one of another type",
        _ => "a recogniser message is no JSON",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SttSettings {
        SttSettings {
            model: Some("nova-3".to_owned()),
            language: None,
            endpointing: Duration::from_millis(300),
            keyterms: vec!["Fourier & co".to_owned()],
            model_improvement: ModelImprovement::OptOut,
            catch_up_rate: 1.25,
        }
    }

    #[test]
    fn several_languages_are_not_one() {
        let asked = |language: Option<&str>| SttSettings {
            language: language.map(str::to_owned),
            ..settings()
        };
        assert_eq!(asked(Some("pt-BR")).one_language(), Some("pt-BR"));
        assert_eq!(asked(Some("multi")).one_language(), None);
        assert_eq!(asked(None).one_language(), None);
    }

    #[test]
    fn query_asks_for_everything_and_escapes() {
        assert_eq!(
            path_and_query(&settings(), &Keyterms::default()),
            "/v1/listen?encoding=linear16&sample_rate=16000&channels=1&interim_results=true&punctuate=true\
             &smart_format=true&vad_events=true&utterance_end_ms=1000&endpointing=300&model=nova-3\
             &keyterm=Fourier+%26+co&mip_opt_out=true"
        );
    }

    #[test]
    fn another_model_is_asked_the_same() {
        let path = path_and_query(&settings(), &Keyterms::default());
        assert_eq!(
            stt_path_of_model(&path, "own"),
            "/v1/listen?encoding=linear16&sample_rate=16000&channels=1&interim_results=true&punctuate=true\
             &smart_format=true&vad_events=true&utterance_end_ms=1000&endpointing=300&mip_opt_out=true&model=own"
        );
        assert!(stt_path_of_model(&path, "nova-3-medical").contains("&keyterm=Fourier+%26+co&"));
        assert_eq!(stt_path_of_model("/v1/listen", "a b"), "/v1/listen?model=a+b");
    }

    #[test]
    fn known_messages_are_read_and_unknown_ones_tolerated() {
        let results = r#"{"type":"Results","channel_index":[0,1],"start":1.5,"duration":0.5,"is_final":true,
            "channel":{"alternatives":[{"transcript":"hi","words":[{"word":"hi","start":1.5,"end":1.75}]}]}}"#;
        let Ok(Message::Results(results)) = parse(results) else {
            panic!("no results")
        };
        assert_eq!(results.channel.alternatives[0].words[0].confidence, 0.0);
        assert!(matches!(
            parse(r#"{"type":"UtteranceEnd","last_word_end":-1}"#),
            Ok(Message::UtteranceEnd)
        ));
        assert!(matches!(parse(r#"{"type":"TurnInfo"}"#), Ok(Message::Other)));
        assert!(parse(r#"{"type":"Results"}"#).is_err());
        assert!(parse("<html>").is_err());
        assert!(parse("").is_err());
    }
}
