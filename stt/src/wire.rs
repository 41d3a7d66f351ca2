//! Deepgram's messages, as text: what clients send and what they are answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Longest piece of a client's unreadable message that is sent back to it.
const ECHO_CHARS_MAX: usize = 200;

/// A text message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum ClientMessage {
    /// Nothing to send at the moment, but still there.
    KeepAlive,
    /// Say now what is known of the audio so far.
    Finalize,
    /// There will be no more audio.
    CloseStream,
    /// Something that newer clients say.
    #[serde(other)]
    Other,
}

impl ClientMessage {
    /// Reads a text frame; an error says that it is no message at all.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<Reply>> {
        serde_json::from_str(text).map_err(|error| {
            Box::new(Reply::Error {
                variant: "SchemaError",
                description: format!("a text message must be a JSON object with a known `type`: {error}"),
                message: text.chars().take(ECHO_CHARS_MAX).collect(),
            })
        })
    }
}

/// A text message of the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Reply {
    /// Words, guessed or final.
    Results(Results),
    /// Someone began to speak.
    SpeechStarted {
        /// The channel, always the first.
        channel: [u8; 1],
        /// When, in seconds of the stream.
        timestamp: f64,
    },
    /// Nobody has spoken for as long as the client asked to wait.
    UtteranceEnd {
        /// The channel, and how many there are.
        channel: [u8; 2],
        /// When the last word ended, in seconds of the stream.
        last_word_end: f64,
    },
    /// The stream's summing up, its last message.
    Metadata(Metadata),
    /// A message that couldn't be read.
    Error {
        /// What kind of mistake it is.
        variant: &'static str,
        /// The mistake.
        description: String,
        /// The client's message.
        message: String,
    },
}

/// Words, guessed or final.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Results {
    /// The channel, and how many there are.
    pub(crate) channel_index: [u8; 2],
    /// Seconds of audio that this is about.
    pub(crate) duration: f64,
    /// Where that audio begins, in seconds of the stream.
    pub(crate) start: f64,
    /// Whether these words will not change any more.
    pub(crate) is_final: bool,
    /// Whether the speaker made a pause after them.
    pub(crate) speech_final: bool,
    /// Whether the client's `Finalize` made them final.
    pub(crate) from_finalize: bool,
    /// The words.
    pub(crate) channel: Channel,
    /// Who recognised them.
    pub(crate) metadata: ResultsMetadata,
}

/// The words of one channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Channel {
    /// What may have been said: always one.
    pub(crate) alternatives: [Alternative; 1],
}

/// What may have been said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Alternative {
    /// The text.
    pub(crate) transcript: String,
    /// How likely it is, 0 to 1; 0 in a guess.
    pub(crate) confidence: f64,
    /// The text word by word.
    pub(crate) words: Vec<Word>,
    /// The languages that were found in it; unsaid where none was looked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) languages: Vec<&'static str>,
}

/// A word and its time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Word {
    /// The word in lower case.
    pub(crate) word: String,
    /// When it begins, in seconds of the stream.
    pub(crate) start: f64,
    /// When it ends, in seconds of the stream.
    pub(crate) end: f64,
    /// How likely it is, 0 to 1; 0 in a guess.
    pub(crate) confidence: f64,
    /// The word as it is to be shown.
    pub(crate) punctuated_word: String,
    /// The language that was found; unsaid where none was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) language: Option<&'static str>,
}

/// Who recognised some words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ResultsMetadata {
    /// The stream's name.
    pub(crate) request_id: String,
    /// The model.
    pub(crate) model_info: ModelInfo,
    /// The model's name for programs.
    pub(crate) model_uuid: String,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ModelInfo {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The engine that runs it.
    pub(crate) arch: String,
}

/// A stream's summing up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Metadata {
    /// Of no use any more; clients expect it.
    pub(crate) transaction_key: &'static str,
    /// The stream's name.
    pub(crate) request_id: String,
    /// SHA-256 of all audio bytes.
    pub(crate) sha256: String,
    /// When the stream began, as in RFC 3339.
    pub(crate) created: String,
    /// Seconds of audio received.
    pub(crate) duration: f64,
    /// Channels of the audio received.
    pub(crate) channels: u16,
    /// The models' names for programs.
    pub(crate) models: [String; 1],
    /// The models by those names.
    pub(crate) model_info: BTreeMap<String, ModelInfo>,
}

/// What a refused HTTP request is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    /// A short code for programs.
    pub(crate) err_code: &'static str,
    /// What is wrong.
    pub(crate) err_msg: String,
    /// The request's name.
    pub(crate) request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_messages_are_read_and_newer_ones_tolerated() {
        let read = |text| ClientMessage::parse(text).expect("a message");
        assert_eq!(read(r#"{"type":"KeepAlive"}"#), ClientMessage::KeepAlive);
        assert_eq!(
            read(r#"{"type": "Finalize", "channel": 0}"#),
            ClientMessage::Finalize
        );
        assert_eq!(read(r#"{"type":"CloseStream"}"#), ClientMessage::CloseStream);
        assert_eq!(
            read(r#"{"type":"Configure","thresholds":{}}"#),
            ClientMessage::Other
        );
    }

    #[test]
    fn garbage_comes_back_as_an_error_of_bounded_size() {
        for text in [
            "",
            "hello",
            "{}",
            "[1]",
            "null",
            r#"{"type":7}"#,
            &"x".repeat(100_000),
        ] {
            let Err(error) = ClientMessage::parse(text) else {
                panic!("{text} is no message");
            };
            let Reply::Error { variant, message, .. } = *error else {
                panic!("{error:?} is no error");
            };
            assert_eq!(variant, "SchemaError");
            assert!(message.len() <= ECHO_CHARS_MAX);
        }
    }

    #[test]
    fn results_have_deepgrams_shape() {
        let word = Word {
            word: "forward".into(),
            start: 0.5,
            end: 0.9,
            confidence: 0.75,
            punctuated_word: "forward".into(),
            language: None,
        };
        let reply = Reply::Results(Results {
            channel_index: [0, 1],
            duration: 1.2,
            start: 0.2,
            is_final: true,
            speech_final: false,
            from_finalize: false,
            channel: Channel {
                alternatives: [Alternative {
                    transcript: "forward".into(),
                    confidence: 0.75,
                    words: vec![word],
                    languages: Vec::new(),
                }],
            },
            metadata: ResultsMetadata {
                request_id: "r".into(),
                model_info: ModelInfo {
                    name: "n".into(),
                    version: "v".into(),
                    arch: "a".into(),
                },
                model_uuid: "u".into(),
            },
        });
        let expected = serde_json::json!({
            "type": "Results", "channel_index": [0, 1], "duration": 1.2, "start": 0.2, "is_final": true,
            "speech_final": false, "from_finalize": false,
            "channel": {"alternatives": [{"transcript": "forward", "confidence": 0.75, "words": [
                {"word": "forward", "start": 0.5, "end": 0.9, "confidence": 0.75, "punctuated_word": "forward"},
            ]}]},
            "metadata": {"request_id": "r", "model_info": {"name": "n", "version": "v", "arch": "a"},
                "model_uuid": "u"},
        });
        assert_eq!(serde_json::to_value(reply).expect("JSON"), expected);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = ClientMessage::parse(&text);
        }
    }
}
