//! One track's recogniser session: a state machine over connections that come and go.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    codec::{self, Message, Results, SttSettings},
    keyterms::Keyterms,
    pending::{Item, Pending},
    spool::{Piece, Spool},
    timeline::{Edge, Timeline},
};
use crate::{
    ConnectionId, GapReason, HealthState, MediaTime, SAMPLE_RATE_HZ, SttEnd, Word,
    audio::SAMPLES_PER_MS,
    gate::HANGOVER_MARGIN,
    journal::{Notes, Span, UnsettledTrack},
};

/// Keeps the audio since the last final, opens a connection when there is speech, and asks again after a failure.
///
/// After a longer failure it goes on with what is being said; what was said meanwhile is put aside in pieces, each for a
/// session of its own ([`Session::late`]).
///
/// Every method takes what happened; [`Session::pump`] does what follows from it and from the time.
pub(crate) struct Session {
    /// How the next connection is asked; another allocation than [`Link`]'s where that was asked otherwise.
    settings: Arc<SttSettings>,
    link: Link,
    pending: Pending,
    /// What was said while the recogniser was away; none where this session works on a piece of that.
    spool: Option<Spool>,
    retry: Retry,
    /// Speech that had to be given up since the last gap was reported.
    dropped: Option<Dropped>,
    health: HealthState,
    /// How often the audio at the front was sent without any answer.
    silent_attempts: u32,
    /// When the last of these ended.
    silent_since: Option<MediaTime>,
    finalize: FinalizeUse,
    finishing: bool,
    /// What is heard here, for a log of it; none where nobody wants that.
    notes: Option<Notes>,
    /// Where that ends, in samples of the meeting.
    heard_until: u64,
    outputs: VecDeque<SessionOutput>,
}

/// What a session wants done.
#[derive(Debug, PartialEq)]
pub(crate) enum SessionOutput {
    Open {
        connection: ConnectionId,
        path_and_query: String,
    },
    Audio {
        connection: ConnectionId,
        /// Of the first sample, in samples of the meeting.
        position: u64,
        bytes: Vec<u8>,
    },
    Text {
        connection: ConnectionId,
        text: &'static str,
    },
    Close {
        connection: ConnectionId,
    },
    Speech(SpeechEvent),
    /// Speech in these samples of the meeting got no recogniser.
    Gap {
        from: u64,
        to: u64,
        reason: GapReason,
    },
    Health(HealthState),
    Rejected(&'static str),
}

/// What the recogniser heard, in meeting time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SpeechEvent {
    /// Words that may still change.
    Interim(Speech),
    /// Words that will not; none at all withdraws the interim before.
    Final(Speech),
    /// The speaker paused: what follows is another utterance.
    UtteranceEnd,
}

/// A stretch of recognised speech.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Speech {
    pub(crate) start: MediaTime,
    pub(crate) end: MediaTime,
    pub(crate) text: String,
    pub(crate) words: Vec<Word>,
    pub(crate) language: Option<String>,
}

enum Link {
    /// No connection, and none before that time.
    Closed { not_before: MediaTime },
    /// Asked for.
    Opening {
        connection: ConnectionId,
        settings: Arc<SttSettings>,
    },
    /// Audio goes, messages come.
    Open(Box<Open>),
}

struct Open {
    connection: ConnectionId,
    settings: Arc<SttSettings>,
    timeline: Timeline,
    /// Seconds of speech that may be sent at once; refilled with time.
    allowance: f64,
    allowance_at: MediaTime,
    last_sent: MediaTime,
    last_audio: MediaTime,
    /// How far results have come in the stream, provisional ones included.
    answered_until: u64,
    /// Since when audio has been sent without any message coming back.
    unanswered_since: Option<MediaTime>,
    /// Unanswered requests for finals: when, and at which sample of the stream.
    finalizes: VecDeque<(MediaTime, u64)>,
    /// Up to which sample of the stream finals with words have come, and answers to requests for finals.
    worded_until: u64,
    finalized_until: u64,
    /// The last utterance's answer had no words: when it came, and where in the stream the utterance began.
    wordless: Option<(MediaTime, u64)>,
    /// `CloseStream` was sent; the connection is given until then.
    closing: Option<MediaTime>,
}

struct Dropped {
    from: u64,
    to: u64,
    reason: GapReason,
}

/// What sessions of a meeting share when they open connections.
#[derive(Default)]
pub(crate) struct Connecting {
    /// The number of the last connection that any of them asked for.
    pub(crate) last: u32,
    /// When the recogniser last had words, or an answer without words, for any of them.
    pub(crate) answered_at: MediaTime,
    /// Words that may be said here.
    pub(crate) keyterms: Keyterms,
}

/// Whether the recogniser takes `Finalize`; some close the connection on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FinalizeUse {
    Sent { refusals: u32 },
    Refused,
}

impl Session {
    /// A session without a connection. `salt` spreads the retries of many sessions.
    pub(crate) fn new(settings: Arc<SttSettings>, salt: u32) -> Self {
        Self {
            settings,
            link: Link::Closed {
                not_before: MediaTime::ZERO,
            },
            pending: Pending::default(),
            spool: Some(Spool::default()),
            retry: Retry { failures: 0, salt },
            dropped: None,
            health: HealthState::Listening,
            silent_attempts: 0,
            silent_since: None,
            finalize: FinalizeUse::Sent { refusals: 0 },
            finishing: false,
            notes: None,
            heard_until: 0,
            outputs: VecDeque::new(),
        }
    }

    /// A session that finds out what was said in a piece, and is done.
    pub(crate) fn late(settings: Arc<SttSettings>, salt: u32, piece: Piece) -> Self {
        let mut session = Self::new(settings, salt);
        session.spool = None;
        for item in piece.items {
            match item {
                Item::Audio { position, samples } => session.pending.push(position, &samples),
                Item::UtteranceEnd => session.pending.end_utterance(),
            }
        }
        session.finish();
        session
    }

    /// Takes notes of what is heard from now on.
    pub(crate) fn take_notes(&mut self) {
        self.notes = Some(Notes::default());
    }

    /// What was heard and put aside since this was last asked; nothing where no notes are taken.
    pub(crate) fn notes(&mut self) -> Option<&mut Notes> {
        let notes = self.notes.as_mut()?;
        while let Some(stretch) = self.spool.as_mut().and_then(Spool::next_complete) {
            notes.compressed(stretch);
        }
        Some(notes)
    }

    /// What nobody has to recognise any more, since this was last asked.
    pub(crate) fn take_settled(&mut self) -> impl Iterator<Item = Span> {
        self.pending.take_settled()
    }

    /// Whether all that was heard is recognised or given up.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.put_aside_until().is_none()
    }

    /// Takes what was heard long ago and nobody recognised, as if the recogniser had been away.
    pub(crate) fn take_over(&mut self, speech: &UnsettledTrack) {
        if let Some(spool) = &mut self.spool {
            speech.each_item(|item| spool.push(&item));
            spool.push(&Item::UtteranceEnd);
        }
    }

    /// Lets go of everything, for others to recognise.
    pub(crate) fn leave(&mut self) {
        self.close();
        self.pending = Pending::default();
        self.spool = self.spool.take().map(|_| Spool::default());
        self.dropped = None;
    }

    /// A part of what was put aside, if anything is and the recogniser works again. While it may not, `others` tells how
    /// many sessions are finding that out for this one already.
    pub(crate) fn take_piece(&mut self, others: usize) -> Option<Piece> {
        // Whoever has something to say here finds out by it.
        let may_try = self.pending.is_empty() && others == 0;
        if !self.is_listening() && !may_try {
            return None;
        }
        self.spool.as_mut()?.take()
    }

    /// The recogniser answered another session.
    pub(crate) fn recogniser_works(&mut self) {
        if self.pending.is_empty() {
            self.set_health(HealthState::Listening);
        }
    }

    /// Where what was put aside and waits ends, in samples of the meeting.
    pub(crate) fn put_aside_until(&self) -> Option<u64> {
        self.spool.as_ref().and_then(Spool::end)
    }

    /// What the next connection is asked.
    pub(crate) fn settings(&self) -> &Arc<SttSettings> {
        &self.settings
    }

    /// Whether speech becomes captions, as far as is known.
    pub(crate) fn is_listening(&self) -> bool {
        self.health == HealthState::Listening
    }

    /// Whether waiting may bring words, rather than somebody's help.
    pub(crate) fn is_refused(&self) -> bool {
        self.health == HealthState::Refused
    }

    /// Has the recogniser asked otherwise, from the next pause in the speech on.
    pub(crate) fn ask(&mut self, settings: Arc<SttSettings>) {
        self.settings = settings;
    }

    /// Has another connection made at the next pause in the speech, and asked the same.
    pub(crate) fn ask_anew(&mut self) {
        self.ask(Arc::new(SttSettings::clone(&self.settings)));
    }

    /// Takes speech, or the silence around it, said at `position` (samples since the meeting began).
    pub(crate) fn push_audio(&mut self, position: u64, samples: &[i16]) {
        self.pending.push(position, samples);
        self.heard_until = position + samples.len() as u64;
        if let Some(notes) = &mut self.notes {
            notes.speech(position, samples);
        }
        let is_open = matches!(self.link, Link::Open(_));
        if is_open && self.pending.samples() > UNSETTLED_SAMPLES_MAX {
            self.reject("the recogniser settles nothing");
            self.close();
        } else if !is_open && self.pending.samples() > UNSPOOLED_SAMPLES_MAX {
            self.put_aside_oldest();
        }
    }

    /// The speaker paused; the silence that a recogniser needs to hear has been pushed.
    pub(crate) fn end_utterance(&mut self) {
        self.pending.end_utterance();
        if let Some(notes) = &mut self.notes {
            notes.pause(self.heard_until);
        }
    }

    /// The track is over: let the recogniser finish, then close.
    pub(crate) fn finish(&mut self) {
        self.finishing = true;
    }

    /// Whether a finished session has nothing left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.finishing
            && self.pending.is_empty()
            && self.put_aside_until().is_none()
            && matches!(self.link, Link::Closed { .. })
    }

    /// Gives up: drops the connection and reports what was not recognised, but for what ends before `known_until`.
    pub(crate) fn abandon(&mut self, known_until: u64) {
        self.close();
        let reason = self.gap_reason();
        while let Some((from, to)) = self.spool.as_mut().and_then(Spool::drop_oldest) {
            self.lose(from, to, reason);
        }
        if self
            .dropped
            .as_ref()
            .is_some_and(|dropped| dropped.to <= known_until)
        {
            self.report_gap();
        }
        while !self.pending.is_empty() {
            self.drop_oldest(reason);
        }
        if let Some(dropped) = &mut self.dropped {
            dropped.from = dropped.from.max(known_until);
            // Less than this behind the last known word is its trailing silence.
            if dropped.to.saturating_sub(dropped.from) <= samples_in(self.tail()) {
                self.dropped = None;
            }
        }
        self.report_gap();
    }

    /// The connection stands.
    pub(crate) fn opened(&mut self, connection: ConnectionId, now: MediaTime) {
        let settings = match &self.link {
            Link::Opening {
                connection: opening,
                settings,
            } if *opening == connection => Arc::clone(settings),
            _ => return,
        };
        self.pending.restart();
        self.put_aside_what_is_late();
        self.link = Link::Open(Box::new(Open {
            connection,
            settings,
            timeline: Timeline::default(),
            allowance: BURST_SECONDS,
            allowance_at: now,
            last_sent: now,
            last_audio: now,
            answered_until: 0,
            unanswered_since: None,
            finalizes: VecDeque::new(),
            worded_until: 0,
            finalized_until: 0,
            wordless: None,
            closing: None,
        }));
        self.report_gap();
    }

    /// The connection is over or never came to be.
    pub(crate) fn ended(&mut self, connection: ConnectionId, end: SttEnd, now: MediaTime) {
        if self.connection() != Some(connection) {
            return;
        }
        let open = match std::mem::replace(&mut self.link, Link::Closed { not_before: now }) {
            Link::Open(open) => open,
            // What it refused is not what it will be asked for.
            Link::Opening { settings, .. } if !Arc::ptr_eq(&settings, &self.settings) => return,
            Link::Opening { .. } | Link::Closed { .. } => return self.failed(end, now),
        };
        if open.closing.is_some() && end == SttEnd::Closed(1000) {
            // It was asked for what it had, and says that this was all.
            self.pending.acknowledge(open.timeline.sent());
            self.pending.forget_tail(samples_in(self.tail()));
        }
        self.note_finalize_refusal(&open, now);
        self.pending.forget_tail(samples_in(self.tail()));
        if !self.pending.is_empty() {
            self.failed(end, now);
        }
    }

    /// Takes a message from the recogniser.
    pub(crate) fn message(&mut self, connection: ConnectionId, text: &str, now: MediaTime) {
        let Link::Open(open) = &mut self.link else { return };
        if open.connection != connection {
            return;
        }
        match codec::parse(text) {
            Ok(message) => {
                open.unanswered_since = None;
                self.retry.failures = 0;
                // Not before: some accept every connection and understand nothing.
                self.set_health(HealthState::Listening);
                match message {
                    Message::Results(results) => self.results(results, now),
                    Message::UtteranceEnd => self.speech(SpeechEvent::UtteranceEnd),
                    Message::Error => self.reject("the recogniser sent an error message"),
                    Message::SpeechStarted | Message::Metadata | Message::Other => {}
                }
            }
            Err(reason) => self.reject(reason),
        }
        if let Link::Open(open) = &mut self.link
            && open.unanswered_since.is_none()
            && self.pending.awaits_answer()
        {
            open.unanswered_since = Some(now);
        }
    }

    /// Does what is due: opens, sends, keeps alive, gives up waiting.
    pub(crate) fn pump(&mut self, now: MediaTime, connecting: &mut Connecting) {
        self.send(now);
        self.tend(now, connecting);
        let Link::Closed { not_before } = self.link else {
            return;
        };
        self.pending.forget_tail(samples_in(self.tail()));
        if now >= not_before && !self.pending.is_empty() {
            connecting.last += 1;
            let connection = ConnectionId(connecting.last);
            self.link = Link::Opening {
                connection,
                settings: Arc::clone(&self.settings),
            };
            let path_and_query = codec::path_and_query(&self.settings, &connecting.keyterms);
            self.outputs.push_back(SessionOutput::Open {
                connection,
                path_and_query,
            });
        }
    }

    /// When [`Session::pump`] must be called next, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Option<MediaTime> {
        match &self.link {
            Link::Closed { not_before } => (!self.pending.is_empty()).then_some(*not_before),
            Link::Opening { .. } => None,
            Link::Open(open) => Some(self.next_duty(open)),
        }
    }

    /// Samples that the recogniser has said nothing about, not even provisionally.
    pub(crate) fn backlog(&self) -> u64 {
        let answered = match &self.link {
            Link::Open(open) => open
                .answered_until
                .saturating_sub(self.pending.settled_in_stream()),
            _ => 0,
        };
        let spooled = self.spool.as_ref().map_or(0, Spool::samples);
        spooled + self.pending.samples().saturating_sub(answered)
    }

    /// What is to be done, until nothing is.
    pub(crate) fn poll_output(&mut self) -> Option<SessionOutput> {
        self.outputs.pop_front()
    }

    /// The connection that it has or has asked for.
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match &self.link {
            Link::Closed { .. } => None,
            Link::Opening { connection, .. } => Some(*connection),
            Link::Open(open) => Some(open.connection),
        }
    }

    fn results(&mut self, results: Results, now: MediaTime) {
        let tail = samples_in(self.tail());
        let Link::Open(open) = &mut self.link else { return };
        let mut settled = open.timeline.stream_at(results.start + results.duration);
        let speech = heard(&open.timeline, &results, open.settings.one_language());
        open.answered_until = open.answered_until.max(settled);
        if results.is_final {
            if !speech.text.is_empty() {
                open.hear_words(settled);
            }
            if results.from_finalize {
                settled = open.answered(settled, tail);
                open.finalize(settled, now);
            }
            self.pending.acknowledge(settled);
            open.timeline.forget_before(settled);
            self.silent_attempts = 0;
            self.silent_since = None;
            self.speech(SpeechEvent::Final(speech));
        } else if !speech.text.is_empty() {
            self.speech(SpeechEvent::Interim(speech));
        }
        if results.speech_final || results.from_finalize {
            self.speech(SpeechEvent::UtteranceEnd);
        }
    }

    fn send(&mut self, now: MediaTime) {
        let Link::Open(open) = &mut self.link else { return };
        if open.closing.is_some() {
            // Speech came back after an idle connection was told to close: it needs a new one.
            if self.pending.unsent().is_some() {
                self.close();
            }
            return;
        }
        open.refill(now, self.settings.catch_up_rate);
        while let Some(item) = self.pending.unsent() {
            match item {
                Item::Audio { .. } if open.allowance <= 0.0 => break,
                Item::Audio { position, samples } => {
                    open.timeline.push(*position, samples.len() as u64);
                    open.allowance -= samples.len() as f64 / f64::from(SAMPLE_RATE_HZ);
                    open.last_audio = now;
                    open.unanswered_since.get_or_insert(now);
                    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    self.outputs.push_back(SessionOutput::Audio {
                        connection: open.connection,
                        position: *position,
                        bytes,
                    });
                }
                Item::UtteranceEnd => {
                    open.finalizes.push_back((now, open.timeline.sent()));
                    if self.finalize != FinalizeUse::Refused {
                        let connection = open.connection;
                        self.outputs.push_back(SessionOutput::Text {
                            connection,
                            text: codec::FINALIZE,
                        });
                    }
                }
            }
            open.last_sent = now;
            self.pending.mark_sent();
        }
    }

    /// Timers of an open connection.
    fn tend(&mut self, now: MediaTime, connecting: &Connecting) {
        let tail = samples_in(self.tail());
        let Link::Open(open) = &mut self.link else { return };
        if let Some(deadline) = open.closing {
            if now >= deadline && self.pending.is_empty() {
                self.close();
            } else if now >= deadline {
                self.nobody_answers(now, connecting);
            }
            return;
        }
        let overdue = open
            .finalizes
            .front()
            .is_some_and(|(asked, _)| now >= *asked + FINALIZE_PATIENCE);
        if overdue {
            // `from_finalize` may never come. What finals covered up to the silence at the end is settled.
            self.pending.forget_tail(tail);
            if open.expect_no_answer(now, self.pending.settled_in_stream()) {
                self.outputs
                    .push_back(SessionOutput::Speech(SpeechEvent::UtteranceEnd));
            }
        }
        if open
            .unanswered_since
            .is_some_and(|since| now >= since + SILENCE_PATIENCE)
        {
            return self.nobody_answers(now, connecting);
        }
        let is_outdated = !Arc::ptr_eq(&open.settings, &self.settings);
        let awaits_words = open.words_due().is_some_and(|due| now < due);
        let idle = self.pending.is_empty() && (is_outdated || now >= open.last_audio + IDLE_CLOSE);
        // A recogniser that doesn't know `Finalize` still answers to the end of the stream.
        let finished =
            self.finishing && (self.pending.is_empty() || overdue && self.pending.unsent().is_none());
        if (idle || finished) && !awaits_words {
            open.closing = Some(now + CLOSE_PATIENCE);
            let connection = open.connection;
            self.outputs.push_back(SessionOutput::Text {
                connection,
                text: codec::CLOSE_STREAM,
            });
        } else if now >= open.last_sent + KEEP_ALIVE_EVERY {
            open.last_sent = now;
            let connection = open.connection;
            self.outputs.push_back(SessionOutput::Text {
                connection,
                text: codec::KEEP_ALIVE,
            });
        }
    }

    fn next_duty(&self, open: &Open) -> MediaTime {
        if let Some(deadline) = open.closing {
            return deadline;
        }
        let mut duty = open.last_sent + KEEP_ALIVE_EVERY;
        if self.pending.is_empty() {
            duty = duty.min(open.last_audio + IDLE_CLOSE);
        }
        if let Some(since) = open.unanswered_since {
            duty = duty.min(since + SILENCE_PATIENCE);
        }
        if self.finishing
            && self.pending.is_empty()
            && let Some(due) = open.words_due()
        {
            duty = duty.min(due);
        }
        if let Some((asked, _)) = open.finalizes.front() {
            duty = duty.min(*asked + FINALIZE_PATIENCE);
        }
        if self.pending.unsent().is_some() {
            duty = duty.min(open.allowance_at + ALLOWANCE_STEP);
        }
        duty
    }

    /// The recogniser took speech and says nothing. A new connection may do better. After a few it is about this speech,
    /// which is given up, if others were answered meanwhile.
    fn nobody_answers(&mut self, now: MediaTime, connecting: &Connecting) {
        let began = match &self.link {
            Link::Open(open) => open.unanswered_since,
            Link::Opening { .. } | Link::Closed { .. } => None,
        };
        let since = self.silent_since.or(began).unwrap_or(now);
        self.silent_since = Some(now);
        if self.spool.is_some() || connecting.answered_at >= since {
            self.silent_attempts += 1;
        }
        if self.silent_attempts >= SILENT_ATTEMPTS_MAX {
            self.silent_attempts = 0;
            self.skip_unanswered();
        }
        self.reject("the recogniser took audio and did not answer");
        self.close();
        self.link = Link::Closed { not_before: now };
        if !self.pending.is_empty() {
            self.failed(SttEnd::Failed, now);
        }
    }

    /// What nobody answered must not keep captions waiting: it gets more attempts on its own, and is given up after them.
    fn skip_unanswered(&mut self) {
        while self.pending.awaits_answer() {
            match &mut self.spool {
                Some(spool) => {
                    let item = self.pending.take_oldest();
                    spool.push(&item.expect("it awaits an answer"));
                }
                None => self.drop_oldest(GapReason::RecogniserSilent),
            }
        }
        self.bound_spool();
    }

    fn failed(&mut self, end: SttEnd, now: MediaTime) {
        let (delay, health) = self.retry.after(end);
        self.link = Link::Closed {
            not_before: now + delay,
        };
        self.set_health(health);
    }

    /// A recogniser that closes right after `Finalize`, twice, is one that does not know it.
    fn note_finalize_refusal(&mut self, open: &Open, now: MediaTime) {
        let FinalizeUse::Sent { refusals } = self.finalize else {
            return;
        };
        let just_asked = open.finalizes.back().is_some_and(|(asked, _)| {
            open.closing.is_none()
                && now.since(*asked) < FINALIZE_PATIENCE
                && open.unanswered_since.is_some_and(|since| since <= *asked)
        });
        self.finalize = match (just_asked, refusals) {
            (false, _) => FinalizeUse::Sent { refusals },
            (true, 0) => FinalizeUse::Sent { refusals: 1 },
            (true, _) => FinalizeUse::Refused,
        };
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection() {
            self.outputs.push_back(SessionOutput::Close { connection });
        }
        self.link = Link::Closed {
            not_before: MediaTime::ZERO,
        };
        self.pending.restart();
    }

    fn gap_reason(&self) -> GapReason {
        match self.health {
            HealthState::Refused => GapReason::RecogniserRefused,
            _ => GapReason::RecogniserAway,
        }
    }

    /// Captions go on with what is being said now, whatever waits.
    fn put_aside_what_is_late(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        if self.pending.samples() <= samples_in(LATE) && !spool.is_amid_utterance() {
            return;
        }
        for item in self.pending.split(samples_in(LATE_AT_LEAST), samples_in(LATE)) {
            spool.push(&item);
        }
        spool.push(&Item::UtteranceEnd);
        self.bound_spool();
    }

    fn put_aside_oldest(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        while self.pending.samples() > UNSPOOLED_SAMPLES_MAX
            && let Some(item) = self.pending.take_oldest()
        {
            spool.push(&item);
        }
        self.bound_spool();
    }

    fn bound_spool(&mut self) {
        let reason = self.gap_reason();
        let Some(spool) = &mut self.spool else { return };
        if spool.samples() > SPOOLED_SAMPLES_MAX
            && let Some((from, to)) = spool.drop_oldest()
        {
            self.lose(from, to, reason);
        }
    }

    fn drop_oldest(&mut self, reason: GapReason) {
        if let Some((from, to)) = self.pending.drop_oldest() {
            self.lose(from, to, reason);
        }
    }

    fn lose(&mut self, from: u64, to: u64, reason: GapReason) {
        self.pending.note_settled(Span { from, to });
        match &mut self.dropped {
            Some(dropped) => dropped.to = to,
            None => self.dropped = Some(Dropped { from, to, reason }),
        }
    }

    fn report_gap(&mut self) {
        if let Some(Dropped { from, to, reason }) = self.dropped.take() {
            self.outputs.push_back(SessionOutput::Gap { from, to, reason });
        }
    }

    fn set_health(&mut self, health: HealthState) {
        if self.health != health {
            self.health = health;
            self.outputs.push_back(SessionOutput::Health(health));
        }
    }

    fn speech(&mut self, event: SpeechEvent) {
        self.outputs.push_back(SessionOutput::Speech(event));
    }

    fn reject(&mut self, reason: &'static str) {
        self.outputs.push_back(SessionOutput::Rejected(reason));
    }

    /// How much silence an utterance ends with, and a little of what recognisers cut off before it.
    fn tail(&self) -> Duration {
        self.settings.endpointing + HANGOVER_MARGIN + TAIL_MARGIN
    }
}

impl Open {
    fn refill(&mut self, now: MediaTime, rate: f64) {
        let elapsed = now.since(self.allowance_at).as_secs_f64();
        self.allowance = (self.allowance + elapsed * rate).min(BURST_SECONDS);
        self.allowance_at = now;
    }

    /// A final that answers a request ends at `settled`, or at the silence before: which audio it settles.
    fn answered(&mut self, settled: u64, tail: u64) -> u64 {
        let mut covered = settled;
        while let Some((_, at)) = self.finalizes.front()
            && *at <= settled + tail
        {
            covered = covered.max(*at);
            self.finalizes.pop_front();
        }
        covered
    }

    /// A final with words ends there.
    fn hear_words(&mut self, until: u64) {
        self.worded_until = self.worded_until.max(until);
        self.wordless.take_if(|(_, from)| until > *from);
    }

    /// A request for finals was answered for what was sent until there.
    fn finalize(&mut self, until: u64, now: MediaTime) {
        if self.worded_until <= self.finalized_until {
            self.wordless = Some((now, self.finalized_until));
        }
        self.finalized_until = self.finalized_until.max(until);
    }

    /// How long words may still come for what was answered without. Some answer requests at once and say later what they
    /// had heard by themselves.
    fn words_due(&self) -> Option<MediaTime> {
        self.wordless.map(|(since, _)| since + WORDS_PATIENCE)
    }

    /// The oldest request for finals is overdue: drops it if its audio is settled anyway, or gives it more time.
    fn expect_no_answer(&mut self, now: MediaTime, settled: u64) -> bool {
        let Some((asked, at)) = self.finalizes.front_mut() else {
            return false;
        };
        *asked = now;
        let is_settled = *at <= settled;
        if is_settled {
            self.finalizes.pop_front();
        }
        is_settled
    }
}

/// When to try again.
struct Retry {
    failures: u32,
    salt: u32,
}

impl Retry {
    fn after(&mut self, end: SttEnd) -> (Duration, HealthState) {
        let longest = match end {
            SttEnd::Closed(1008) => return (REFUSED_RETRY, HealthState::Refused),
            SttEnd::Refused(429) => RETRY_MAX_BUSY,
            SttEnd::Refused(status) if (400..500).contains(&status) && status != 408 => {
                return (REFUSED_RETRY, HealthState::Refused);
            }
            SttEnd::Closed(_) | SttEnd::Refused(_) | SttEnd::Failed => RETRY_MAX,
        };
        let delay = (RETRY_MIN * 2u32.saturating_pow(self.failures.min(16))).min(longest);
        self.failures += 1;
        // Up to a quarter more, other for each session, so that hundreds don't knock at once.
        let spread = self
            .salt
            .wrapping_mul(2_654_435_761)
            .wrapping_add(self.failures * 97)
            % 256;
        (delay + delay * spread / 1024, HealthState::Interrupted)
    }
}

fn heard(timeline: &Timeline, results: &Results, asked: Option<&str>) -> Speech {
    let time = |seconds, edge| MediaTime::from_millis(timeline.meeting_at(seconds, edge) / SAMPLES_PER_MS);
    let fallback = codec::Alternative::default();
    let best = results.channel.alternatives.first().unwrap_or(&fallback);
    let words: Vec<Word> = best
        .words
        .iter()
        .map(|word| {
            let start = time(word.start, Edge::Start);
            Word {
                text: word.punctuated_word.as_ref().unwrap_or(&word.word).clone(),
                start,
                end: time(word.end, Edge::End).max(start),
                confidence: word.confidence.clamp(0.0, 1.0),
            }
        })
        .collect();
    let start = words
        .first()
        .map_or_else(|| time(results.start, Edge::Start), |word| word.start);
    let end = words
        .last()
        .map_or_else(
            || time(results.start + results.duration, Edge::End),
            |word| word.end,
        )
        .max(start);
    let language = best
        .languages
        .first()
        .or(results.channel.detected_language.as_ref())
        .cloned()
        .or_else(|| asked.map(str::to_owned));
    Speech {
        start,
        end,
        text: best.transcript.trim().to_owned(),
        words,
        language,
    }
}

fn samples_in(duration: Duration) -> u64 {
    duration.as_millis() as u64 * SAMPLES_PER_MS
}

/// Speech that a recogniser takes without ever settling it: two minutes, 3.8 MB; then another connection may do better.
const UNSETTLED_SAMPLES_MAX: u64 = 120 * SAMPLE_RATE_HZ as u64;
/// Speech that is kept as it came while no recogniser takes it: what is older is compressed.
const UNSPOOLED_SAMPLES_MAX: u64 = 10 * SAMPLE_RATE_HZ as u64;
/// Speech that is kept compressed while no recogniser takes it, 30 MB; beyond that the oldest is given up.
const SPOOLED_SAMPLES_MAX: u64 = 2 * 3600 * SAMPLE_RATE_HZ as u64;
/// What a connection can be sent at once; more would keep captions behind for long.
const LATE: Duration = Duration::from_secs(5);
/// Where nobody pauses, captions go on by so much at least: words before and after the cut keep their company.
const LATE_AT_LEAST: Duration = Duration::from_secs(1);
/// What may be sent at once after a wait, before the catch-up rate holds.
const BURST_SECONDS: f64 = LATE.as_secs() as f64;
const ALLOWANCE_STEP: Duration = Duration::from_millis(100);
/// Deepgram closes after 10 s without a message.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(4);
/// An idle socket costs the operator one of a limited number.
const IDLE_CLOSE: Duration = Duration::from_secs(60);
const CLOSE_PATIENCE: Duration = Duration::from_millis(1500);
const FINALIZE_PATIENCE: Duration = Duration::from_millis(1500);
const WORDS_PATIENCE: Duration = Duration::from_secs(1);
const SILENCE_PATIENCE: Duration = Duration::from_secs(20);
const SILENT_ATTEMPTS_MAX: u32 = 3;
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_millis(2500);
const RETRY_MAX_BUSY: Duration = Duration::from_secs(10);
/// Key, credit, rights, or a setting it doesn't know: waiting doesn't help, an operator does.
const REFUSED_RETRY: Duration = Duration::from_secs(300);
/// Finals end up to this much before the silence does.
const TAIL_MARGIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MediaTime = MediaTime::from_millis(1000);

    /// A session whose only second of speech was answered, without words, when the track was over already.
    fn answered_without_words() -> (Session, ConnectionId) {
        let settings = SttSettings::with_endpointing(Duration::from_millis(300));
        let mut session = Session::new(Arc::new(settings), 0);
        session.push_audio(0, &[0; SAMPLE_RATE_HZ as usize]);
        session.end_utterance();
        session.finish();
        session.pump(NOW, &mut Connecting::default());
        let connection = session.connection().expect("there is something to say");
        session.opened(connection, NOW);
        session.pump(NOW, &mut Connecting::default());
        session.message(connection, &results("", true), NOW);
        assert!(!closes(&mut session, NOW), "words may still come");
        (session, connection)
    }

    fn results(transcript: &str, from_finalize: bool) -> String {
        serde_json::json!({
            "type": "Results", "start": 0.0, "duration": 1.0, "is_final": true, "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": transcript}]},
        })
        .to_string()
    }

    fn closes(session: &mut Session, now: MediaTime) -> bool {
        session.pump(now, &mut Connecting::default());
        std::iter::from_fn(|| session.poll_output())
            .any(|output| matches!(output, SessionOutput::Text { text, .. } if text == codec::CLOSE_STREAM))
    }

    #[test]
    fn words_that_come_behind_an_answer_without_are_heard_before_the_end() {
        let (mut session, connection) = answered_without_words();
        session.message(connection, &results("late", false), NOW);
        let heard = std::iter::from_fn(|| session.poll_output())
            .any(|output| matches!(output, SessionOutput::Speech(SpeechEvent::Final(speech)) if speech.text == "late"));
        assert!(heard);
        assert!(closes(&mut session, NOW), "nothing more is to come");
    }

    #[test]
    fn words_that_never_come_are_not_waited_for_long() {
        let (mut session, _) = answered_without_words();
        assert_eq!(session.poll_timeout(), Some(NOW + WORDS_PATIENCE));
        assert!(closes(&mut session, NOW + WORDS_PATIENCE));
    }
}
