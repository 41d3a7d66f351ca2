//! One meeting: everything that happens while people are in the room.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    AudioFrame, Caption, CaptionKind, ConnectionId, Gap, Health, HealthState, MediaTime, Participant,
    ParticipantIdentity, Segment, SegmentId, TrackKey, TrackSid,
    gate::GateSettings,
    journal::{Journal, Span, UnsettledSpeech},
    stt::{Connecting, Keyterms, Session, SessionOutput, SpeechEvent, SttSettings},
    track::{Recognition, Track, time_of},
};

/// A sitting in a room, from its first to its last word.
///
/// Feed one input, drain [`Meeting::poll_output`] to `None`, then wait for the next input or for
/// [`Meeting::poll_timeout`], whichever is first; when it has come, the input is [`Event::Timeout`]. Nothing fails:
/// what makes no sense comes out as [`Output::Rejected`].
pub struct Meeting {
    settings: Settings,
    /// How the recogniser is asked, but for [`Self::languages`].
    stt: Arc<SttSettings>,
    /// What those say they speak who don't speak the room's language.
    languages: HashMap<ParticipantIdentity, Arc<SttSettings>>,
    participants: HashMap<ParticipantIdentity, Participant>,
    tracks: BTreeMap<TrackKey, Track>,
    /// Which track a connection belongs to.
    connections: HashMap<ConnectionId, TrackKey>,
    connecting: Connecting,
    /// Finals on their way to the disk, shown as final when they are there.
    unstored: HashMap<SegmentId, Unstored>,
    /// What is heard and not settled, where somebody keeps that.
    journal: Option<Journal>,
    ending: Ending,
    /// What is done at the end about speech that nobody recognised.
    late_speech: LateSpeech,
    /// Whether some was left to others.
    leaves_speech: bool,
    outputs: VecDeque<Output>,
}

/// A final that is not on the disk yet.
struct Unstored {
    segment: Segment,
    /// Speech that is settled when it is.
    settles: Vec<(TrackKey, Span)>,
}

/// How a meeting is to be held.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Begins every segment id; another one for each run of a worker, so that ids are never used twice.
    pub run: String,
    /// What of the audio is sent.
    pub gate: GateSettings,
    /// How the recogniser is asked.
    pub stt: SttSettings,
    /// Words that may be said in this room, for recognisers that can make use of them.
    pub glossary: Vec<String>,
    /// How long after the room's end last finals are waited for.
    pub last_finals: Duration,
}

enum Ending {
    Not,
    /// The room is over. So long everything is waited for, and for a recogniser that is away, until `late`.
    Finals {
        until: MediaTime,
        late: MediaTime,
    },
    /// Only what a recogniser that is away has not heard yet is waited for.
    Late {
        until: MediaTime,
    },
    Done,
}

impl Meeting {
    /// A meeting that begins now: at [`MediaTime::ZERO`], or wherever the first event's time is.
    pub fn new(settings: Settings) -> Self {
        Self {
            stt: Arc::new(settings.stt.clone()),
            languages: HashMap::new(),
            participants: HashMap::new(),
            tracks: BTreeMap::new(),
            connections: HashMap::new(),
            connecting: Connecting {
                last: 0,
                answered_at: MediaTime::ZERO,
                keyterms: Keyterms::with_glossary(&settings.glossary),
            },
            settings,
            unstored: HashMap::new(),
            journal: None,
            ending: Ending::Not,
            late_speech: LateSpeech::GivenUp,
            leaves_speech: false,
            outputs: VecDeque::new(),
        }
    }

    /// Has a log written of what is heard and not settled, for [`Meeting::take_journal`].
    pub fn with_journal(mut self) -> Self {
        self.journal = Some(Journal::new());
        self
    }

    /// What is to be put at the end of the log; empty where nothing is, or where there is no log.
    ///
    /// [`UnsettledSpeech::read`] takes these batches.
    pub fn take_journal(&mut self) -> Vec<u8> {
        self.journal.as_mut().map(Journal::take).unwrap_or_default()
    }

    /// How many bytes [`Meeting::take_journal`] would give.
    pub fn journal_waiting(&self) -> usize {
        self.journal.as_ref().map_or(0, Journal::waiting)
    }

    /// The log could not be written: what stands in it is of no use, and what comes next begins another.
    pub fn lose_journal(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.lose();
        }
    }

    /// Whether speech was left in the log, at the end, for others to recognise.
    pub fn leaves_speech(&self) -> bool {
        self.leaves_speech
    }

    /// Takes what happened at `now`, which never goes back.
    pub fn handle(&mut self, event: Event<'_>, now: MediaTime) {
        match event {
            Event::ParticipantSeen(participant) => {
                self.connecting.keyterms.expect_name(&participant.name);
                self.participants
                    .insert(participant.identity.clone(), participant.clone());
            }
            Event::LanguageChosen { speaker, language } => self.choose_language(speaker, language, now),
            Event::TrackStarted {
                track,
                sid,
                speaker,
                clock,
            } => self.start_track(track, sid, speaker, clock),
            Event::Audio { track, frame } => self.audio(track, frame, now),
            Event::TrackEnded { track } => self.with_track(track, now, |track| track.end()),
            Event::SttOpened { connection } => {
                self.with_connection(connection, now, |session| session.opened(connection, now));
            }
            Event::SttMessage { connection, text } => {
                self.with_connection(connection, now, |session| session.message(connection, text, now));
            }
            Event::SttOutdated { connection } => self.with_connection(connection, now, Session::ask_anew),
            Event::SttEnded { connection, end } => {
                if end == SttEnd::Refused(BAD_REQUEST) {
                    self.take_language_back(connection, now);
                }
                self.with_connection(connection, now, |session| session.ended(connection, end, now));
                self.connections.remove(&connection);
            }
            Event::Stored(segment) => self.stored(segment),
            Event::TakenOver(speech) => self.take_over(speech, now),
            Event::RoomEnded { late_words, then } => self.end(now, late_words, then),
            Event::Timeout => self.timeout(now),
        }
        self.go_on_with_what_is_late(now);
        self.retire(now);
    }

    /// What is to be done, until nothing is.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Event::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<MediaTime> {
        let deadline = match self.ending {
            Ending::Finals { until, .. } | Ending::Late { until } if !self.tracks.is_empty() => Some(until),
            _ => None,
        };
        self.tracks
            .values()
            .filter_map(Track::poll_timeout)
            .chain(deadline)
            .min()
    }

    /// The longest stretch of any track's speech that the recogniser has not said anything about yet.
    pub fn backlog(&self) -> Duration {
        let backlogs = self.tracks.values().map(Track::backlog);
        backlogs.max().unwrap_or_default()
    }

    /// How long nobody has said anything; zero while somebody speaks, [`Duration::MAX`] where no utterance is under way.
    pub fn quiet_for(&self) -> Duration {
        let quiet = self.tracks.values().map(Track::quiet_for).min();
        quiet.unwrap_or(Duration::MAX)
    }

    fn start_track(
        &mut self,
        key: TrackKey,
        sid: &TrackSid,
        speaker: &ParticipantIdentity,
        clock: TrackClock,
    ) {
        if self.tracks.contains_key(&key) || !matches!(self.ending, Ending::Not) {
            return self
                .outputs
                .push_back(Output::Rejected("a track was started twice, or after the end"));
        }
        if let Some(participant) = self.participants.get(speaker) {
            // Who speaks is spoken of.
            self.connecting.keyterms.expect_name(&participant.name);
        }
        let stt = Arc::clone(self.languages.get(speaker).unwrap_or(&self.stt));
        let mut track = Track::new(key, sid.clone(), speaker.clone(), clock, stt, &self.settings.run);
        if self.journal.is_some() {
            track.live.session.take_notes();
        }
        self.tracks.insert(key, track);
    }

    /// Begins a track for each that another meeting's log has unsettled speech of, as if it had ended in an outage.
    fn take_over(&mut self, speech: &UnsettledSpeech, now: MediaTime) {
        for (key, left) in speech.tracks() {
            let Participant { identity, .. } = &left.speaker;
            self.participants.insert(identity.clone(), left.speaker.clone());
            self.choose_language(identity, left.language.as_deref(), now);
            self.start_track(key, &left.sid, identity, TrackClock::Arrival);
            self.with_track(key, now, |track| {
                track.live.session.take_over(left);
                track.end();
            });
        }
    }

    fn choose_language(&mut self, speaker: &ParticipantIdentity, language: Option<&str>, now: MediaTime) {
        let before = self.languages.get(speaker);
        let language = language.filter(|language| Some(*language) != self.stt.language.as_deref());
        if language == before.and_then(|before| before.language.as_deref()) {
            return;
        }
        let stt = match language {
            Some(language) => {
                let stt = Arc::new(SttSettings {
                    language: Some(language.to_owned()),
                    ..SttSettings::clone(&self.stt)
                });
                self.languages.insert(speaker.clone(), Arc::clone(&stt));
                stt
            }
            None => {
                self.languages.remove(speaker);
                Arc::clone(&self.stt)
            }
        };
        let theirs = self.tracks.iter().filter(|(_, track)| track.speaker == *speaker);
        let keys: Vec<TrackKey> = theirs.map(|(key, _)| *key).collect();
        for key in keys {
            self.with_track(key, now, |track| track.live.session.ask(Arc::clone(&stt)));
        }
    }

    /// The recogniser refuses what it was asked for. If that was what a participant chose, the room's choice is better
    /// than no captions.
    fn take_language_back(&mut self, connection: ConnectionId, now: MediaTime) {
        let track = self
            .connections
            .get(&connection)
            .and_then(|key| self.tracks.get(key));
        let Some(speaker) = track.map(|track| track.speaker.clone()) else {
            return;
        };
        if self.languages.contains_key(&speaker) {
            self.outputs.push_back(Output::Rejected(
                "the recogniser refuses the language that a participant chose",
            ));
            self.choose_language(&speaker, None, now);
        }
    }

    fn audio(&mut self, key: TrackKey, frame: AudioFrame<'_>, now: MediaTime) {
        if frame.channels == 0 || !SAMPLE_RATES_HZ.contains(&frame.sample_rate_hz) {
            return self.outputs.push_back(Output::Rejected(
                "an audio frame has an impossible rate or no channel",
            ));
        }
        let Some(track) = self.tracks.get_mut(&key).filter(|track| !track.has_ended()) else {
            return self
                .outputs
                .push_back(Output::Rejected("audio of a track that is not there"));
        };
        // Most frames are silence and change nothing but the gate.
        if track.audio(frame, &self.settings.gate, now) {
            self.settle(key, now);
        }
    }

    fn with_track(&mut self, key: TrackKey, now: MediaTime, change: impl FnOnce(&mut Track)) {
        match self.tracks.get_mut(&key) {
            Some(track) => change(track),
            None => {
                return self
                    .outputs
                    .push_back(Output::Rejected("an event for a track that is not there"));
            }
        }
        self.settle(key, now);
    }

    fn with_connection(
        &mut self,
        connection: ConnectionId,
        now: MediaTime,
        change: impl FnOnce(&mut Session),
    ) {
        // Connections that were dropped may still be heard of: what they say has been given up.
        if let Some(&key) = self.connections.get(&connection) {
            self.with_track(key, now, |track| {
                if let Some(session) = track.session_of(connection) {
                    change(session);
                }
            });
        }
    }

    /// Lets a track's sessions act, and turns what they want into outputs of the meeting.
    fn settle(&mut self, key: TrackKey, now: MediaTime) {
        let Some(track) = self.tracks.get_mut(&key) else {
            return;
        };
        track.put_aside();
        let behind = track.is_behind().then(|| track.backlog());
        if let Some(journal) = &mut self.journal {
            track.note_speech(journal, |speaker| speaker_of(&self.participants, speaker));
        }
        let Track {
            sid,
            speaker,
            numbers,
            live,
            late,
            is_told_behind,
            last_final,
            ..
        } = track;
        let speaker = || speaker_of(&self.participants, speaker);
        let (mut is_answered, mut settles_any) = (false, false);
        for Recognition {
            session,
            transcript,
            purpose,
        } in late.iter_mut().chain([live])
        {
            if is_answered && *purpose == SttPurpose::Live {
                session.recogniser_works();
            }
            session.pump(now, &mut self.connecting);
            while let Some(output) = session.poll_output() {
                let output = match output {
                    SessionOutput::Open {
                        connection,
                        path_and_query,
                    } => {
                        self.connections.insert(connection, key);
                        Output::OpenStt {
                            connection,
                            track: key,
                            purpose: *purpose,
                            path_and_query,
                        }
                    }
                    SessionOutput::Audio {
                        connection,
                        position,
                        bytes,
                    } => Output::SendAudio {
                        connection,
                        start: time_of(position),
                        bytes,
                    },
                    SessionOutput::Text { connection, text } => Output::SendText { connection, text },
                    SessionOutput::Close { connection } => {
                        self.connections.remove(&connection);
                        Output::CloseStt { connection }
                    }
                    // Of what was said long ago, people are shown nothing that may still change.
                    SessionOutput::Speech(SpeechEvent::Interim(_)) if *purpose == SttPurpose::Late => {
                        continue;
                    }
                    SessionOutput::Speech(event) => {
                        is_answered = true;
                        self.connecting.answered_at = now;
                        if let Some(segment) = transcript.apply(event, &speaker(), numbers) {
                            show(segment, last_final, &mut self.unstored, &mut self.outputs);
                        }
                        continue;
                    }
                    SessionOutput::Gap { from, to, reason } => Output::StoreGap(Gap {
                        track: sid.clone(),
                        speaker: speaker(),
                        start: time_of(from),
                        end: time_of(to),
                        reason,
                    }),
                    // How what is being said fares is what people should know.
                    SessionOutput::Health(_) if *purpose == SttPurpose::Late => continue,
                    SessionOutput::Health(state) => {
                        let behind = behind.filter(|_| state == HealthState::Listening);
                        *is_told_behind = behind.is_some();
                        Output::Health(Health {
                            track: sid.clone(),
                            state: behind.map_or(state, HealthState::Behind),
                        })
                    }
                    SessionOutput::Rejected(reason) => Output::Rejected(reason),
                };
                self.outputs.push_back(output);
            }
            let unstored = last_final.as_ref().and_then(|id| self.unstored.get_mut(id));
            let journal = self.journal.as_mut();
            settles_any |= note_settled(key, session, unstored, journal);
        }
        if let Some(state) = track.news_of_lateness() {
            let track = track.sid.clone();
            self.outputs.push_back(Output::Health(Health { track, state }));
        }
        if settles_any {
            self.void_journal_if_settled();
        }
    }

    /// What is settled when a segment is stored, must not be before.
    fn void_journal_if_settled(&mut self) {
        let is_settled =
            !self.leaves_speech && self.unstored.is_empty() && self.tracks.values().all(Track::is_settled);
        if let Some(journal) = self.journal.as_mut().filter(|_| is_settled) {
            journal.void();
        }
    }

    fn stored(&mut self, segment: &SegmentId) {
        match self.unstored.remove(segment) {
            Some(Unstored { segment, settles }) => {
                if let Some(journal) = &mut self.journal {
                    settles
                        .into_iter()
                        .for_each(|(track, span)| journal.settled(track, span));
                }
                self.void_journal_if_settled();
                self.outputs.push_back(Output::Caption(Caption {
                    segment,
                    kind: CaptionKind::Final,
                }));
            }
            None => self
                .outputs
                .push_back(Output::Rejected("a segment was stored twice, or is not ours")),
        }
    }

    fn end(&mut self, now: MediaTime, late_words: Duration, then: LateSpeech) {
        let latest = now + late_words;
        self.late_speech = match &self.journal {
            Some(journal) if journal.is_whole() => then,
            _ => LateSpeech::GivenUp,
        };
        match &mut self.ending {
            Ending::Not => {
                let until = now + self.settings.last_finals;
                let late = latest.max(until);
                self.ending = Ending::Finals { until, late };
                for key in self.keys() {
                    self.with_track(key, now, Track::end);
                }
            }
            // Whoever waited has no more time.
            Ending::Finals { until, late } => *late = latest.max(*until).min(*late),
            Ending::Late { until } => *until = latest.min(*until),
            Ending::Done => {}
        }
    }

    fn timeout(&mut self, now: MediaTime) {
        for key in self.keys() {
            self.with_track(key, now, |track| track.shut_if_stalled(now));
        }
        if let Ending::Finals { until, late } = self.ending
            && now >= until
        {
            self.ending = Ending::Late { until: late };
        }
        let Ending::Late { until } = self.ending else {
            return;
        };
        for key in self.keys() {
            let is_refused = |track: &Track| track.live.session.is_refused();
            if now >= until || self.tracks.get(&key).is_some_and(is_refused) {
                match self.late_speech {
                    LateSpeech::GivenUp => self.give_up(key, now),
                    LateSpeech::LeftToOthers => self.leave(key, now),
                }
            }
        }
    }

    /// What was not recognised stays in the log, and nothing is made of it here.
    fn leave(&mut self, key: TrackKey, now: MediaTime) {
        self.leaves_speech |= self.tracks.get(&key).is_some_and(|track| !track.is_settled());
        self.with_track(key, now, Track::leave);
        if let Some(track) = self.tracks.get_mut(&key) {
            track.late.clear();
        }
    }

    /// The recogniser had its time: what it last said of an open segment is what we keep.
    fn give_up(&mut self, key: TrackKey, now: MediaTime) {
        let Some(track) = self.tracks.get_mut(&key) else {
            return;
        };
        for segment in track.give_up() {
            show(
                segment,
                &mut track.last_final,
                &mut self.unstored,
                &mut self.outputs,
            );
        }
        self.settle(key, now);
        if let Some(track) = self.tracks.get_mut(&key) {
            track.late.clear();
        }
    }

    /// Forgets who is done with a piece of late speech, and has others begin.
    fn go_on_with_what_is_late(&mut self, now: MediaTime) {
        if !self.tracks.values().any(Track::is_behind) {
            return;
        }
        for key in self.keys() {
            self.forget_done(key, now);
        }
        let mut sessions: usize = self.tracks.values().map(|track| track.late.len()).sum();
        for key in self.keys() {
            while sessions < LATE_SESSIONS_MAX && self.tracks.get_mut(&key).is_some_and(Track::begin_late) {
                sessions += 1;
            }
            self.settle(key, now);
        }
        self.void_journal_if_settled();
    }

    fn forget_done(&mut self, key: TrackKey, now: MediaTime) {
        let Some(track) = self.tracks.get_mut(&key) else {
            return;
        };
        for late in track.late.iter_mut().filter(|late| late.session.is_done()) {
            if let Some(segment) = late.give_up() {
                show(
                    segment,
                    &mut track.last_final,
                    &mut self.unstored,
                    &mut self.outputs,
                );
            }
        }
        self.settle(key, now);
        if let Some(track) = self.tracks.get_mut(&key) {
            track.late.retain(|late| !late.session.is_done());
        }
    }

    /// Forgets tracks that have nothing more to say, and the meeting with the last of them.
    fn retire(&mut self, now: MediaTime) {
        while let Some((&key, _)) = self.tracks.iter().find(|(_, track)| track.is_over()) {
            self.give_up(key, now);
            self.tracks.remove(&key);
            self.void_journal_if_settled();
        }
        let is_ending = matches!(self.ending, Ending::Finals { .. } | Ending::Late { .. });
        if is_ending && self.tracks.is_empty() && self.unstored.is_empty() {
            self.ending = Ending::Done;
            self.outputs.push_back(Output::Transcribed);
        }
    }

    fn keys(&self) -> Vec<TrackKey> {
        self.tracks.keys().copied().collect()
    }
}

/// A final goes to the disk first and is shown as an interim until it is there.
fn show(
    segment: Segment,
    last_final: &mut Option<SegmentId>,
    unstored: &mut HashMap<SegmentId, Unstored>,
    outputs: &mut VecDeque<Output>,
) {
    let withdraws = segment.is_final && segment.text.is_empty();
    let kind = if withdraws {
        CaptionKind::Final
    } else {
        CaptionKind::Interim
    };
    if segment.is_final && !withdraws {
        *last_final = Some(segment.id.clone());
        let waiting = Unstored {
            segment: segment.clone(),
            settles: Vec::new(),
        };
        unstored.insert(segment.id.clone(), waiting);
        outputs.push_back(Output::Store(segment.clone()));
    }
    outputs.push_back(Output::Caption(Caption { segment, kind }));
}

/// Puts into the log what nobody has to recognise any more, or has it wait for the words that were made of it; says
/// whether there was something.
fn note_settled(
    track: TrackKey,
    session: &mut Session,
    mut unstored: Option<&mut Unstored>,
    mut journal: Option<&mut Journal>,
) -> bool {
    let mut any = false;
    for span in session.take_settled() {
        any = true;
        match (&mut unstored, &mut journal) {
            (Some(unstored), _) => unstored.settles.push((track, span)),
            (None, Some(journal)) => journal.settled(track, span),
            (None, None) => {}
        }
    }
    any
}

fn speaker_of(
    participants: &HashMap<ParticipantIdentity, Participant>,
    identity: &ParticipantIdentity,
) -> Participant {
    participants
        .get(identity)
        .cloned()
        .unwrap_or_else(|| Participant {
            identity: identity.clone(),
            name: identity.to_string(),
        })
}

/// HTTP's status for what can't be asked.
const BAD_REQUEST: u16 = 400;
/// Pieces of late speech that a meeting has recognised at once, besides what is being said.
const LATE_SESSIONS_MAX: usize = 8;
const SAMPLE_RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// What a meeting is told.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// Somebody is in the room, or goes by a new name.
    ParticipantSeen(&'a Participant),
    /// A participant speaks this language (BCP 47), whatever the room does; none for the room's. Counts from their next
    /// pause on, and until the recogniser refuses it.
    LanguageChosen {
        /// Who.
        speaker: &'a ParticipantIdentity,
        /// Which.
        language: Option<&'a str>,
    },
    /// A participant's audio will come under this key. The key must be new.
    TrackStarted {
        /// Our number for it.
        track: TrackKey,
        /// LiveKit's id of it.
        sid: &'a TrackSid,
        /// Whose it is.
        speaker: &'a ParticipantIdentity,
        /// What its samples' times follow.
        clock: TrackClock,
    },
    /// The next samples of a track; without gaps, silence included.
    Audio {
        /// The track that was started.
        track: TrackKey,
        /// Any rate, any number of channels.
        frame: AudioFrame<'a>,
    },
    /// No more audio of this track: unpublished, left, or opted out.
    TrackEnded {
        /// The track that was started.
        track: TrackKey,
    },
    /// The recogniser accepted the connection.
    SttOpened {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
    },
    /// A text message came from the recogniser.
    SttMessage {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
        /// The message as it came; anything at all.
        text: &'a str,
    },
    /// A better recogniser is there: connect anew at the next pause in the speech.
    SttOutdated {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
    },
    /// The connection is over, or never came to be. Nothing more may come of it.
    SttEnded {
        /// As in [`Output::OpenStt`].
        connection: ConnectionId,
        /// Why.
        end: SttEnd,
    },
    /// A segment from [`Output::Store`] is safe.
    Stored(&'a SegmentId),
    /// What another meeting's log had left, to be recognised here.
    TakenOver(&'a UnsettledSpeech),
    /// The room is over: let the recogniser finish, then end. May be said again with less time.
    RoomEnded {
        /// How long from now on a recogniser that is away is waited for, so that what it has not heard is not lost.
        late_words: Duration,
        /// What becomes of speech that it has not heard by then.
        then: LateSpeech,
    },
    /// [`Meeting::poll_timeout`] has come.
    Timeout,
}

/// What becomes of speech that nobody recognised in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateSpeech {
    /// A gap in the transcript tells of it.
    GivenUp,
    /// It stays in the log (see [`Meeting::with_journal`]) for whoever comes next.
    LeftToOthers,
}

/// What tells when the samples of a track were said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackClock {
    /// The first frame was said just before it came, and the rest follow it. After half a second without any, the
    /// clock is set anew: a live track gives silence, so that time was lost.
    Arrival,
    /// The first sample was said then; frames come whenever there is room for them, as from a file.
    From(MediaTime),
}

/// How a connection to the recogniser ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SttEnd {
    /// A websocket close frame with this code, or none (1005).
    Closed(u16),
    /// The server answered the upgrade with this HTTP status instead.
    Refused(u16),
    /// The network failed, or nobody answered in time.
    Failed,
}

/// What a connection to the recogniser is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SttPurpose {
    /// What is being said.
    Live,
    /// What was said while the recogniser was away; should never keep the others waiting.
    Late,
}

/// What a meeting wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Connect to the recogniser. Answered by [`Event::SttOpened`] or [`Event::SttEnded`].
    OpenStt {
        /// The connection's number from now on.
        connection: ConnectionId,
        /// Whose audio it will carry.
        track: TrackKey,
        /// What for.
        purpose: SttPurpose,
        /// Path and query to add to the recogniser's base URL: `/v1/listen?…`.
        path_and_query: String,
    },
    /// Send audio: 16 kHz mono, 16-bit little-endian, never empty.
    SendAudio {
        /// An open connection.
        connection: ConnectionId,
        /// When its first sample was said.
        start: MediaTime,
        /// One binary frame.
        bytes: Vec<u8>,
    },
    /// Send a control message.
    SendText {
        /// An open connection.
        connection: ConnectionId,
        /// One text frame.
        text: &'static str,
    },
    /// Drop the connection without further ado; no [`Event::SttEnded`] is waited for.
    CloseStt {
        /// A connection that was asked for.
        connection: ConnectionId,
    },
    /// Store this final segment, then answer with [`Event::Stored`]. It is shown as final only then.
    Store(Segment),
    /// Store that speech is missing here.
    StoreGap(Gap),
    /// Show this to the room.
    Caption(Caption),
    /// Tell the room how recognition fares.
    Health(Health),
    /// Something came in that makes no sense; to be counted and logged, without its content.
    Rejected(&'static str),
    /// After [`Event::RoomEnded`]: every final is stored. The last output.
    Transcribed,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        GapReason, HealthState, ModelImprovement, SttEnd,
        gate::tests::{silence, voice},
    };

    /// A room with one speaker, a worker that may die, a disk that takes 5 ms and a recogniser that says how many milliseconds it heard.
    struct Room {
        meeting: Meeting,
        now: MediaTime,
        recogniser: Recogniser,
        connections: Vec<Stream>,
        /// What was asked for at each attempt to connect.
        asked: Vec<String>,
        stored: Vec<Segment>,
        captions: Vec<Caption>,
        health: Vec<HealthState>,
        gaps: Vec<Gap>,
        sent_ms: u64,
        is_transcribed: bool,
        /// It never answers to an utterance of so many samples.
        deaf_to: Option<u64>,
        /// What the present worker has logged.
        log: Vec<Vec<u8>>,
        /// What those before it left.
        left: Vec<UnsettledSpeech>,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Recogniser {
        Works,
        Refuses(u16),
        /// What it is asked for in this language.
        RefusesLanguage(&'static str),
        /// Takes audio, says nothing.
        Hangs,
        /// Says nothing when asked to finalise.
        IgnoresFinalize,
    }

    struct Stream {
        id: ConnectionId,
        heard: u64,
        reported: u64,
        is_live: bool,
    }

    fn settings() -> Settings {
        let endpointing = Duration::from_millis(300);
        Settings {
            run: "r".to_owned(),
            gate: GateSettings::for_endpointing(endpointing),
            stt: SttSettings {
                model: None,
                language: None,
                endpointing,
                keyterms: Vec::new(),
                model_improvement: ModelImprovement::OptIn,
                catch_up_rate: 1.25,
            },
            glossary: Vec::new(),
            last_finals: Duration::from_secs(4),
        }
    }

    /// The values of a parameter in what a recogniser is asked for.
    fn asked(path_and_query: &str, parameter: &str) -> Vec<String> {
        let (_, query) = path_and_query.split_once('?').expect("a query");
        form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == parameter)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    const TRACK: TrackKey = TrackKey(1);

    impl Room {
        fn new(recogniser: Recogniser) -> Self {
            Self::with(recogniser, settings())
        }

        fn with(recogniser: Recogniser, settings: Settings) -> Self {
            let mut room = Self::empty(recogniser, settings);
            room.ada_comes();
            room
        }

        fn empty(recogniser: Recogniser, settings: Settings) -> Self {
            Self {
                meeting: Meeting::new(settings).with_journal(),
                now: MediaTime::ZERO,
                recogniser,
                connections: Vec::new(),
                asked: Vec::new(),
                stored: Vec::new(),
                captions: Vec::new(),
                health: Vec::new(),
                gaps: Vec::new(),
                sent_ms: 0,
                is_transcribed: false,
                deaf_to: None,
                log: Vec::new(),
                left: Vec::new(),
            }
        }

        fn ada_comes(&mut self) {
            let identity = ParticipantIdentity::parse("ada").expect("a good identity");
            let ada = Participant {
                identity: identity.clone(),
                name: "Ada".to_owned(),
            };
            self.tell(Event::ParticipantSeen(&ada));
            let sid = TrackSid::parse("TR_ada").expect("a good SID");
            self.tell(Event::TrackStarted {
                track: TRACK,
                sid: &sid,
                speaker: &identity,
                clock: TrackClock::Arrival,
            });
        }

        fn tell(&mut self, event: Event<'_>) {
            self.meeting.handle(event, self.now);
            while let Some(output) = self.meeting.poll_output() {
                self.perform(output);
            }
            self.log.push(self.meeting.take_journal());
        }

        /// Another worker goes on in the room; what this one left is read from its log, or from a shortened one.
        fn worker_dies(&mut self, shortened: bool) {
            let mut left = self.unsettled();
            if shortened {
                left = UnsettledSpeech::read([left.write().as_slice()]);
            }
            for segment in &self.stored {
                left.forget(&segment.track, segment.start, segment.end);
            }
            self.left.push(left);
            self.log.clear();
            self.connections.clear();
            let run = format!("r{}_", self.left.len());
            self.meeting = Meeting::new(Settings { run, ..settings() }).with_journal();
            self.ada_comes();
        }

        fn unsettled(&self) -> UnsettledSpeech {
            UnsettledSpeech::read(self.log.iter().map(Vec::as_slice))
        }

        /// Has what was left recognised.
        fn recover(&mut self) {
            for (n, left) in std::mem::take(&mut self.left).into_iter().enumerate() {
                let run = format!("late{n}_");
                let mut successor = Self::empty(Recogniser::Works, Settings { run, ..settings() });
                successor.tell(Event::TakenOver(&left));
                successor.end_room(Duration::from_secs(600));
                successor.wait(Duration::from_secs(300));
                assert!(successor.is_transcribed && successor.gaps.is_empty());
                self.stored.extend(successor.stored);
            }
        }

        fn perform(&mut self, output: Output) {
            assert!(!self.is_transcribed, "nothing comes after the end: {output:?}");
            match output {
                Output::OpenStt {
                    connection,
                    path_and_query,
                    ..
                } => {
                    self.asked.push(path_and_query.clone());
                    self.connect(connection, &path_and_query);
                }
                Output::SendAudio {
                    connection, bytes, ..
                } => {
                    assert!(!bytes.is_empty());
                    self.sent_ms += bytes.len() as u64 / 32;
                    self.stream(connection).heard += bytes.len() as u64 / 2;
                }
                Output::SendText { connection, text } => self.control(connection, text),
                Output::CloseStt { connection } => self.stream(connection).is_live = false,
                Output::Store(segment) => {
                    let id = segment.id.clone();
                    self.stored.push(segment);
                    self.now = self.now + Duration::from_millis(5);
                    self.tell(Event::Stored(&id));
                }
                Output::StoreGap(gap) => self.gaps.push(gap),
                Output::Caption(caption) => self.captions.push(caption),
                Output::Health(health) => self.health.push(health.state),
                Output::Rejected(_) => {}
                Output::Transcribed => self.is_transcribed = true,
            }
        }

        fn connect(&mut self, connection: ConnectionId, path_and_query: &str) {
            let status = match self.recogniser {
                Recogniser::Refuses(status) => Some(status),
                Recogniser::RefusesLanguage(language) => {
                    (asked(path_and_query, "language") == [language]).then_some(400)
                }
                _ => None,
            };
            if let Some(status) = status {
                let end = SttEnd::Refused(status);
                return self.tell(Event::SttEnded { connection, end });
            }
            self.connections.push(Stream {
                id: connection,
                heard: 0,
                reported: 0,
                is_live: true,
            });
            self.tell(Event::SttOpened { connection });
        }

        fn ada_speaks(&mut self, language: Option<&str>) {
            let speaker = ParticipantIdentity::parse("ada").expect("a good identity");
            self.tell(Event::LanguageChosen {
                speaker: &speaker,
                language,
            });
        }

        /// Which language each attempt to connect asked for.
        fn languages(&self) -> Vec<String> {
            let language = |path_and_query: &String| asked(path_and_query, "language").join(",");
            self.asked.iter().map(language).collect()
        }

        fn stream(&mut self, connection: ConnectionId) -> &mut Stream {
            self.connections
                .iter_mut()
                .find(|stream| stream.id == connection && stream.is_live)
                .unwrap_or_else(|| panic!("{connection} is used although it isn't live"))
        }

        fn control(&mut self, connection: ConnectionId, text: &str) {
            let (recogniser, deaf_to) = (self.recogniser, self.deaf_to);
            let stream = self.stream(connection);
            if deaf_to == Some(stream.heard - stream.reported) {
                return;
            }
            match text {
                r#"{"type":"Finalize"}"#
                    if matches!(recogniser, Recogniser::Works | Recogniser::RefusesLanguage(_)) =>
                {
                    let (start, heard) = (stream.reported, stream.heard);
                    stream.reported = heard;
                    self.final_words(connection, start, heard);
                }
                r#"{"type":"CloseStream"}"# if recogniser != Recogniser::Hangs => {
                    let (start, heard) = (stream.reported, stream.heard);
                    stream.is_live = false;
                    if heard > start {
                        self.final_words(connection, start, heard);
                    }
                    self.tell(Event::SttEnded {
                        connection,
                        end: SttEnd::Closed(1000),
                    });
                }
                _ => {}
            }
        }

        fn final_words(&mut self, connection: ConnectionId, from: u64, to: u64) {
            let seconds = |samples: u64| samples as f64 / 16_000.0;
            let text = format!("{} ms.", (to - from) / 16);
            let words = json!([{"word": "x", "start": seconds(from), "end": seconds(to), "confidence": 1.0}]);
            let message = json!({"type": "Results", "is_final": true, "from_finalize": true,
                "start": seconds(from), "duration": seconds(to - from),
                "channel": {"alternatives": [{"transcript": text, "words": words}]}});
            self.tell(Event::SttMessage {
                connection,
                text: &message.to_string(),
            });
        }

        fn interim(&mut self, text: &str) {
            let connection = self.connections.last().expect("a connection").id;
            let message = json!({"type": "Results", "start": 0.0, "duration": 0.5,
                "channel": {"alternatives": [{"transcript": text}]}});
            self.tell(Event::SttMessage {
                connection,
                text: &message.to_string(),
            });
        }

        fn cut(&mut self) {
            for index in 0..self.connections.len() {
                if std::mem::replace(&mut self.connections[index].is_live, false) {
                    let connection = self.connections[index].id;
                    self.tell(Event::SttEnded {
                        connection,
                        end: SttEnd::Failed,
                    });
                }
            }
        }

        /// Plays samples in real time, in 10 ms frames, with timeouts when they are due.
        fn play(&mut self, samples: &[i16]) {
            for samples in samples.chunks(160) {
                self.wait(Duration::from_millis(10));
                let frame = AudioFrame {
                    samples,
                    sample_rate_hz: 16_000,
                    channels: 1,
                };
                self.tell(Event::Audio { track: TRACK, frame });
            }
        }

        /// What waited somewhere on the way comes all at once.
        fn play_at_once(&mut self, samples: &[i16]) {
            for samples in samples.chunks(160) {
                let frame = AudioFrame {
                    samples,
                    sample_rate_hz: 16_000,
                    channels: 1,
                };
                self.tell(Event::Audio { track: TRACK, frame });
            }
        }

        fn wait(&mut self, duration: Duration) {
            let until = self.now + duration;
            while let Some(at) = self.meeting.poll_timeout().filter(|&at| at <= until) {
                assert!(
                    at >= self.now || at.as_millis() == 0,
                    "a timeout that has passed: {at:?} at {:?}",
                    self.now
                );
                self.now = self.now.max(at);
                self.tell(Event::Timeout);
            }
            self.now = self.now.max(until);
        }

        fn end(&mut self) {
            self.end_room(Duration::ZERO);
            self.wait(Duration::from_secs(5));
            assert!(self.is_transcribed, "the meeting must end within its deadline");
        }

        fn end_room(&mut self, late_words: Duration) {
            self.tell(Event::RoomEnded {
                late_words,
                then: LateSpeech::GivenUp,
            });
        }

        /// When what was stored was said, in milliseconds, in the order of the meeting.
        fn stored_stretches(&self) -> Vec<(u64, u64)> {
            let mut stretches: Vec<(u64, u64)> = self
                .stored
                .iter()
                .map(|segment| (segment.start.as_millis(), segment.end.as_millis()))
                .collect();
            stretches.sort_unstable();
            stretches
        }

        /// Where [`speech`] until then is stored nowhere, or twice. Of a pause, a second at most is not sent.
        fn missing_or_doubled(&self, until: u64) -> Option<(u64, u64)> {
            let mut stretches = self.stored_stretches();
            stretches.push((until, until));
            let mut heard_until = 0;
            stretches.into_iter().find(|(start, end)| {
                let is_right = heard_until <= *start && start - heard_until <= 1_000;
                heard_until = *end;
                !is_right
            })
        }

        /// Milliseconds of speech that were stored.
        fn stored_ms(&self) -> u64 {
            self.stored
                .iter()
                .filter_map(|segment| segment.text.split(' ').next()?.parse::<u64>().ok())
                .sum()
        }
    }

    #[test]
    fn speech_becomes_one_final_with_times_of_the_meeting() {
        let mut room = Room::new(Recogniser::Works);
        room.play(
            &[
                silence(3000),
                voice(1000),
                silence(2000),
                voice(500),
                silence(2000),
            ]
            .concat(),
        );
        assert_eq!(room.stored.len(), 2, "{:?}", room.stored);
        let starts: Vec<u64> = room
            .stored
            .iter()
            .map(|segment| segment.start.as_millis())
            .collect();
        assert!(
            starts[0].abs_diff(2700) <= 20 && starts[1].abs_diff(5700) <= 20,
            "{starts:?}"
        );
        assert_ne!(room.stored[0].utterance, room.stored[1].utterance);
        assert_eq!(
            room.connections.len(),
            1,
            "the connection is kept through the pause"
        );
        room.end();
    }

    #[test]
    fn language_that_is_chosen_amid_speech_counts_from_the_next_pause_on() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&[silence(1000), voice(1000)].concat());
        room.ada_speaks(Some("uk"));
        room.play(&[voice(1000), silence(3000), voice(1000), silence(3000)].concat());
        room.ada_speaks(Some("uk"));
        room.play(&[voice(1000), silence(3000)].concat());
        room.ada_speaks(None);
        room.play(&[voice(1000), silence(3000)].concat());
        assert_eq!(room.languages(), ["", "uk", ""]);
        let uk = Some("uk".to_owned());
        let of_segments: Vec<_> = room
            .stored
            .iter()
            .map(|segment| segment.language.clone())
            .collect();
        assert_eq!(of_segments, [None, uk.clone(), uk, None]);
        room.end();
        assert!(room.gaps.is_empty() && room.health.is_empty());
    }

    #[test]
    fn language_that_the_recogniser_refuses_gives_way_to_the_room_s() {
        let mut of_room = settings();
        of_room.stt.language = Some("en".to_owned());
        let mut room = Room::with(Recogniser::RefusesLanguage("tlh"), of_room);
        room.ada_speaks(Some("tlh"));
        room.play(&[voice(1000), silence(3000)].concat());
        assert_eq!(room.languages(), ["tlh", "en"]);
        assert_eq!((room.stored.len(), room.gaps.len(), room.health.len()), (1, 0, 0));
        room.end();
    }

    #[test]
    fn recogniser_that_takes_keyterms_is_told_of_the_room_s() {
        for (model, expected) in [("nova-3", vec!["Fourier", "Ada"]), ("nova-2", vec![])] {
            let mut of_room = settings();
            of_room.stt.model = Some(model.to_owned());
            of_room.glossary = vec!["Fourier".to_owned()];
            let mut room = Room::with(Recogniser::Works, of_room);
            room.play(&[voice(1000), silence(3000)].concat());
            assert_eq!(asked(&room.asked[0], "keyterm"), expected, "{model}");
        }
    }

    #[test]
    fn nothing_is_sent_while_nobody_speaks() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&silence(10_000));
        assert!(room.connections.is_empty());
        room.play(&[voice(1000), silence(5_000)].concat());
        assert!(
            (1000..=2000).contains(&room.sent_ms),
            "{} ms were sent",
            room.sent_ms
        );
        room.end();
    }

    #[test]
    fn final_is_shown_as_final_only_when_stored() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&voice(1000));
        room.interim("four");
        room.play(&silence(2000));
        let shown: Vec<_> = room
            .captions
            .iter()
            .map(|caption| (caption.kind, &caption.segment.text))
            .collect();
        let text = &room.stored[0].text;
        assert_eq!(
            shown[1..],
            [(CaptionKind::Interim, text), (CaptionKind::Final, text)]
        );
        assert_eq!(room.captions[0].segment.id, room.stored[0].id);
        assert_eq!(room.captions[0].segment.speaker.name, "Ada");
    }

    #[test]
    fn dropped_connection_loses_nothing() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&[silence(1000), voice(1000)].concat());
        room.cut();
        room.recogniser = Recogniser::Refuses(503);
        room.play(&[voice(1000), silence(3000), voice(1000)].concat());
        assert_eq!(room.health, [HealthState::Interrupted]);
        room.recogniser = Recogniser::Works;
        room.play(&silence(6000));
        assert_eq!(room.health, [HealthState::Interrupted, HealthState::Listening]);
        let stored = room.stored_ms();
        assert!(
            (3000..=5200).contains(&stored),
            "{stored} ms of 3000 were recognised: {:?}",
            room.stored
        );
        assert!(room.gaps.is_empty());
        room.end();
    }

    #[test]
    fn long_outage_is_bounded_and_marked() {
        let mut room = Room::new(Recogniser::Refuses(401));
        room.play(&voice(130_000));
        assert_eq!(room.health, [HealthState::Refused]);
        room.end();
        assert_eq!(room.gaps.len(), 1);
        assert!(
            room.gaps[0].end.since(room.gaps[0].start) >= Duration::from_secs(129),
            "{:?}",
            room.gaps
        );
    }

    /// So many seconds of speech with a pause of a second after each five.
    fn speech(seconds: usize) -> Vec<i16> {
        [voice(5_000), silence(1_000)].concat().repeat(seconds / 6)
    }

    #[test]
    fn captions_go_on_at_once_after_a_long_outage_and_what_was_said_meanwhile_follows() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&speech(12));
        room.cut();
        room.recogniser = Recogniser::Refuses(503);
        room.play(&speech(120));
        assert_eq!(room.stored.len(), 2);
        room.recogniser = Recogniser::Works;
        let back_at = room.now;
        room.play(&speech(12));
        let behind = |segment: &&Segment| segment.start < back_at;
        let live = room
            .captions
            .iter()
            .filter(|caption| caption.segment.start >= back_at);
        assert!(live.count() >= 1, "what is said now is shown now");
        assert!(
            room.stored.iter().filter(behind).count() < 20,
            "and the rest isn't there yet"
        );
        room.play(&silence(60_000));
        assert_eq!(room.stored.len(), 24, "{:?}", room.stored_stretches());
        for pair in room.stored_stretches().windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        let ids: std::collections::HashSet<_> = room.stored.iter().map(|segment| &segment.id).collect();
        let utterances: std::collections::HashSet<_> =
            room.stored.iter().map(|segment| segment.utterance).collect();
        assert_eq!((ids.len(), utterances.len()), (24, 24));
        let told: Vec<&str> = room.health.iter().map(|health| health.as_str()).collect();
        assert_eq!(told, ["interrupted", "behind", "listening"]);
        let HealthState::Behind(speech) = room.health[1] else {
            unreachable!("just seen")
        };
        assert!(speech > Duration::from_secs(10), "{speech:?} of 40 s");
        room.end();
        assert!(room.gaps.is_empty());
    }

    #[test]
    fn speech_without_a_pause_is_cut_once_and_nowhere_twice() {
        let mut room = Room::new(Recogniser::Refuses(503));
        room.play(&voice(100_000));
        room.recogniser = Recogniser::Works;
        room.play(&voice(10_000));
        room.end_room(Duration::from_secs(60));
        room.wait(Duration::from_secs(60));
        assert!(room.gaps.is_empty(), "{:?}", room.gaps);
        assert!(room.is_transcribed, "{:?}", room.stored_stretches());
        let stretches = room.stored_stretches();
        for pair in stretches.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "{stretches:?}");
        }
        let (first, last) = (stretches[0].0, stretches[stretches.len() - 1].1);
        assert!(first <= 40 && last >= 110_000, "{stretches:?}");
    }

    #[test]
    fn interim_that_an_outage_cuts_is_settled_by_what_comes_late() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&voice(2_000));
        room.interim("four score");
        room.cut();
        room.recogniser = Recogniser::Refuses(503);
        room.play(&[voice(1_000), speech(60)].concat());
        room.recogniser = Recogniser::Works;
        room.play(&[speech(6), silence(60_000)].concat());
        let interim = &room.captions[0].segment;
        let settled = room.stored.iter().find(|segment| segment.id == interim.id);
        assert!(
            settled.is_some_and(|settled| settled.start <= interim.end),
            "{:?}",
            room.stored
        );
        room.end();
        assert!(room.gaps.is_empty());
    }

    #[test]
    fn room_that_ends_in_an_outage_is_recognised_when_the_recogniser_is_back() {
        for speech in [speech(60), voice(2_000)] {
            let mut room = Room::new(Recogniser::Refuses(503));
            room.play(&speech);
            room.end_room(Duration::from_secs(600));
            room.wait(Duration::from_secs(120));
            assert!(!room.is_transcribed && room.stored.is_empty());
            room.recogniser = Recogniser::Works;
            room.wait(Duration::from_secs(60));
            assert!(room.is_transcribed && room.gaps.is_empty());
            let spoken = speech.len() as u64 / 16 * 5 / 6;
            assert!(room.stored_ms() >= spoken, "{} ms of {spoken}", room.stored_ms());
        }
    }

    #[test]
    fn waiting_for_a_recogniser_after_the_end_is_bounded_and_can_be_cut_short() {
        for cut_short in [false, true] {
            let mut room = Room::new(Recogniser::Refuses(503));
            room.play(&speech(60));
            room.end_room(Duration::from_secs(600));
            room.wait(Duration::from_secs(10));
            if cut_short {
                room.end_room(Duration::ZERO);
                room.wait(Duration::from_millis(10));
            } else {
                room.wait(Duration::from_secs(589));
                assert!(!room.is_transcribed);
                room.wait(Duration::from_secs(1));
            }
            assert!(room.is_transcribed);
            let missing: Duration = room.gaps.iter().map(|gap| gap.end.since(gap.start)).sum();
            assert!(missing >= Duration::from_secs(50), "{:?}", room.gaps);
        }
    }

    #[test]
    fn recogniser_that_hangs_for_minutes_loses_nothing() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&speech(6));
        room.recogniser = Recogniser::Hangs;
        room.play(&speech(180));
        assert_eq!(room.stored.len(), 1);
        room.recogniser = Recogniser::Works;
        room.play(&[speech(24), silence(90_000)].concat());
        let stretches = room.stored_stretches();
        for pair in stretches.windows(2) {
            assert!(
                pair[1].0.saturating_sub(pair[0].1) <= 220,
                "{pair:?} have speech between them"
            );
            assert!(pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        assert!(stretches[stretches.len() - 1].1 >= 209_000, "{stretches:?}");
        room.end();
        assert!(room.gaps.is_empty());
    }

    #[test]
    fn what_no_recogniser_answers_is_given_up_for_what_follows_it() {
        let mut room = Room::new(Recogniser::Hangs);
        room.play(&[voice(2_000), silence(90_000)].concat());
        room.recogniser = Recogniser::Works;
        room.deaf_to = Some(room.connections[0].heard);
        room.play(&[speech(60), silence(30_000)].concat());
        assert_eq!(room.stored.len(), 10, "{:?}", room.stored_stretches());
        assert_eq!(room.gaps.len(), 1);
        assert_eq!(room.gaps[0].reason, GapReason::RecogniserSilent);
        room.end();
    }

    #[test]
    fn speech_that_is_refused_until_the_end_is_marked_so() {
        let mut room = Room::new(Recogniser::Refuses(402));
        room.play(&voice(2_000));
        room.end();
        assert_eq!(room.gaps.len(), 1);
        assert_eq!(room.gaps[0].reason, GapReason::RecogniserRefused);
    }

    #[test]
    fn room_end_waits_for_last_finals_and_keeps_the_last_interim() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&voice(1000));
        room.end();
        assert_eq!(room.stored.len(), 1, "speech under way when the room closed");

        let mut room = Room::new(Recogniser::Hangs);
        room.play(&voice(1000));
        room.interim("the last words");
        room.end();
        assert_eq!(room.stored[0].text, "the last words");
    }

    #[test]
    fn recogniser_without_finalize_still_gives_everything_at_the_end() {
        let mut room = Room::new(Recogniser::IgnoresFinalize);
        room.play(&[voice(1000), silence(1000), voice(1000)].concat());
        room.end();
        assert!(room.stored_ms() >= 2000, "{:?}", room.stored);
    }

    #[test]
    fn hung_recogniser_is_asked_again() {
        let mut room = Room::new(Recogniser::Hangs);
        room.play(&[voice(1000), silence(15_000)].concat());
        room.recogniser = Recogniser::Works;
        room.play(&silence(10_000));
        assert!(room.stored_ms() >= 1000, "{:?}", room.stored);
        room.end();
    }

    #[test]
    fn idle_connection_is_closed_and_reopened_with_pre_roll() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&[voice(1000), silence(65_000)].concat());
        assert!(room.connections.iter().all(|stream| !stream.is_live));
        room.play(&[voice(1000), silence(2_000)].concat());
        assert_eq!(room.stored.len(), 2);
        assert!(
            room.stored[1].start.as_millis().abs_diff(65_700) <= 120,
            "{:?}",
            room.stored[1].start
        );
        room.end();
    }

    #[test]
    fn track_that_stalls_ends_its_utterance() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&voice(1000));
        room.wait(Duration::from_secs(3));
        assert_eq!(room.stored.len(), 1);
        room.play(&[silence(500), voice(500), silence(1000)].concat());
        assert!(
            room.stored[1].start.as_millis().abs_diff(4200) <= 60,
            "{:?}",
            room.stored[1].start
        );
        room.end();
    }

    #[test]
    fn what_a_worker_leaves_to_others_is_no_gap_and_theirs_to_recognise() {
        let mut room = Room::new(Recogniser::Works);
        room.play(&speech(12));
        room.recogniser = Recogniser::Refuses(503);
        room.cut();
        room.play(&speech(36));
        room.tell(Event::RoomEnded {
            late_words: Duration::ZERO,
            then: LateSpeech::LeftToOthers,
        });
        room.wait(Duration::from_secs(5));
        assert!(room.is_transcribed && room.meeting.leaves_speech());
        assert_eq!(room.gaps, []);
        room.worker_dies(false);
        room.recover();
        assert_eq!(
            room.missing_or_doubled(48_000),
            None,
            "{:?}",
            room.stored_stretches()
        );
    }

    #[test]
    fn nothing_stays_in_the_log_of_what_is_stored() {
        let mut room = Room::new(Recogniser::Works);
        for _ in 0..3 {
            room.play(&[voice(2000), silence(2000)].concat());
            assert!(room.unsettled().is_empty() && !room.meeting.leaves_speech());
            let last = room.log.iter().rfind(|batch| !batch.is_empty());
            assert!(last.is_some_and(|batch| crate::after_void(batch) == Some(&[])));
        }
        room.end();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn whatever_befalls_the_recogniser_all_is_heard_once(
            faults in prop::collection::vec((0usize..3, any::<bool>(), 1usize..6), 1..5),
            ends_in_a_fault in any::<bool>(),
        ) {
            let mut room = Room::new(Recogniser::Works);
            let mut seconds = 0;
            for (kind, is_cut, sixes) in faults {
                if is_cut {
                    room.cut();
                }
                room.recogniser = [Recogniser::Works, Recogniser::Hangs, Recogniser::Refuses(503)][kind];
                room.play(&speech(sixes * 6));
                seconds += sixes * 6;
            }
            if ends_in_a_fault {
                room.end_room(Duration::from_secs(600));
                room.wait(Duration::from_secs(30));
                room.recogniser = Recogniser::Works;
            } else {
                room.recogniser = Recogniser::Works;
                room.play(&speech(12));
                seconds += 12;
                room.end_room(Duration::from_secs(600));
            }
            room.wait(Duration::from_secs(120));
            prop_assert!(room.is_transcribed);
            prop_assert_eq!(&room.gaps, &[]);
            prop_assert_eq!(room.missing_or_doubled(seconds as u64 * 1000), None, "{:?}", room.stored_stretches());
        }

        #[test]
        fn any_bytes_from_a_recogniser_do_no_harm(
            messages in prop::collection::vec(any_message(), 1..30),
            ends in prop::collection::vec(any::<u16>(), 0..4),
        ) {
            let mut room = Room::new(Recogniser::Hangs);
            room.play(&voice(300));
            for message in &messages {
                let connection = room.connections.last().expect("speech opened one").id;
                room.tell(Event::SttMessage { connection, text: message });
                room.play(&voice(40));
            }
            for code in ends {
                let connection = room.connections.last().expect("speech opened one").id;
                room.stream(connection).is_live = false;
                room.tell(Event::SttEnded { connection, end: SttEnd::Closed(code) });
                room.play(&silence(400));
                if !room.connections.iter().any(|stream| stream.is_live) { break }
            }
            room.end();
            let mut last = MediaTime::ZERO;
            for segment in &room.stored {
                prop_assert!(segment.start >= last && segment.end >= segment.start);
                last = segment.end;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn whoever_dies_all_that_was_heard_is_recognised_once(
            faults in prop::collection::vec((0usize..3, 1usize..24, any::<bool>()), 1..5),
            ends in any::<bool>(),
        ) {
            let mut room = Room::new(Recogniser::Works);
            let mut heard = Vec::new();
            let mut ms = 0;
            for (kind, tenths, shortened) in faults {
                room.recogniser = [Recogniser::Works, Recogniser::Hangs, Recogniser::Refuses(503)][kind];
                room.play(&speech(60)[..tenths * 16_000]);
                ms += tenths as u64 * 1000;
                heard.push(ms);
                room.worker_dies(shortened);
            }
            room.recogniser = Recogniser::Refuses(503);
            room.play(&speech(24));
            ms += 24_000;
            if ends {
                room.worker_dies(false);
            } else {
                room.recogniser = Recogniser::Works;
                room.end_room(Duration::from_secs(600));
                room.wait(Duration::from_secs(120));
                prop_assert!(room.is_transcribed);
                prop_assert!(!room.meeting.leaves_speech() && room.unsettled().is_empty());
            }
            room.recover();
            prop_assert_eq!(&room.gaps, &[]);
            prop_assert_eq!(room.missing_or_doubled(ms), None, "{:?} {:?}", heard, room.stored_stretches());
        }
    }

    fn any_message() -> impl Strategy<Value = String> {
        let results = (any::<f64>(), any::<f64>(), any::<[bool; 3]>(), "\\PC{0,20}").prop_map(
            |(start, duration, [is_final, speech_final, from_finalize], text)| {
                json!({"type": "Results", "start": start, "duration": duration, "is_final": is_final,
                    "speech_final": speech_final, "from_finalize": from_finalize,
                    "channel": {"alternatives": [{"transcript": text,
                        "words": [{"word": text, "start": duration, "end": start, "confidence": 7}]}]}})
                .to_string()
            },
        );
        prop_oneof![
            results,
            "\\PC{0,40}",
            Just(r#"{"type":"UtteranceEnd"}"#.to_owned())
        ]
    }

    #[test]
    fn what_comes_at_once_while_the_recogniser_is_away_is_recognised_when_it_is_back() {
        let recognised = |play_late: fn(&mut Room, &[i16])| {
            let mut room = Room::new(Recogniser::Works);
            let burst = || [voice(200), silence(1_800)].concat();
            room.play(&burst());
            room.recogniser = Recogniser::Refuses(503);
            room.play(&burst());
            // A server stands still: silence, and then what was said meanwhile on top of it.
            room.play(&silence(3_000));
            play_late(&mut room, &[silence(1_000), voice(200), silence(1_800)].concat());
            room.play(&[silence(300), voice(200), silence(200)].concat());
            room.recogniser = Recogniser::Works;
            room.play(&burst());
            room.play(&burst());
            room.end();
            assert!(room.gaps.is_empty());
            room.stored_ms()
        };
        assert_eq!(recognised(Room::play_at_once), recognised(Room::play));
    }
}
