//! One track: from its frames to its segments.

use std::{sync::Arc, time::Duration};

use crate::{
    AudioFrame, ConnectionId, HealthState, MediaTime, Participant, ParticipantIdentity, Resampler,
    SAMPLE_RATE_HZ, Segment, SegmentId, SttPurpose, TrackClock, TrackKey, TrackSid,
    audio::SAMPLES_PER_MS,
    gate::{Gate, GateSettings, Passed},
    journal::{Journal, TrackFacts},
    stt::{Session, SttSettings},
    transcript::{Numbers, Transcript},
};

/// Somebody's voice, and what is made of it: one session goes with what is being said, others with what is late.
pub(crate) struct Track {
    pub(crate) sid: TrackSid,
    pub(crate) speaker: ParticipantIdentity,
    pub(crate) numbers: Numbers,
    pub(crate) live: Recognition,
    /// What was said while the recogniser was away, a piece each.
    pub(crate) late: Vec<Recognition>,
    /// With what was known of the first piece that waits.
    aside: Option<Transcript>,
    /// Whether people know that something is late.
    pub(crate) is_told_behind: bool,
    key: TrackKey,
    clock: TrackClock,
    resampler: Option<Resampler>,
    /// Resampled audio on its way to the gate.
    scratch: Vec<i16>,
    /// There from the first frame on, which starts the track's clock.
    gate: Option<Gate>,
    last_audio: MediaTime,
    has_ended: bool,
    /// The last segment that was handed out to be stored.
    pub(crate) last_final: Option<SegmentId>,
}

/// A session, and what was heard over it.
pub(crate) struct Recognition {
    pub(crate) session: Session,
    pub(crate) transcript: Transcript,
    pub(crate) purpose: SttPurpose,
}

impl Recognition {
    /// Waits no more. What was last heard of an open segment is given as final; for speech without words, the session
    /// reports a gap.
    pub(crate) fn give_up(&mut self) -> Option<Segment> {
        let known_until = samples_at(self.transcript.known_until());
        let segment = self.transcript.settle_open();
        self.session.abandon(known_until);
        segment
    }
}

impl Track {
    /// A track that nothing was heard of yet. `run` makes its segments' ids one of a kind.
    pub(crate) fn new(
        key: TrackKey,
        sid: TrackSid,
        speaker: ParticipantIdentity,
        clock: TrackClock,
        stt: Arc<SttSettings>,
        run: &str,
    ) -> Self {
        Self {
            numbers: Numbers::new(format!("SG_{run}_{key}_")),
            live: Recognition {
                session: Session::new(stt, key.0),
                transcript: Transcript::new(sid.clone()),
                purpose: SttPurpose::Live,
            },
            late: Vec::new(),
            aside: None,
            is_told_behind: false,
            sid,
            speaker,
            key,
            clock,
            resampler: None,
            scratch: Vec::new(),
            gate: None,
            last_audio: MediaTime::ZERO,
            has_ended: false,
            last_final: None,
        }
    }

    /// Takes a frame; says whether the session got something to do.
    pub(crate) fn audio(&mut self, frame: AudioFrame<'_>, settings: &GateSettings, now: MediaTime) -> bool {
        let length = Duration::from_secs_f64(
            (frame.samples.len() / usize::from(frame.channels)) as f64 / f64::from(frame.sample_rate_hz),
        );
        let heard_at = samples_at(now.saturating_sub(length));
        let gate = self.gate.get_or_insert_with(|| match self.clock {
            TrackClock::Arrival => Gate::new(settings, heard_at),
            TrackClock::From(start) => Gate::new(settings, samples_at(start)),
        });
        // A track without samples for a while has lost time; while it is open, the timeout shuts it first.
        let lost_time = self.clock == TrackClock::Arrival
            && self.last_audio > MediaTime::ZERO
            && now.since(self.last_audio).saturating_sub(length) > STALL;
        if lost_time && !gate.is_open() {
            gate.skip_to(heard_at.max(gate.position()));
        }
        self.last_audio = now;
        let session = &mut self.live.session;
        let mut passed_any = false;
        let pass = |passed: Passed<'_>| {
            passed_any = true;
            hand_on(passed, session);
        };
        if frame.sample_rate_hz == SAMPLE_RATE_HZ && frame.channels == 1 {
            gate.push(frame.samples, pass);
        } else {
            let resampler = self
                .resampler
                .take_if(|resampler| resampler.fits(&frame))
                .unwrap_or_else(|| Resampler::new(frame.sample_rate_hz, frame.channels));
            let resampler = self.resampler.insert(resampler);
            self.scratch.clear();
            resampler.push(frame.samples, &mut self.scratch);
            gate.push(&self.scratch, pass);
        }
        passed_any
    }

    /// No more frames will come.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        if let (Some(resampler), Some(gate)) = (&mut self.resampler, &mut self.gate) {
            self.scratch.clear();
            resampler.flush(&mut self.scratch);
            let session = &mut self.live.session;
            gate.push(&self.scratch, |passed| hand_on(passed, session));
        }
        self.shut();
        self.live.session.finish();
    }

    /// Ends the utterance under way if no samples have come for too long.
    pub(crate) fn shut_if_stalled(&mut self, now: MediaTime) {
        if self.stalls_at().is_some_and(|at| now >= at) {
            self.shut();
        }
    }

    /// What is known of speech that was put aside goes with it: words that are said now must not take its place.
    pub(crate) fn put_aside(&mut self) {
        if let Some(until) = self.live.session.put_aside_until()
            && let Some(known) = self.live.transcript.take_before(time_of(until))
        {
            self.aside = Some(known);
        }
    }

    /// Waits no more. What was last heard of open segments is given as final; of speech without words, the sessions
    /// report a gap.
    pub(crate) fn give_up(&mut self) -> Vec<Segment> {
        let aside = self.aside.take().and_then(|mut aside| aside.settle_open());
        let others = self.recognitions().filter_map(Recognition::give_up);
        aside.into_iter().chain(others).collect()
    }

    /// Waits no more, and leaves what was not recognised to whoever reads the log.
    pub(crate) fn leave(&mut self) {
        self.aside = None;
        self.live.session.leave();
        self.live.transcript = Transcript::new(self.sid.clone());
        self.late.iter_mut().for_each(|late| late.session.leave());
    }

    /// Begins to recognise the next piece of what is late; says whether there was one.
    pub(crate) fn begin_late(&mut self) -> bool {
        let Some(piece) = self.live.session.take_piece(self.late.len()) else {
            return false;
        };
        let settings = Arc::clone(self.live.session.settings());
        let transcript = self
            .aside
            .take()
            .unwrap_or_else(|| Transcript::new(self.sid.clone()));
        self.late.push(Recognition {
            session: Session::late(settings, self.key.0, piece),
            transcript,
            purpose: SttPurpose::Late,
        });
        true
    }

    /// What people are to be told when something begins or ceases to be late.
    pub(crate) fn news_of_lateness(&mut self) -> Option<HealthState> {
        let is_behind = self.is_behind() && self.live.session.is_listening();
        if std::mem::replace(&mut self.is_told_behind, is_behind) == is_behind {
            return None;
        }
        Some(match is_behind {
            true => HealthState::Behind(self.backlog()),
            false => HealthState::Listening,
        })
    }

    /// All that goes on here, what is being said first.
    pub(crate) fn recognitions(&mut self) -> impl Iterator<Item = &mut Recognition> {
        std::iter::once(&mut self.live).chain(&mut self.late)
    }

    /// Which session a connection is of.
    pub(crate) fn session_of(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        self.recognitions()
            .map(|recognition| &mut recognition.session)
            .find(|session| session.connection() == Some(connection))
    }

    /// How long nothing was said; [`Duration::MAX`] where no utterance is under way.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.gate.as_ref().map_or(Duration::MAX, Gate::quiet_for)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether something was said that is being recognised only now, or waits for it.
    pub(crate) fn is_behind(&self) -> bool {
        !self.late.is_empty() || self.live.session.put_aside_until().is_some()
    }

    /// Whether nothing more will come of it.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended && self.live.session.is_done() && self.late.is_empty()
    }

    /// Whether all that was heard is recognised or given up.
    pub(crate) fn is_settled(&self) -> bool {
        self.live.session.is_settled() && self.late.is_empty() && self.aside.is_none()
    }

    /// Puts into a log what was heard and compressed.
    pub(crate) fn note_speech(
        &mut self,
        journal: &mut Journal,
        participant: impl FnOnce(&ParticipantIdentity) -> Participant,
    ) {
        let settings = Arc::clone(self.live.session.settings());
        if let Some(notes) = self.live.session.notes() {
            let facts = TrackFacts {
                key: self.key,
                sid: &self.sid,
                language: settings.language.as_deref(),
            };
            journal.note(&facts, || participant(&self.speaker), notes);
        }
    }

    /// How much was said that the recogniser has said nothing about.
    pub(crate) fn backlog(&self) -> Duration {
        let late: u64 = self.late.iter().map(|late| late.session.backlog()).sum();
        Duration::from_millis((self.live.session.backlog() + late) / SAMPLES_PER_MS)
    }

    pub(crate) fn poll_timeout(&self) -> Option<MediaTime> {
        let late = self.late.iter().filter_map(|late| late.session.poll_timeout());
        self.stalls_at()
            .into_iter()
            .chain(self.live.session.poll_timeout())
            .chain(late)
            .min()
    }

    fn shut(&mut self) {
        let session = &mut self.live.session;
        let Some(gate) = self.gate.as_mut().filter(|gate| gate.is_open()) else {
            return;
        };
        gate.shut(|passed| hand_on(passed, session));
    }

    /// When an utterance under way counts as over because no samples come.
    fn stalls_at(&self) -> Option<MediaTime> {
        let is_open = self.gate.as_ref().is_some_and(Gate::is_open);
        (is_open && self.clock == TrackClock::Arrival).then(|| self.last_audio + STALL)
    }
}

/// What the gate lets through is the session's to send.
fn hand_on(passed: Passed<'_>, session: &mut Session) {
    match passed {
        Passed::Audio { position, samples } => session.push_audio(position, samples),
        Passed::Shut => session.end_utterance(),
    }
}

fn samples_at(time: MediaTime) -> u64 {
    time.as_millis() * SAMPLES_PER_MS
}

pub(crate) fn time_of(samples: u64) -> MediaTime {
    MediaTime::from_millis(samples / SAMPLES_PER_MS)
}

/// A live track has a frame every 10 to 20 ms, silence included.
const STALL: Duration = Duration::from_millis(500);
