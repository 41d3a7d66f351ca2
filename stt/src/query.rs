//! What a client asks for in the query of `/v1/listen`.

/// Audio rates that are taken.
const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=48_000;
/// Most channels that are mixed into one.
const CHANNELS_MAX: u16 = 8;
/// Pause that ends an utterance when the client doesn't say.
const ENDPOINTING_MS_DEFAULT: u32 = 300;
/// Shortest pause that ends an utterance: a shorter one happens inside of words.
const ENDPOINTING_MS_MIN: u32 = 200;
/// Longest pause that may be asked for.
const ENDPOINTING_MS_MAX: u32 = 10_000;
/// Shortest silence after which an utterance may be declared over.
const UTTERANCE_END_MS_MIN: u32 = 500;

/// The parameters of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    /// Rate of the audio that will come.
    pub(crate) sample_rate_hz: u32,
    /// Its interleaved channels.
    pub(crate) channels: u16,
    /// Whether the bytes are declared to be raw samples, or the client said nothing.
    pub(crate) encoding: Encoding,
    /// Whether guesses are sent while someone speaks.
    pub(crate) interim: Interim,
    /// What ends an utterance.
    pub(crate) endpointing: Endpointing,
    /// Silence after the last word that is answered by `UtteranceEnd`.
    pub(crate) utterance_end_ms: Option<u32>,
    /// Whether the beginning of speech is told.
    pub(crate) speech_started: SpeechStarted,
    /// The language that is asked for, as the client names it.
    pub(crate) language: Option<String>,
}

/// How sure the format of the audio is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The client said `linear16`.
    Linear16,
    /// The client said nothing: the same, unless it turns out to be a file.
    Unsaid,
}

/// Whether guesses are sent while someone speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interim {
    /// They are.
    Sent,
    /// Only finals are.
    Withheld,
}

/// What ends an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpointing {
    /// A pause of this many milliseconds.
    AfterMs(u32),
    /// Nothing: `speech_final` is never said because of a pause.
    Off,
}

/// Whether the beginning of speech is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpeechStarted {
    /// It is.
    Told,
    /// It isn't.
    Untold,
}

/// A request that isn't served, said the way Deepgram says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A short code for programs.
    pub(crate) code: &'static str,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

impl Listen {
    /// Reads a query. Unknown parameters are let pass: Deepgram gets new ones all the time.
    pub(crate) fn parse(query: &str) -> Result<Self, Refusal> {
        let parameters = Parameters::parse(query);
        let channels = number(&parameters, "channels", 1)?;
        let channels = u16::try_from(channels)
            .ok()
            .filter(|count| (1..=CHANNELS_MAX).contains(count));
        let channels = channels.ok_or_else(|| {
            invalid(format!(
                "channels must be 1 to {CHANNELS_MAX}, and are mixed into one"
            ))
        })?;
        if channels > 1 && switched_on(&parameters, "multichannel")? {
            return Err(unsupported("multichannel: open one stream for each channel"));
        }
        Ok(Self {
            sample_rate_hz: sample_rate(&parameters)?,
            channels,
            encoding: encoding(parameters.last("encoding"))?,
            interim: if switched_on(&parameters, "interim_results")? {
                Interim::Sent
            } else {
                Interim::Withheld
            },
            endpointing: endpointing(&parameters)?,
            utterance_end_ms: utterance_end(&parameters)?,
            speech_started: if switched_on(&parameters, "vad_events")? {
                SpeechStarted::Told
            } else {
                SpeechStarted::Untold
            },
            language: parameters.last("language").map(str::to_owned),
        })
    }
}

/// The decoded pairs of a query, in their order.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str) -> Self {
        let pair = |part: &str| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            (percent_decoded(key), percent_decoded(value))
        };
        Self(
            query
                .split('&')
                .filter(|part| !part.is_empty())
                .map(pair)
                .collect(),
        )
    }

    fn last(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escaped) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (b'+', _) => {
                decoded.push(b' ');
                at += 1;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn encoding(encoding: Option<&str>) -> Result<Encoding, Refusal> {
    match encoding {
        None | Some("") => Ok(Encoding::Unsaid),
        Some("linear16") => Ok(Encoding::Linear16),
        Some(other) => Err(unsupported(&format!("encoding {other}: send encoding=linear16"))),
    }
}

fn sample_rate(parameters: &Parameters) -> Result<u32, Refusal> {
    let rate = number(parameters, "sample_rate", 16_000)?;
    if SAMPLE_RATES_HZ.contains(&rate) {
        return Ok(rate);
    }
    Err(invalid(format!(
        "sample_rate must be {} to {}, not {rate}",
        SAMPLE_RATES_HZ.start(),
        SAMPLE_RATES_HZ.end()
    )))
}

fn endpointing(parameters: &Parameters) -> Result<Endpointing, Refusal> {
    match parameters.last("endpointing") {
        Some("false") => Ok(Endpointing::Off),
        None | Some("" | "true") => Ok(Endpointing::AfterMs(ENDPOINTING_MS_DEFAULT)),
        Some(_) => {
            let asked = number(parameters, "endpointing", ENDPOINTING_MS_DEFAULT)?;
            Ok(Endpointing::AfterMs(
                asked.clamp(ENDPOINTING_MS_MIN, ENDPOINTING_MS_MAX),
            ))
        }
    }
}

fn utterance_end(parameters: &Parameters) -> Result<Option<u32>, Refusal> {
    match parameters.last("utterance_end_ms") {
        None | Some("" | "false") => Ok(None),
        Some(_) => {
            let asked = number(parameters, "utterance_end_ms", UTTERANCE_END_MS_MIN)?;
            Ok(Some(asked.max(UTTERANCE_END_MS_MIN)))
        }
    }
}

fn switched_on(parameters: &Parameters, key: &str) -> Result<bool, Refusal> {
    match parameters.last(key).map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(other) => Err(invalid(format!("{key} must be true or false, not {other}"))),
    }
}

fn number(parameters: &Parameters, key: &str, default: u32) -> Result<u32, Refusal> {
    match parameters.last(key) {
        None | Some("") => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| invalid(format!("{key} must be a whole number, not {text}"))),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal {
        code: "INVALID_QUERY_PARAMETER",
        message,
    }
}

/// A request for something that isn't served here.
pub(crate) fn unsupported(what: &str) -> Refusal {
    Refusal {
        code: "Bad Request",
        message: format!("not supported: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        Listen::parse(query).expect_err(query).message
    }

    #[test]
    fn what_the_worker_asks_for_is_understood() {
        let listen = Listen::parse(
            "model=nova-3&encoding=linear16&sample_rate=48000&channels=2&interim_results=true&punctuate=true\
             &smart_format=true&endpointing=500&utterance_end_ms=1000&vad_events=true&language=en-US\
             &keyterm=two%20words&keyterm=k%C3%A4se&mip_opt_out=true&brand_new=1",
        );
        assert_eq!(
            listen,
            Ok(Listen {
                sample_rate_hz: 48_000,
                channels: 2,
                encoding: Encoding::Linear16,
                interim: Interim::Sent,
                endpointing: Endpointing::AfterMs(500),
                utterance_end_ms: Some(1_000),
                speech_started: SpeechStarted::Told,
                language: Some("en-US".to_owned()),
            })
        );
    }

    #[test]
    fn an_empty_query_is_mono_16_khz_without_extras() {
        let listen = Listen::parse("").expect("defaults");
        assert_eq!((listen.sample_rate_hz, listen.channels), (16_000, 1));
        assert_eq!(listen.encoding, Encoding::Unsaid);
        assert_eq!(listen.interim, Interim::Withheld);
        assert_eq!(listen.endpointing, Endpointing::AfterMs(ENDPOINTING_MS_DEFAULT));
        assert_eq!(listen.utterance_end_ms, None);
    }

    #[test]
    fn endpointing_may_be_off_and_is_never_shorter_than_a_word_allows() {
        let endpointing = |query: &str| Listen::parse(query).expect(query).endpointing;
        assert_eq!(endpointing("endpointing=false"), Endpointing::Off);
        assert_eq!(
            endpointing("endpointing=10"),
            Endpointing::AfterMs(ENDPOINTING_MS_MIN)
        );
        assert_eq!(
            endpointing("endpointing=true"),
            Endpointing::AfterMs(ENDPOINTING_MS_DEFAULT)
        );
    }

    #[test]
    fn what_cant_be_decoded_is_refused() {
        assert!(refused("encoding=opus").contains("linear16"));
        assert!(refused("sample_rate=96000").contains("8000 to 48000"));
        assert!(refused("sample_rate=fast").contains("whole number"));
        assert!(refused("channels=0").contains("channels"));
        assert!(refused("channels=2&multichannel=true").contains("one stream for each"));
        assert!(refused("interim_results=maybe").contains("true or false"));
    }

    proptest::proptest! {
        #[test]
        fn no_query_panics(query in "\\PC*") {
            let _ = Listen::parse(&query);
            let _ = Listen::parse(&format!("keyterm=%{query}&endpointing={query}"));
        }
    }
}
