//! One stream from its first byte to its last word: a value without clock, socket or thread.
//!
//! Contract: feed one [`Input`], drain [`Session::poll_output`] to `None`, then wait for the next input or for
//! [`Session::poll_timeout`]. Frames' sizes change nothing: audio is cut into frames of its own before it is
//! judged, and the engine's answers are told in the order of the questions, however late they come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::engine::{Heard, LongUtterances, Settled};
use crate::query::{Encoding, Endpointing, Interim, Listen, SpeechStarted};
use crate::resample::{RECOGNISER_HZ, Resampler};
use crate::text::is_spaceless;
use crate::voice::{FRAME_MS, FRAME_SAMPLES, Sound, VoiceDetector};
use crate::wire::{
    Alternative, Channel, ClientMessage, Metadata, ModelInfo, Reply, Results, ResultsMetadata, Word,
};

/// Frames of voice that make an utterance begin: shorter sounds are clicks.
const ONSET_FRAMES: usize = 3;
/// Audio before the first voiced frame that belongs to the utterance: soft consonants.
const PRE_ROLL_FRAMES: usize = 15;
/// Audio that the engine gets at once.
const CHUNK_SAMPLES: usize = 5 * FRAME_SAMPLES;
/// Audio between two guesses.
const INTERIM_SAMPLES: u64 = 300 * SAMPLES_PER_MS;
/// Length after which the next short pause cuts an utterance into pieces.
const PIECE_SAMPLES_SOFT: u64 = 10_000 * SAMPLES_PER_MS;
/// Length at which an utterance is cut wherever it is: decoding never grows beyond it.
const PIECE_SAMPLES_MAX: u64 = 15_000 * SAMPLES_PER_MS;
/// Pause that is enough to cut a long utterance.
const PIECE_PAUSE_MS: u32 = 100;
/// Pause that makes words final when endpointing is off.
const PAUSE_MS_WITHOUT_ENDPOINTING: u32 = 1_000;
/// Silence after which an empty final tells the client how far the stream was heard.
const SILENCE_SAMPLES: u64 = 5_000 * SAMPLES_PER_MS;
const SAMPLES_PER_MS: u64 = (RECOGNISER_HZ / 1_000) as u64;

/// First bytes of audio files, which aren't samples.
const FILE_MAGICS: [&[u8]; 4] = [b"RIFF", b"OggS", b"fLaC", &[0x1a, 0x45, 0xdf, 0xa3]];

/// Close code of a stream that ended as it should.
pub(crate) const CLOSE_NORMAL: u16 = 1000;
/// Close code of a server that goes away.
pub(crate) const CLOSE_AWAY: u16 = 1001;
/// Close code of a client's mistake.
pub(crate) const CLOSE_POLICY: u16 = 1008;
/// Close code of the server's failure, and of a stream that fell silent.
pub(crate) const CLOSE_ERROR: u16 = 1011;

/// What a stream is called and who serves it.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The stream's own name.
    pub(crate) request_id: String,
    /// When it began, as in RFC 3339.
    pub(crate) created: String,
    /// The model's name for programs.
    pub(crate) model_uuid: String,
    /// The model.
    pub(crate) model: ModelInfo,
}

/// What happens to a session.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// A binary frame.
    Audio(&'a [u8]),
    /// A text frame.
    Text(&'a str),
    /// The engine's answer to a question.
    Answer(Ticket, Answer),
    /// The engine gave up.
    EngineFailed,
    /// Reading goes on after it had to wait for the engine.
    Resumed,
    /// The server stops.
    Shutdown,
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// Send a text frame.
    Reply(Box<Reply>),
    /// Tell the engine.
    Engine(Command),
    /// Close the socket; nothing comes after it.
    Close {
        /// The websocket's close code.
        code: u16,
        /// The reason beside it.
        reason: String,
    },
}

/// What the engine is told; each utterance is one `Start`, any number of others, one `Finish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// An utterance begins.
    Start,
    /// 16 kHz audio of it.
    Audio(Vec<i16>),
    /// What are its words so far?
    Guess(Ticket),
    /// It is over; what were its words?
    Finish(Ticket),
}

/// Names a question to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// An engine's answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// The words, in seconds of their utterance.
    Words(Vec<Heard>),
    /// Some words are final though the utterance goes on, and are told this once.
    #[cfg_attr(
        not(any(test, feature = "whisper")),
        expect(dead_code, reason = "PocketSphinx can't do it")
    )]
    Settled {
        /// The final ones, in their order.
        finals: Vec<Settled>,
        /// Those behind them.
        rest: Vec<Heard>,
    },
    /// A newer question overtook this one.
    Overtaken,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Session {
    listen: Listen,
    identity: Identity,
    idle_max: Duration,
    long_utterances: LongUtterances,

    bytes: Bytes,
    resampler: Resampler,
    frame: Vec<i16>,
    detector: VoiceDetector,
    pre_roll: VecDeque<Vec<i16>>,
    voiced_run: usize,
    utterance: Option<Utterance>,
    /// Samples heard, at the recogniser's rate: the stream's clock.
    heard: u64,
    /// Up to where results have been promised.
    covered: u64,
    /// End of the last voiced frame, until `UtteranceEnd` has been due for it.
    last_voiced: Option<u64>,

    told: Told,
    deadline: Option<Duration>,
    phase: Phase,
}

/// Received bytes on their way to samples.
#[derive(Debug)]
struct Bytes {
    carry: Vec<u8>,
    digest: Sha256,
    count: u64,
}

/// An utterance that the engine is listening to.
#[derive(Debug)]
struct Utterance {
    start: u64,
    quiet_ms: u32,
    chunk: Vec<i16>,
    last_guess: u64,
}

/// What was told, and what waits to be told in its turn.
#[derive(Debug, Default)]
struct Told {
    outputs: VecDeque<Output>,
    slots: VecDeque<Slot>,
    answers: BTreeMap<Ticket, Answer>,
    next_ticket: u64,
    last_guess: String,
    last_word_end: Option<f64>,
    /// Up to where finals were told while their utterance went on.
    settled: u64,
}

/// Something to tell as soon as everything before it is told.
#[derive(Debug)]
enum Slot {
    Ready(Box<Reply>),
    Guess {
        ticket: Ticket,
        span: Span,
    },
    Final {
        ticket: Ticket,
        span: Span,
        reason: Reason,
    },
    UtteranceEnd,
    Close {
        code: u16,
        reason: String,
    },
}

/// A stretch of the stream, in samples.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    /// From where words' times are counted: the beginning of the utterance.
    origin: u64,
}

/// Why words are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The speaker paused.
    Pause,
    /// The utterance was too long, or goes on for all we know.
    Piece,
    /// The client asked.
    Finalize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No more input is heard; answers are still awaited.
    Closing,
}

impl Session {
    /// A stream that begins at time zero of the `now`s to come.
    pub(crate) fn new(
        listen: Listen,
        identity: Identity,
        idle_max: Duration,
        long_utterances: LongUtterances,
    ) -> Self {
        Self {
            resampler: Resampler::new(listen.sample_rate_hz),
            listen,
            identity,
            idle_max,
            long_utterances,
            bytes: Bytes {
                carry: Vec::new(),
                digest: Sha256::new(),
                count: 0,
            },
            frame: Vec::with_capacity(FRAME_SAMPLES),
            detector: VoiceDetector::default(),
            pre_roll: VecDeque::new(),
            voiced_run: 0,
            utterance: None,
            heard: 0,
            covered: 0,
            last_voiced: None,
            told: Told::default(),
            deadline: Some(idle_max),
            phase: Phase::Open,
        }
    }

    /// Takes an input; never fails, for what can't be understood is answered.
    pub(crate) fn handle(&mut self, input: Input<'_>, now: Duration) {
        match (input, self.phase) {
            (Input::Answer(ticket, answer), _) => {
                self.told.answers.insert(ticket, answer);
            }
            (Input::EngineFailed, _) => self.fail(),
            (_, Phase::Closing) => {}
            (Input::Audio([]), Phase::Open) => self.close_stream(CLOSE_NORMAL, ""),
            (Input::Audio(bytes), Phase::Open) => {
                self.deadline = Some(now + self.idle_max);
                self.audio(bytes);
            }
            (Input::Text(text), Phase::Open) => self.text(text, now),
            (Input::Resumed, Phase::Open) => self.deadline = Some(now + self.idle_max),
            (Input::Shutdown, Phase::Open) => self.close_stream(CLOSE_AWAY, "the server stops"),
        }
        self.settle();
    }

    /// When to call [`Session::handle_timeout`] if nothing else happens.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    /// Lets time pass.
    pub(crate) fn handle_timeout(&mut self, now: Duration) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        // What was said is still told: the client may be there and only have lost its microphone.
        self.finish(Reason::Piece);
        self.close(
            CLOSE_ERROR,
            "NET-0001: neither audio nor a text message came in time",
        );
        self.settle();
    }

    /// The next thing to do, if there is one.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.told.outputs.pop_front()
    }

    fn text(&mut self, text: &str, now: Duration) {
        match ClientMessage::parse(text) {
            // Keep-alives don't save a stream that never had audio.
            Ok(ClientMessage::KeepAlive) if self.bytes.count == 0 => {}
            Ok(ClientMessage::KeepAlive | ClientMessage::Other) => self.deadline = Some(now + self.idle_max),
            Ok(ClientMessage::Finalize) => {
                self.deadline = Some(now + self.idle_max);
                self.finish_or_say_empty(Reason::Finalize);
            }
            Ok(ClientMessage::CloseStream) => self.close_stream(CLOSE_NORMAL, ""),
            Err(error) => {
                self.finish(Reason::Piece);
                self.told.say(*error);
                self.close(CLOSE_POLICY, "DATA-0000: a text message could not be read");
            }
        }
    }

    fn audio(&mut self, bytes: &[u8]) {
        let beginning = self.bytes.count == 0;
        if beginning
            && self.listen.encoding == Encoding::Unsaid
            && FILE_MAGICS.iter().any(|magic| bytes.starts_with(magic))
        {
            self.close(
                CLOSE_POLICY,
                "DATA-0000: this is an audio file; send raw linear16 samples",
            );
            return;
        }
        let samples = self.bytes.samples(bytes, self.listen.channels);
        let mut resampled = Vec::with_capacity(samples.len());
        self.resampler.push(&samples, &mut resampled);
        self.hear(&resampled);
    }

    fn hear(&mut self, mut samples: &[i16]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at((FRAME_SAMPLES - self.frame.len()).min(samples.len()));
            self.frame.extend_from_slice(now);
            samples = later;
            if self.frame.len() == FRAME_SAMPLES {
                let frame = std::mem::replace(&mut self.frame, Vec::with_capacity(FRAME_SAMPLES));
                self.hear_frame(frame);
            }
        }
    }

    fn hear_frame(&mut self, frame: Vec<i16>) {
        let sound = self.detector.hear(&frame);
        self.heard += FRAME_SAMPLES as u64;
        if self.utterance.is_some() {
            self.go_on(frame, sound);
        } else {
            self.wait_for_voice(frame, sound);
        }
        self.end_utterance_if_due();
    }

    fn wait_for_voice(&mut self, frame: Vec<i16>, sound: Sound) {
        if self.pre_roll.len() == PRE_ROLL_FRAMES {
            self.pre_roll.pop_front();
        }
        self.pre_roll.push_back(frame);
        match sound {
            Sound::Speech => self.voiced_run += 1,
            Sound::Quiet => self.voiced_run = 0,
        }
        if self.voiced_run >= ONSET_FRAMES {
            self.begin();
        } else if self.heard - self.covered >= SILENCE_SAMPLES {
            // Not the latest of it: a word that begins now will want it as its pre-roll.
            let end = self.heard - (PRE_ROLL_FRAMES * FRAME_SAMPLES) as u64;
            self.say_empty(Reason::Piece, end);
        }
    }

    fn begin(&mut self) {
        if self.listen.speech_started == SpeechStarted::Told {
            let onset = self.heard - (ONSET_FRAMES * FRAME_SAMPLES) as u64;
            self.told.say(Reply::SpeechStarted {
                channel: [0],
                timestamp: seconds(onset),
            });
        }
        let audio: Vec<i16> = self.pre_roll.drain(..).flatten().collect();
        self.voiced_run = 0;
        self.last_voiced = Some(self.heard);
        let start = self.heard - audio.len() as u64;
        self.open(start, audio);
    }

    fn open(&mut self, start: u64, chunk: Vec<i16>) {
        self.told.command(Command::Start);
        self.utterance = Some(Utterance {
            start,
            quiet_ms: 0,
            chunk,
            last_guess: start,
        });
    }

    fn go_on(&mut self, frame: Vec<i16>, sound: Sound) {
        let Some(utterance) = &mut self.utterance else {
            return;
        };
        utterance.chunk.extend(frame);
        match sound {
            Sound::Speech => {
                utterance.quiet_ms = 0;
                self.last_voiced = Some(self.heard);
            }
            Sound::Quiet => utterance.quiet_ms += FRAME_MS,
        }
        let (length, quiet_ms) = (self.heard - utterance.start, utterance.quiet_ms);
        if utterance.chunk.len() >= CHUNK_SAMPLES {
            self.told
                .command(Command::Audio(std::mem::take(&mut utterance.chunk)));
        }
        if quiet_ms >= self.pause_ms() {
            self.finish(self.pause_reason());
        } else if self.cuts_at(length, quiet_ms) {
            self.finish(Reason::Piece);
            self.open(self.heard, Vec::new());
            if let Some(utterance) = &mut self.utterance {
                utterance.quiet_ms = quiet_ms;
            }
        } else {
            self.guess_if_due();
        }
    }

    /// Whether an utterance of that length is cut into pieces, here and now.
    fn cuts_at(&self, length: u64, quiet_ms: u32) -> bool {
        let pauses = length >= PIECE_SAMPLES_SOFT && quiet_ms >= PIECE_PAUSE_MS;
        self.long_utterances == LongUtterances::Cut && (pauses || length >= PIECE_SAMPLES_MAX)
    }

    /// The pause that makes words final.
    fn pause_ms(&self) -> u32 {
        let endpoint = match self.listen.endpointing {
            Endpointing::AfterMs(pause) => pause,
            Endpointing::Off => PAUSE_MS_WITHOUT_ENDPOINTING,
        };
        endpoint.min(self.listen.utterance_end_ms.unwrap_or(u32::MAX))
    }

    fn pause_reason(&self) -> Reason {
        match self.listen.endpointing {
            Endpointing::AfterMs(pause) if pause <= self.pause_ms() => Reason::Pause,
            _ => Reason::Piece,
        }
    }

    fn guess_if_due(&mut self) {
        let Some(utterance) = &mut self.utterance else {
            return;
        };
        // Of an engine that settles words finals are to be had by asking, too.
        let wanted = self.listen.interim == Interim::Sent || self.long_utterances == LongUtterances::Settled;
        if !wanted || self.heard - utterance.last_guess < INTERIM_SAMPLES {
            return;
        }
        utterance.last_guess = self.heard;
        let span = Span {
            start: utterance.start,
            end: self.heard,
            origin: utterance.start,
        };
        self.told
            .command(Command::Audio(std::mem::take(&mut utterance.chunk)));
        let ticket = self.told.ticket();
        self.told.command(Command::Guess(ticket));
        self.told.slots.push_back(Slot::Guess { ticket, span });
    }

    /// Ends the utterance that goes on, if there is one.
    fn finish(&mut self, reason: Reason) {
        let Some(utterance) = self.utterance.take() else {
            return;
        };
        self.told.command(Command::Audio(utterance.chunk));
        let ticket = self.told.ticket();
        self.told.command(Command::Finish(ticket));
        let span = Span {
            start: utterance.start,
            end: self.heard,
            origin: utterance.start,
        };
        self.told.slots.push_back(Slot::Final { ticket, span, reason });
        self.covered = self.heard;
    }

    fn finish_or_say_empty(&mut self, reason: Reason) {
        if self.utterance.is_some() {
            self.finish(reason);
        } else {
            self.pre_roll.clear();
            self.say_empty(reason, self.heard);
        }
    }

    fn say_empty(&mut self, reason: Reason, end: u64) {
        let span = Span {
            start: self.covered,
            end,
            origin: self.covered,
        };
        self.covered = end;
        let results = self.results(span, Certainty::Final(reason), &[]);
        self.told.say(Reply::Results(results));
    }

    fn end_utterance_if_due(&mut self) {
        let (Some(wait_ms), Some(last_voiced)) = (self.listen.utterance_end_ms, self.last_voiced) else {
            return;
        };
        if self.utterance.is_none() && self.heard - last_voiced >= u64::from(wait_ms) * SAMPLES_PER_MS {
            self.last_voiced = None;
            self.told.slots.push_back(Slot::UtteranceEnd);
        }
    }

    fn close_stream(&mut self, code: u16, reason: &str) {
        let mut rest = Vec::new();
        self.resampler.flush(&mut rest);
        if self.utterance.is_some() {
            self.hear(&rest);
        }
        if let Some(utterance) = &mut self.utterance {
            // Less than a frame, too short to be judged, but perhaps the end of a word.
            utterance.chunk.append(&mut self.frame);
        }
        if self.utterance.is_some() || self.heard > self.covered {
            self.finish_or_say_empty(Reason::Piece);
        }
        let metadata = self.metadata();
        self.told.say(Reply::Metadata(metadata));
        self.close(code, reason);
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.phase = Phase::Closing;
        self.deadline = None;
        self.told.slots.push_back(Slot::Close {
            code,
            reason: reason.to_owned(),
        });
    }

    /// Gives up waiting for answers.
    fn fail(&mut self) {
        self.told.slots.retain(|slot| matches!(slot, Slot::Ready(_)));
        self.utterance = None;
        self.close(CLOSE_ERROR, "NET-0000: the recogniser failed");
    }

    /// Tells whatever has its turn.
    fn settle(&mut self) {
        while let Some(slot) = self.told.slots.pop_front() {
            let reply = match slot {
                Slot::Ready(reply) => Some(*reply),
                Slot::UtteranceEnd => {
                    let end = self.told.last_word_end.take();
                    end.map(|last_word_end| Reply::UtteranceEnd {
                        channel: [0, 1],
                        last_word_end,
                    })
                }
                Slot::Close { code, reason } => {
                    self.told.outputs.push_back(Output::Close { code, reason });
                    self.told.slots.clear();
                    return;
                }
                Slot::Guess { ticket, span } => match self.told.answers.remove(&ticket) {
                    Some(answer) => {
                        let (span, heard) = self.settled(span, answer);
                        self.guessed(span, heard)
                    }
                    None => return self.told.slots.push_front(Slot::Guess { ticket, span }),
                },
                Slot::Final { ticket, span, reason } => match self.told.answers.remove(&ticket) {
                    Some(answer) => {
                        let (span, heard) = self.settled(span, answer);
                        Some(self.understood(span, reason, heard))
                    }
                    None => return self.told.slots.push_front(Slot::Final { ticket, span, reason }),
                },
            };
            self.told
                .outputs
                .extend(reply.map(|reply| Output::Reply(Box::new(reply))));
        }
    }

    /// Tells those words of an answer that are final; the others, and where they are.
    fn settled(&mut self, span: Span, answer: Answer) -> (Span, Vec<Heard>) {
        let span = self.unsettled(span);
        match answer {
            Answer::Words(heard) => (span, heard),
            Answer::Overtaken => (span, Vec::new()),
            Answer::Settled { finals, rest } => {
                for settled in finals {
                    self.tell_settled(span, settled);
                }
                (self.unsettled(span), rest)
            }
        }
    }

    fn tell_settled(&mut self, span: Span, settled: Settled) {
        let span = self.unsettled(span);
        let end = span.origin + (settled.end_seconds * f64::from(RECOGNISER_HZ)) as u64;
        let end = end.clamp(span.start, span.end);
        let told = self.understood(Span { end, ..span }, Reason::Piece, settled.words);
        self.told.outputs.push_back(Output::Reply(Box::new(told)));
        self.told.settled = end;
    }

    /// What of a stretch wasn't told as final.
    fn unsettled(&self, span: Span) -> Span {
        Span {
            start: span.start.max(self.told.settled).min(span.end),
            ..span
        }
    }

    fn guessed(&mut self, span: Span, heard: Vec<Heard>) -> Option<Reply> {
        if self.listen.interim == Interim::Withheld {
            return None;
        }
        let results = self.results(span, Certainty::Guess, &heard);
        let transcript = &results.channel.alternatives[0].transcript;
        if transcript.is_empty() || *transcript == self.told.last_guess {
            return None;
        }
        self.told.last_guess.clone_from(transcript);
        Some(Reply::Results(results))
    }

    fn understood(&mut self, span: Span, reason: Reason, heard: Vec<Heard>) -> Reply {
        let results = self.results(span, Certainty::Final(reason), &heard);
        self.told.last_guess.clear();
        if let Some(word) = results.channel.alternatives[0].words.last() {
            self.told.last_word_end = Some(word.end);
        }
        Reply::Results(results)
    }

    fn results(&self, span: Span, certainty: Certainty, heard: &[Heard]) -> Results {
        let words: Vec<Word> = heard.iter().map(|heard| word(heard, span)).collect();
        let languages: BTreeSet<&'static str> = heard.iter().filter_map(|heard| heard.language).collect();
        let sum: f64 = words.iter().map(|word| word.confidence).sum();
        let confidence = if words.is_empty() {
            0.0
        } else {
            rounded(sum / words.len() as f64)
        };
        Results {
            channel_index: [0, 1],
            duration: seconds(span.end - span.start),
            start: seconds(span.start),
            is_final: certainty != Certainty::Guess,
            speech_final: matches!(certainty, Certainty::Final(Reason::Pause | Reason::Finalize)),
            from_finalize: certainty == Certainty::Final(Reason::Finalize),
            channel: Channel {
                alternatives: [Alternative {
                    transcript: running_text(heard),
                    confidence,
                    words,
                    languages: languages.into_iter().collect(),
                }],
            },
            metadata: ResultsMetadata {
                request_id: self.identity.request_id.clone(),
                model_info: self.identity.model.clone(),
                model_uuid: self.identity.model_uuid.clone(),
            },
        }
    }

    fn metadata(&self) -> Metadata {
        let digest = self.bytes.digest.clone().finalize();
        let frames = self.bytes.count / (2 * u64::from(self.listen.channels));
        Metadata {
            transaction_key: "deprecated",
            request_id: self.identity.request_id.clone(),
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            created: self.identity.created.clone(),
            duration: rounded(frames as f64 / f64::from(self.listen.sample_rate_hz)),
            channels: self.listen.channels,
            models: [self.identity.model_uuid.clone()],
            model_info: [(self.identity.model_uuid.clone(), self.identity.model.clone())].into(),
        }
    }
}

impl Told {
    fn say(&mut self, reply: Reply) {
        self.slots.push_back(Slot::Ready(Box::new(reply)));
    }

    fn command(&mut self, command: Command) {
        let nothing = matches!(&command, Command::Audio(samples) if samples.is_empty());
        if !nothing {
            self.outputs.push_back(Output::Engine(command));
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}

impl Bytes {
    /// Interleaved little-endian bytes, mixed into one channel; a frame's missing rest is waited for.
    fn samples(&mut self, bytes: &[u8], channels: u16) -> Vec<i16> {
        self.digest.update(bytes);
        self.count += bytes.len() as u64;
        self.carry.extend_from_slice(bytes);
        let size = 2 * usize::from(channels);
        let whole = self.carry.len() / size * size;
        let mix = |frame: &[u8]| {
            let sum: i32 = frame
                .chunks_exact(2)
                .map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]])))
                .sum();
            (sum / i32::from(channels)) as i16
        };
        let samples = self.carry[..whole].chunks_exact(size).map(mix).collect();
        self.carry.drain(..whole);
        samples
    }
}

/// How sure words are, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    Guess,
    Final(Reason),
}

/// A word in the stream's time, inside of its span.
fn word(heard: &Heard, span: Span) -> Word {
    let (origin, first, last) = (seconds(span.origin), seconds(span.start), seconds(span.end));
    let start = rounded(origin + heard.start_seconds).clamp(first, last);
    let end = rounded(origin + heard.end_seconds).clamp(start, last);
    Word {
        word: unpunctuated(&heard.text),
        start,
        end,
        confidence: rounded(heard.confidence),
        punctuated_word: heard.text.clone(),
        language: heard.language,
    }
}

/// The word in lower case and without the marks around it.
fn unpunctuated(text: &str) -> String {
    let letters = text.trim_matches(|character: char| !character.is_alphanumeric());
    if letters.is_empty() { text } else { letters }.to_lowercase()
}

/// Words as they are written: with a space between them, but in scripts that have none.
fn running_text(words: &[Heard]) -> String {
    let mut text = String::new();
    for word in words {
        let before = text.chars().last();
        let spaceless = |character: Option<char>| character.is_some_and(is_spaceless);
        if before.is_some() && !(spaceless(before) && spaceless(word.text.chars().next())) {
            text.push(' ');
        }
        text.push_str(&word.text);
    }
    text
}

fn seconds(samples: u64) -> f64 {
    rounded(samples as f64 / f64::from(RECOGNISER_HZ))
}

/// To a ten-thousandth, which is finer than a sample of speech needs and short in JSON.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IDLE_MAX: Duration = Duration::from_secs(10);
    const START: Duration = Duration::ZERO;

    /// A session and an engine that answers at once: a word for each half second of its utterance.
    struct Replay {
        session: Session,
        samples: usize,
        commands: Vec<Command>,
        replies: Vec<Reply>,
        closed: Option<u16>,
    }

    impl Replay {
        fn new(query: &str) -> Self {
            let identity = Identity {
                request_id: "request".into(),
                created: "2026-11-21T00:00:00.000Z".into(),
                model_uuid: "uuid".into(),
                model: ModelInfo {
                    name: "name".into(),
                    version: "1".into(),
                    arch: "arch".into(),
                },
            };
            let listen = Listen::parse(query).expect("a good query");
            Self {
                session: Session::new(listen, identity, IDLE_MAX, LongUtterances::Cut),
                samples: 0,
                commands: Vec::new(),
                replies: Vec::new(),
                closed: None,
            }
        }

        fn feed(&mut self, input: Input<'_>) {
            self.session.handle(input, START);
            self.drain();
        }

        fn drain(&mut self) {
            while let Some(output) = self.session.poll_output() {
                assert_eq!(self.closed, None, "nothing comes after the close");
                match output {
                    Output::Reply(reply) => self.replies.push(*reply),
                    Output::Close { code, .. } => self.closed = Some(code),
                    Output::Engine(command) => {
                        self.answer(&command);
                        self.commands.push(command);
                    }
                }
            }
        }

        fn answer(&mut self, command: &Command) {
            match command {
                Command::Start => self.samples = 0,
                Command::Audio(samples) => self.samples += samples.len(),
                Command::Guess(ticket) | Command::Finish(ticket) => {
                    let words = words(self.samples);
                    self.session
                        .handle(Input::Answer(*ticket, Answer::Words(words)), START);
                }
            }
        }

        fn audio(&mut self, samples: &[i16]) {
            self.feed(Input::Audio(&bytes(samples)));
        }

        fn results(&self) -> Vec<&Results> {
            let mut results = Vec::new();
            for reply in &self.replies {
                if let Reply::Results(result) = reply {
                    results.push(result);
                }
            }
            results
        }

        fn finals(&self) -> Vec<&Results> {
            self.results()
                .into_iter()
                .filter(|results| results.is_final)
                .collect()
        }
    }

    fn words(samples: usize) -> Vec<Heard> {
        let word = |n: usize| Heard {
            text: format!("w{n}"),
            start_seconds: n as f64 / 2.0,
            end_seconds: n as f64 / 2.0 + 0.4,
            confidence: 0.5,
            language: None,
        };
        (0..samples / 8_000).map(word).collect()
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    fn voice(ms: usize) -> Vec<i16> {
        (0..ms * 16)
            .map(|n| if n / 40 % 2 == 0 { 4_000 } else { -4_000 })
            .collect()
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * 16]
    }

    fn close_stream(replay: &mut Replay) {
        replay.feed(Input::Text(r#"{"type":"CloseStream"}"#));
    }

    const FULL: &str =
        "encoding=linear16&interim_results=true&vad_events=true&endpointing=300&utterance_end_ms=1000";

    #[test]
    fn an_utterance_is_told_in_deepgrams_order() {
        let mut replay = Replay::new(FULL);
        replay.audio(&[silence(1_000), voice(2_000), silence(2_000)].concat());
        close_stream(&mut replay);

        let kinds: Vec<String> = replay
            .replies
            .iter()
            .map(|reply| match reply {
                Reply::Results(results) if !results.is_final => "interim".to_owned(),
                Reply::Results(results) if results.speech_final => "speech_final".to_owned(),
                Reply::Results(_) => "final".to_owned(),
                other => format!("{other:?}")
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            })
            .collect();
        assert_eq!(kinds.first().map(String::as_str), Some("SpeechStarted"));
        let rest: Vec<&str> = kinds
            .iter()
            .skip(1)
            .skip_while(|kind| *kind == "interim")
            .map(String::as_str)
            .collect();
        assert_eq!(
            rest,
            ["speech_final", "UtteranceEnd", "final", "Metadata(Metadata"]
        );
        assert!(
            kinds.iter().filter(|kind| *kind == "interim").count() >= 3,
            "{kinds:?}"
        );
        assert_eq!(replay.closed, Some(CLOSE_NORMAL));
    }

    #[test]
    fn times_are_those_of_the_audio_received() {
        let mut replay = Replay::new(FULL);
        replay.audio(&[silence(3_000), voice(2_000), silence(1_000)].concat());
        let finals = replay.finals();
        let spoken = finals
            .iter()
            .find(|results| results.speech_final)
            .expect("a pause was made");
        // The first voiced frame is at 3 s; pre-roll comes before it.
        assert!((2.7..2.9).contains(&spoken.start), "{}", spoken.start);
        let end = spoken.start + spoken.duration;
        assert!((5.3..5.4).contains(&end), "{end}");
        let words = &spoken.channel.alternatives[0].words;
        assert!(words.len() >= 4);
        assert!(
            words
                .iter()
                .all(|word| word.start >= spoken.start && word.end <= end)
        );
        let Some(Reply::SpeechStarted { timestamp, .. }) = replay.replies.first() else {
            panic!("speech was announced");
        };
        assert!((3.0..3.05).contains(timestamp), "{timestamp}");
    }

    #[test]
    fn guesses_come_only_when_asked_for_and_only_when_they_change() {
        let mut silent = Replay::new("encoding=linear16");
        silent.audio(&[voice(3_000), silence(500)].concat());
        assert!(silent.results().iter().all(|results| results.is_final));

        let mut told = Replay::new("encoding=linear16&interim_results=true");
        told.audio(&[voice(3_000), silence(500)].concat());
        let texts: Vec<&str> = told
            .results()
            .iter()
            .filter(|results| !results.is_final)
            .map(|results| results.channel.alternatives[0].transcript.as_str())
            .collect();
        assert!(texts.len() >= 4);
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
        assert!(texts.iter().all(|text| !text.is_empty()));
    }

    #[test]
    fn an_utterance_without_words_ends_with_an_empty_final() {
        let mut replay = Replay::new(FULL);
        replay.audio(&[voice(100), silence(1_500)].concat());
        let finals = replay.finals();
        assert_eq!(finals.len(), 1);
        assert!(finals[0].speech_final);
        assert_eq!(finals[0].channel.alternatives[0].transcript, "");
        assert!(
            !replay
                .replies
                .iter()
                .any(|reply| matches!(reply, Reply::UtteranceEnd { .. }))
        );
    }

    #[test]
    fn finalize_answers_even_if_there_is_nothing_to_say() {
        let mut replay = Replay::new(FULL);
        replay.feed(Input::Text(r#"{"type":"Finalize"}"#));
        replay.audio(&voice(1_000));
        replay.feed(Input::Text(r#"{"type":"Finalize"}"#));
        replay.feed(Input::Text(r#"{"type":"Finalize"}"#));
        let finals = replay.finals();
        assert_eq!(finals.len(), 3);
        assert!(finals.iter().all(|results| results.from_finalize));
        assert_eq!(finals[0].duration, 0.0);
        assert_ne!(finals[1].channel.alternatives[0].transcript, "");
        assert_eq!(finals[2].channel.alternatives[0].transcript, "");
    }

    #[test]
    fn an_endless_utterance_is_told_in_pieces() {
        let mut replay = Replay::new(FULL);
        replay.audio(&voice(40_000));
        close_stream(&mut replay);
        let finals = replay.finals();
        assert_eq!(finals.len(), 3);
        assert!(
            finals
                .iter()
                .all(|results| results.duration <= 15.0 && !results.speech_final)
        );
        for pair in finals.windows(2) {
            assert!((pair[0].start + pair[0].duration - pair[1].start).abs() < 1e-9);
        }
    }

    #[test]
    fn a_long_utterance_is_cut_at_a_short_pause() {
        let mut replay = Replay::new(FULL);
        replay.audio(&[voice(11_000), silence(160), voice(2_000), silence(400)].concat());
        let finals = replay.finals();
        assert_eq!(finals.len(), 2);
        assert!((11.0..11.2).contains(&(finals[0].start + finals[0].duration)));
        assert!(!finals[0].speech_final && finals[1].speech_final);
    }

    #[test]
    fn endpointing_off_never_says_that_speech_is_final() {
        let mut replay = Replay::new("encoding=linear16&endpointing=false&utterance_end_ms=1500");
        replay.audio(&[voice(1_000), silence(3_000)].concat());
        let finals = replay.finals();
        assert_eq!(finals.len(), 1);
        assert!(!finals[0].speech_final);
        assert!(matches!(replay.replies.last(), Some(Reply::UtteranceEnd { .. })));
    }

    #[test]
    fn silence_is_acknowledged() {
        let mut replay = Replay::new(FULL);
        replay.audio(&silence(16_000));
        let finals = replay.finals();
        assert_eq!(finals.len(), 3);
        assert_eq!(finals[0].start, 0.0);
        assert!(
            finals
                .iter()
                .all(|results| results.channel.alternatives[0].words.is_empty())
        );
        assert!(replay.commands.is_empty(), "silence costs no decoder");
    }

    #[test]
    fn an_empty_frame_ends_the_stream() {
        let mut replay = Replay::new(FULL);
        replay.audio(&voice(1_000));
        replay.feed(Input::Audio(&[]));
        assert!(matches!(replay.replies.last(), Some(Reply::Metadata(metadata)) if metadata.duration == 1.0));
        assert_eq!(replay.finals().len(), 1);
        assert_eq!(replay.closed, Some(CLOSE_NORMAL));
        replay.audio(&voice(1_000));
        assert_eq!(replay.finals().len(), 1, "what comes after the end is not heard");
    }

    #[test]
    fn a_silent_client_is_closed_with_net_0001() {
        let mut replay = Replay::new(FULL);
        replay.audio(&voice(1_000));
        replay
            .session
            .handle(Input::Text(r#"{"type":"KeepAlive"}"#), Duration::from_secs(8));
        replay.session.handle_timeout(Duration::from_secs(12));
        replay.drain();
        assert_eq!(replay.closed, None, "a keep-alive counts");
        assert_eq!(replay.session.poll_timeout(), Some(Duration::from_secs(18)));
        replay.session.handle_timeout(Duration::from_secs(18));
        replay.drain();
        assert_eq!(replay.finals().len(), 1, "what was said is still told");
        assert_eq!(replay.closed, Some(CLOSE_ERROR));
    }

    #[test]
    fn keep_alives_dont_save_a_stream_without_audio() {
        let mut replay = Replay::new(FULL);
        replay
            .session
            .handle(Input::Text(r#"{"type":"KeepAlive"}"#), Duration::from_secs(8));
        assert_eq!(replay.session.poll_timeout(), Some(IDLE_MAX));
    }

    #[test]
    fn garbage_is_answered_and_closed_and_unknown_messages_are_not() {
        let mut replay = Replay::new(FULL);
        replay.feed(Input::Text(r#"{"type":"Configure"}"#));
        assert_eq!(replay.closed, None);
        replay.feed(Input::Text("hello?"));
        assert!(matches!(replay.replies.last(), Some(Reply::Error { .. })));
        assert_eq!(replay.closed, Some(CLOSE_POLICY));
    }

    #[test]
    fn a_file_is_refused_unless_it_was_declared_to_be_samples() {
        let mut replay = Replay::new("model=x");
        replay.feed(Input::Audio(b"RIFF....WAVE"));
        assert_eq!(replay.closed, Some(CLOSE_POLICY));
        let mut declared = Replay::new("encoding=linear16");
        declared.feed(Input::Audio(b"RIFF....WAVE"));
        assert_eq!(declared.closed, None);
    }

    /// Twenty seconds of voice without a pause and an engine that once settles what was said until 8 s.
    fn settling(query: &str) -> Replay {
        let mut replay = Replay::new(query);
        replay.session.long_utterances = LongUtterances::Settled;
        let mut settled = false;
        for part in bytes(&[voice(20_000), silence(600)].concat()).chunks(9_600) {
            replay.session.handle(Input::Audio(part), START);
            let until = replay.session.heard as usize;
            while let Some(output) = replay.session.poll_output() {
                let split = |from: usize| words(until).split_off(from);
                let (ticket, answer) = match output {
                    Output::Engine(Command::Guess(ticket)) if !settled && until > 12 * 16_000 => {
                        settled = true;
                        let mut words = words(until);
                        let rest = words.split_off(16);
                        let finals = vec![Settled {
                            words,
                            end_seconds: 8.0,
                        }];
                        (ticket, Answer::Settled { finals, rest })
                    }
                    Output::Engine(Command::Guess(ticket) | Command::Finish(ticket)) => {
                        (ticket, Answer::Words(split(if settled { 16 } else { 0 })))
                    }
                    Output::Engine(command) => {
                        replay.commands.push(command);
                        continue;
                    }
                    Output::Reply(reply) => {
                        replay.replies.push(*reply);
                        continue;
                    }
                    Output::Close { .. } => panic!("nobody closed it"),
                };
                replay.session.handle(Input::Answer(ticket, answer), START);
            }
        }
        replay
    }

    #[test]
    fn words_that_an_engine_settles_are_final_and_their_utterance_goes_on() {
        let replay = settling(FULL);
        let starts = replay
            .commands
            .iter()
            .filter(|command| **command == Command::Start);
        assert_eq!(starts.count(), 1, "nothing was cut");
        let finals = replay.finals();
        let [first, last] = &finals[..] else {
            panic!("two finals, not {}", finals.len());
        };
        assert!(!first.speech_final && last.speech_final);
        assert_eq!((first.start, first.duration), (0.0, 8.0));
        assert_eq!(last.start, 8.0);
        let said: Vec<&Word> = [first, last]
            .iter()
            .flat_map(|results| &results.channel.alternatives[0].words)
            .collect();
        for (index, word) in said.iter().enumerate() {
            assert_eq!(word.word, format!("w{index}"));
            assert!((word.start - index as f64 / 2.0).abs() < 0.01, "{word:?}");
        }
        let behind = replay.replies.iter().filter_map(|reply| match reply {
            Reply::Results(results) if !results.is_final && results.start == 8.0 => Some(results),
            _ => None,
        });
        for guess in behind {
            assert_eq!(guess.channel.alternatives[0].words[0].word, "w16");
        }
    }

    #[test]
    fn settled_words_are_told_where_interims_are_not_wanted() {
        let replay = settling("encoding=linear16&endpointing=300");
        assert_eq!(replay.finals().len(), 2);
        let interims = replay
            .replies
            .iter()
            .filter(|reply| matches!(reply, Reply::Results(results) if !results.is_final));
        assert_eq!(interims.count(), 0);
    }

    #[test]
    fn punctuation_is_shown_and_kept_out_of_the_word() {
        assert_eq!(unpunctuated("Don't,"), "don't");
        assert_eq!(unpunctuated("(Käse)"), "käse");
        assert_eq!(unpunctuated("—"), "—");
        let heard = |text: &str| Heard {
            text: text.to_owned(),
            ..words(8_000).remove(0)
        };
        assert_eq!(
            running_text(&["Good", "morning,", "all."].map(heard)),
            "Good morning, all."
        );
        assert_eq!(
            running_text(&["你", "好，", "Anna", "世界。"].map(heard)),
            "你好， Anna 世界。"
        );
    }

    #[test]
    fn late_answers_are_told_in_the_order_of_the_questions() {
        let mut replay = Replay::new(FULL);
        let audio = bytes(&[voice(1_000), silence(400), voice(1_000), silence(400)].concat());
        replay.session.handle(Input::Audio(&audio), START);
        let mut finishes = Vec::new();
        while let Some(output) = replay.session.poll_output() {
            match output {
                Output::Engine(Command::Finish(ticket)) => finishes.push(ticket),
                Output::Engine(Command::Guess(ticket)) => {
                    replay
                        .session
                        .handle(Input::Answer(ticket, Answer::Overtaken), START);
                }
                _ => {}
            }
        }
        let [first, second] = finishes[..] else {
            panic!("two utterances, not {}", finishes.len());
        };
        replay
            .session
            .handle(Input::Answer(second, Answer::Words(words(16_000))), START);
        replay.drain();
        assert!(replay.finals().is_empty(), "the first is waited for");
        replay
            .session
            .handle(Input::Answer(first, Answer::Words(words(8_000))), START);
        replay.drain();
        let lengths: Vec<usize> = replay
            .finals()
            .iter()
            .map(|results| results.channel.alternatives[0].words.len())
            .collect();
        assert_eq!(lengths, [1, 2]);
    }

    #[test]
    fn a_failed_engine_closes_the_stream() {
        let mut replay = Replay::new(FULL);
        replay.session.handle(Input::Audio(&bytes(&voice(1_000))), START);
        while replay.session.poll_output().is_some() {}
        replay.feed(Input::EngineFailed);
        assert_eq!(replay.closed, Some(CLOSE_ERROR));
    }

    #[test]
    fn channels_are_mixed_and_cut_bytes_are_put_together() {
        let mut bytes = Bytes {
            carry: Vec::new(),
            digest: Sha256::new(),
            count: 0,
        };
        let stereo = [100_i16, 300, -5, 5, i16::MAX, i16::MAX]
            .map(i16::to_le_bytes)
            .concat();
        let mut samples = Vec::new();
        for part in stereo.chunks(3) {
            samples.extend(bytes.samples(part, 2));
        }
        assert_eq!(samples, [200, 0, i16::MAX]);
    }

    /// A conversation of voices and pauses, in milliseconds.
    fn conversation() -> impl Strategy<Value = Vec<i16>> {
        prop::collection::vec((20_usize..3_000, 20_usize..2_000), 1..5).prop_map(|turns| {
            turns
                .into_iter()
                .flat_map(|(spoken, paused)| [voice(spoken), silence(paused)].concat())
                .collect()
        })
    }

    fn replayed(query: &str, audio: &[u8], sizes: &[usize]) -> (Vec<Reply>, Vec<Command>) {
        let mut replay = Replay::new(query);
        let mut rest = audio;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*sizes.next().expect("a cycle")).min(rest.len()));
            replay.feed(Input::Audio(now));
            rest = later;
        }
        close_stream(&mut replay);
        (replay.replies, replay.commands)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn frame_size_changes_nothing(
            audio in conversation(),
            sizes in prop::collection::vec(1_usize..20_000, 1..8),
            rate_hz in prop::sample::select(vec![8_000_u32, 16_000, 44_100, 48_000]),
        ) {
            let query = format!("{FULL}&sample_rate={rate_hz}");
            let audio = bytes(&audio);
            prop_assert_eq!(replayed(&query, &audio, &sizes), replayed(&query, &audio, &[6_400]));
        }

        #[test]
        fn finals_follow_each_other_and_every_utterance_is_started_and_finished(audio in conversation()) {
            let (replies, commands) = replayed(FULL, &bytes(&audio), &[3_200]);
            let mut end = 0.0;
            for reply in &replies {
                if let Reply::Results(results) = reply {
                    prop_assert!(results.start + 1e-9 >= end, "{} before {end}", results.start);
                    if results.is_final {
                        end = results.start + results.duration;
                    }
                }
            }
            let mut open = false;
            for command in &commands {
                match command {
                    Command::Start => { prop_assert!(!open); open = true; }
                    Command::Finish(_) => { prop_assert!(open); open = false; }
                    Command::Audio(samples) => prop_assert!(open && !samples.is_empty()),
                    Command::Guess(_) => prop_assert!(open),
                }
            }
            prop_assert!(!open);
        }

        #[test]
        fn any_bytes_and_texts_are_survived(
            inputs in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..5_000).prop_map(Ok),
                    "\\PC{0,40}".prop_map(Err),
                    Just(Err(r#"{"type":"Finalize"}"#.to_owned())),
                ],
                0..30,
            ),
            channels in 1_u16..8,
        ) {
            let mut replay = Replay::new(&format!("channels={channels}&sample_rate=11025&interim_results=true"));
            for input in &inputs {
                match input {
                    Ok(bytes) => replay.feed(Input::Audio(bytes)),
                    Err(text) => replay.feed(Input::Text(text)),
                }
            }
        }
    }
}
