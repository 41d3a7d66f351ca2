//! The live driver: feeds a [`Meeting`] from a LiveKit room and a recogniser, and does what it wants done.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use lectern_pipelines::{
    Caption, ConnectionId, Event as CoreEvent, GateSettings, Health, HealthState, LateSpeech, MediaTime,
    Meeting, MeetingId, Output, ParticipantIdentity, RoomName, RoomSid, SegmentId, Settings, Stage, SttEnd,
    SttSettings, TrackClock, TrackSid, UnixMillis,
};
use lectern_storage::{MeetingWriter, NotTaken, OpenedMeeting, Receipt, Record, RoomWishes};

use crate::{
    Context, Error, Stt,
    backoff::insist,
    chat,
    cover::unix_now,
    handover,
    history::history,
    journal::JournalFile,
    room::{Departure, Room, RoomEvent, RoomSettings},
    rooms::Orders,
    stt::{SttEvent, SttNews, SttSocket},
};

/// A room to be captioned.
#[derive(Debug)]
pub(crate) struct RoomJob {
    /// Where LiveKit is.
    pub(crate) url: String,
    /// What lets us in.
    pub(crate) token: SecretString,
    /// The room.
    pub(crate) room: RoomName,
    /// On what terms we enter it.
    pub(crate) entrance: Entrance,
}

/// On what terms a room is entered.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// Its meeting is ours.
    Granted {
        /// Its meeting.
        meeting: MeetingId,
        /// What the room's owner wants.
        wishes: RoomWishes,
        /// For how long nobody listened, where others had it before us.
        unheard: Option<Duration>,
    },
    /// Another worker is there, and hands the meeting over to us once we hear the room too.
    Accepted {
        /// Its meeting.
        meeting: MeetingId,
        /// What the room's owner wants.
        wishes: RoomWishes,
    },
    /// The database is away. We listen meanwhile, and claim the meeting before anything is shown.
    Postponed,
}

/// How the work on a room ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoomEnd {
    /// The room is over, and all that was said in it is stored.
    Ended,
    /// We are not in the room any more, for this reason; it may go on.
    Interrupted(String),
    /// We were told to stop; the meeting goes on without us.
    HandedBack,
    /// Another worker has the room.
    Taken,
}

/// Captions a room until it is over, the connection is lost for good, or we are told to leave it.
pub(crate) async fn run(job: RoomJob, context: Arc<Context>, orders: Orders) -> Result<RoomEnd, Error> {
    let begun = Instant::now();
    let Some(entered) = orders.stop.run_until_cancelled(enter(job, &context)).await else {
        return Ok(RoomEnd::HandedBack);
    };
    let Entered {
        name,
        room,
        meeting,
        waited,
        unheard,
    } = entered?;
    let Some((meeting, wishes)) = meeting else {
        room.close().await;
        return Ok(RoomEnd::Taken);
    };
    context.held.insert(meeting.id.clone(), name.clone());
    // A wider number would be text in JSON.
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(
        room.name = %name, room.sid = %room.sid(), meeting.id = %meeting.id, meeting.origin = ?meeting.origin, duration_ms,
        "listening in room {name} after {duration_ms} ms"
    );
    let mut driver = Driver::new(name, room, &meeting, wishes, context);
    driver.first_health = unheard.map(|unheard| match unheard >= WORTH_TELLING {
        true => HealthState::Resumed(unheard + begun.elapsed()),
        false => HealthState::Listening,
    });
    driver.catch_up(waited);
    Ok(driver.run(&orders).await)
}

/// By then whoever started us extends the lease together with those of all other rooms.
const LEASE_WHILE_OPENING: Duration = Duration::from_secs(3);
/// Nobody else may touch a meeting that is over before its last words are stored.
const LEASE_WHILE_ENDING: Duration = Duration::from_secs(60);
/// Who comes while the database is away sees what is said from then on.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(10);
/// An interruption so short is none: whoever speaks has no more than a pause in it.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// A track that is heard so soon after we came was there before us.
const WAS_THERE_BEFORE: Duration = Duration::from_secs(3);
/// How long after the room's end last finals are waited for.
const LAST_FINALS: Duration = Duration::from_secs(4);
/// How long after the room's end a recogniser is waited for that is away. Then a gap says what it did not hear.
pub(crate) const LATE_WORDS: Duration = Duration::from_secs(600);
/// How long a meeting that is handed back may take, whatever the recogniser and the database do.
const HAND_BACK_TIMEOUT: Duration = Duration::from_secs(15);
/// Messages of all of a room's recogniser connections that wait for us; beyond it TCP holds them back.
pub(crate) const NEWS_MAX: usize = 256;
/// What is heard is put on disk so often: so much of it dies with a worker at most.
const JOURNAL_INTERVAL: Duration = Duration::from_millis(200);
/// How soon records are handed in again that the writer had no room for.
const WRITE_RETRY: Duration = Duration::from_millis(100);
/// Bytes of 16-bit samples at 16 kHz.
const BYTES_PER_MS: usize = 32;

struct Entered {
    name: RoomName,
    room: Room,
    /// With what the room's owner wants; nothing where another worker has it.
    meeting: Option<(OpenedMeeting, RoomWishes)>,
    /// What happened in the room until then.
    waited: Vec<(Instant, RoomEvent)>,
    /// For how long before that nobody listened, where others had the room before us.
    unheard: Option<Duration>,
}

async fn enter(job: RoomJob, context: &Context) -> Result<Entered, Error> {
    let settings = RoomSettings {
        visibility: context.config.visibility,
        network_paths: context.config.network_paths,
        screen_share_audio: context.config.screen_share_audio,
        caption_forms: context.config.caption_forms,
    };
    let name = job.room;
    let (accepted, wishes, unheard) = match job.entrance {
        Entrance::Granted { wishes, unheard, .. } => (None, Some(wishes), unheard),
        Entrance::Accepted { meeting, wishes } => (Some(meeting), Some(wishes), Some(Duration::ZERO)),
        // Who had the room before us is not known.
        Entrance::Postponed => (None, None, None),
    };
    let mut room = Room::join(&job.url, &job.token, settings)
        .await
        .map_err(|error| Error::Join {
            room: name.clone(),
            reason: error.0,
        })?;
    let (sid, joined_at) = (room.sid().clone(), unix_now());
    let mut waited = match &accepted {
        Some(_) => room.attend_to_all().await,
        None => Vec::new(),
    };
    let opening = async {
        let cut = match &accepted {
            Some(meeting) => Some(handover::inherit(context, meeting).await?),
            None => None,
        };
        let wishes = match wishes {
            Some(wishes) => wishes,
            // The database was away when we came.
            None => {
                insist("see what a room's owner wants", || {
                    context.database.room_wishes(&name)
                })
                .await
            }
        };
        if !wishes.captions {
            return None;
        }
        let meeting = insist("open a meeting", || {
            context.database.open_meeting(&name, &sid, joined_at)
        })
        .await;
        let is_ours = insist("claim a meeting", || {
            claim(context, &meeting.id, LEASE_WHILE_OPENING)
        })
        .await;
        is_ours.then_some((meeting, wishes, cut))
    };
    let (opened, meanwhile) = room.attend(opening).await;
    waited.extend(meanwhile);
    if let Some((.., Some(cut))) = opened {
        let cut = instant_of(cut);
        waited.retain(|(at, event)| *at >= cut || !matches!(event, RoomEvent::Audio { .. }));
    }
    Ok(Entered {
        name,
        room,
        meeting: opened.map(|(meeting, wishes, _)| (meeting, wishes)),
        waited,
        unheard,
    })
}

/// One room's live loop and all that it holds.
struct Driver {
    context: Arc<Context>,
    name: RoomName,
    room: Room,
    meeting_id: MeetingId,
    meeting: Meeting,
    clock: Clock,
    /// While we catch up: when that happened.
    past: Option<Instant>,
    /// Fires at `due`, the core's next timeout.
    deadline: Pin<Box<Sleep>>,
    due: Option<MediaTime>,
    sockets: HashMap<ConnectionId, SttSocket>,
    /// Connections that took nothing for too long; the core is told when it has said all it wants.
    stuck: Vec<ConnectionId>,
    news_sender: mpsc::Sender<SttNews>,
    news: mpsc::Receiver<SttNews>,
    writer: MeetingWriter,
    receipts: mpsc::UnboundedReceiver<Receipt>,
    /// Records that the writer had no room for, in order. The database is away; nothing is dropped.
    unwritten: VecDeque<Record>,
    write_retry: Interval,
    /// Where what is heard is kept until it is recognised.
    journal: Option<JournalFile>,
    /// When it was last given something.
    journal_at: Instant,
    /// When the recogniser said what is being handled, and what waits to be stored.
    heard_now: Option<Instant>,
    heard: HashMap<SegmentId, Instant>,
    /// Finds out whose meeting the room's new SID is.
    reopening: Option<JoinHandle<OpenedMeeting>>,
    /// Since when another worker hears the room, which we shall leave at a pause.
    heard_too: Option<Instant>,
    /// Tells whoever follows us from when on the room is theirs.
    handing_over: Option<JoinHandle<()>>,
    /// Why we stop listening by ourselves, once we do.
    leaving: Option<RoomEnd>,
    ending: Option<Ending>,
    is_transcribed: bool,
    /// What is told of the tracks that others listened to before us: what they told counts no longer.
    first_health: Option<HealthState>,
    /// Shares what people write, where they do.
    chat: Option<JoinHandle<()>>,
    metrics: Metrics,
}

struct Ending {
    end: RoomEnd,
    give_up_at: Option<tokio::time::Instant>,
    /// Nothing is waited for that may take longer.
    is_hurried: bool,
    /// Brings the meeting to [`Stage::Ended`], if it is over.
    advancing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Event {
    Room(RoomEvent),
    Stt(SttNews),
    Receipt(Receipt),
    Reopened(OpenedMeeting),
    Deadline,
    WriteAgain,
    HandOver,
    Shutdown,
    GiveUp,
}

impl Driver {
    fn new(
        name: RoomName,
        mut room: Room,
        opened: &OpenedMeeting,
        wishes: RoomWishes,
        context: Arc<Context>,
    ) -> Self {
        let chat = room
            .take_chat()
            .filter(|_| wishes.chat)
            .and_then(|wire| chat::share(&context, &name, opened.started_at, wire));
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        let (writer, receipts) = context.writer.meeting(opened.id.clone());
        let mut write_retry = interval(WRITE_RETRY);
        write_retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let journal = context
            .journals
            .as_ref()
            .map(|journals| journals.open(&opened.id));
        let meeting = Meeting::new(settings_of(&context.config.stt, wishes));
        Self {
            meeting: match journal {
                Some(_) => meeting.with_journal(),
                None => meeting,
            },
            context,
            name,
            room,
            meeting_id: opened.id.clone(),
            clock: Clock::new(opened.started_at),
            past: None,
            deadline: Box::pin(sleep_until(tokio::time::Instant::now())),
            due: None,
            sockets: HashMap::new(),
            stuck: Vec::new(),
            news_sender,
            news,
            writer,
            receipts,
            unwritten: VecDeque::new(),
            write_retry,
            journal,
            journal_at: Instant::now(),
            heard_now: None,
            heard: HashMap::new(),
            reopening: None,
            heard_too: None,
            handing_over: None,
            leaving: None,
            ending: None,
            is_transcribed: false,
            first_health: None,
            chat,
            metrics: Metrics::new(),
        }
    }

    /// Takes what happened before the meeting was ours, as of when it happened.
    fn catch_up(&mut self, waited: Vec<(Instant, RoomEvent)>) {
        for (at, event) in waited {
            // If the room is over, the recogniser still gets its time for the last words.
            self.past = (!matches!(event, RoomEvent::Left(_))).then_some(at);
            self.handle_room(event);
        }
        self.past = None;
    }

    async fn run(mut self, orders: &Orders) -> RoomEnd {
        while !self.is_finished() {
            let event = self.next_event(orders).await;
            self.handle(event);
            self.hand_over_at_a_pause();
        }
        self.finish(&orders.stop).await
    }

    fn is_finished(&self) -> bool {
        self.ending.is_some() && self.is_transcribed && self.unwritten.is_empty()
    }

    /// The live loop's one place of waiting; every arm only builds an event.
    async fn next_event(&mut self, orders: &Orders) -> Event {
        let Self {
            room,
            news,
            receipts,
            deadline,
            due,
            unwritten,
            write_retry,
            reopening,
            heard_too,
            leaving,
            ending,
            ..
        } = self;
        let may_hurry = match ending {
            None => leaving.is_none(),
            Some(ending) => !ending.is_hurried,
        };
        let give_up_at = ending.as_ref().and_then(|ending| ending.give_up_at);
        tokio::select! {
            biased;
            () = orders.hand_over.cancelled(), if heard_too.is_none() => Event::HandOver,
            () = orders.stop.cancelled(), if may_hurry => Event::Shutdown,
            Some(receipt) = receipts.recv() => Event::Receipt(receipt),
            // Before the deadline: what came in time counts even if we are late.
            Some(news) = news.recv() => Event::Stt(news),
            () = deadline.as_mut(), if due.is_some() => Event::Deadline,
            () = sleep_until(give_up_at.unwrap_or_else(tokio::time::Instant::now)), if give_up_at.is_some() => Event::GiveUp,
            _ = write_retry.tick(), if !unwritten.is_empty() => Event::WriteAgain,
            Some(opened) = finished(reopening) => Event::Reopened(opened),
            event = room.next_event() => Event::Room(event),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Room(event) => self.handle_room(event),
            Event::Stt(SttNews { connection, event }) => self.handle_stt(connection, event),
            Event::Receipt(receipt) => self.handle_receipt(receipt),
            Event::Reopened(opened) => self.handle_reopened(&opened),
            Event::Deadline => {
                self.due = None;
                self.feed(CoreEvent::Timeout);
            }
            Event::WriteAgain => self.write_again(),
            Event::HandOver => {
                info!(room.name = %self.name, "another worker hears room {}; leaving it at the next pause", self.name);
                self.heard_too = Some(Instant::now());
            }
            Event::Shutdown => self.shut_down(),
            Event::GiveUp => self.give_up(),
        }
    }

    fn handle_room(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Audio { track, samples } => {
                self.metrics.audio_received_ms.increment(samples.micros() / 1000);
                self.feed(CoreEvent::Audio {
                    track,
                    frame: samples.frame(),
                });
            }
            RoomEvent::Participant(participant) => {
                self.store(Record::Participant(participant.clone()));
                self.feed(CoreEvent::ParticipantSeen(&participant));
            }
            RoomEvent::Arrived(identity) => self.welcome(identity),
            RoomEvent::Language { speaker, language } => self.feed(CoreEvent::LanguageChosen {
                speaker: &speaker,
                language: language.as_deref(),
            }),
            RoomEvent::TrackStarted { track, sid, speaker } => {
                self.tell_first_health(&sid);
                self.feed(CoreEvent::TrackStarted {
                    track,
                    sid: &sid,
                    speaker: &speaker,
                    clock: TrackClock::Arrival,
                });
            }
            RoomEvent::TrackEnded { track } => self.feed(CoreEvent::TrackEnded { track }),
            RoomEvent::Encrypted(track) => {
                warn!(track.sid = %track, "track {track} is encrypted and can't be captioned");
                self.room.captions().tell(Health {
                    track,
                    state: HealthState::Encrypted,
                });
            }
            RoomEvent::NewSid(sid) => self.reopen(sid),
            RoomEvent::Reconnecting => {
                warn!(room.name = %self.name, "the connection to room {} is lost; reconnecting", self.name)
            }
            RoomEvent::Reconnected => {
                metrics::counter!("lectern_room_reconnects_total").increment(1);
                info!(room.name = %self.name, "the connection to room {} is back", self.name);
            }
            RoomEvent::Left(Departure::RoomOver) => self.end(RoomEnd::Ended),
            RoomEvent::Left(Departure::Interrupted(reason)) => {
                self.end(RoomEnd::Interrupted(reason.to_owned()))
            }
            RoomEvent::Left(Departure::OnRequest) => {
                let end = self.leaving.take().unwrap_or(RoomEnd::HandedBack);
                self.end(end);
            }
        }
    }

    /// Sends somebody what was said before they came, if the database gives it soon.
    fn welcome(&self, identity: ParticipantIdentity) {
        if !self.context.config.caption_forms.data_packets {
            return;
        }
        let (context, room, meeting) = (
            Arc::clone(&self.context),
            self.name.clone(),
            self.meeting_id.clone(),
        );
        let captions = self.room.captions().clone();
        tokio::spawn(async move {
            let history = timeout(HISTORY_TIMEOUT, history(&context.database, &room, &meeting)).await;
            match history {
                Ok(Ok(history)) => captions.welcome(identity, history),
                Ok(Err(error)) => debug!(%error, "who comes now is not told what was said before"),
                Err(_) => debug!("who comes now is not told what was said before: the database is slow"),
            }
        });
    }

    fn tell_first_health(&mut self, track: &TrackSid) {
        let was_there = self.clock.base.elapsed() < WAS_THERE_BEFORE;
        let state = self.first_health.filter(|_| was_there);
        self.room.captions().tell(Health {
            track: track.clone(),
            state: state.unwrap_or(HealthState::Started),
        });
    }

    fn handle_stt(&mut self, connection: ConnectionId, event: SttEvent) {
        match event {
            SttEvent::Opened => self.feed(CoreEvent::SttOpened { connection }),
            SttEvent::Message(message) => {
                self.heard_now = Some(message.received);
                self.feed(CoreEvent::SttMessage {
                    connection,
                    text: message.as_str(),
                });
                self.heard_now = None;
            }
            SttEvent::Outdated => self.feed(CoreEvent::SttOutdated { connection }),
            SttEvent::Ended(end) => {
                self.sockets.remove(&connection);
                self.feed(CoreEvent::SttEnded { connection, end });
            }
        }
    }

    fn handle_receipt(&mut self, receipt: Receipt) {
        let segment = match receipt {
            Receipt::Stored(segment) => {
                self.metrics.segments_stored.increment(1);
                segment
            }
            Receipt::Refused(segment) => {
                error!(meeting.id = %self.meeting_id, "meeting {} was erased: its words are kept nowhere", self.meeting_id);
                segment
            }
        };
        self.feed(CoreEvent::Stored(&segment));
    }

    fn handle_reopened(&mut self, opened: &OpenedMeeting) {
        if opened.id != self.meeting_id {
            // What is said from now on belongs to another meeting, with another clock.
            self.leave(RoomEnd::Interrupted(
                "the room has begun another meeting".to_owned(),
            ));
        }
    }

    /// Tells the core, and does what it wants.
    fn feed(&mut self, event: CoreEvent<'_>) {
        let is_audio = matches!(event, CoreEvent::Audio { .. });
        self.meeting.handle(event, self.now());
        self.drain();
        while let Some(connection) = self.stuck.pop() {
            warn!(
                stt.connection = connection.0,
                "stt connection {connection} took no audio for too long: given up"
            );
            self.meeting.handle(
                CoreEvent::SttEnded {
                    connection,
                    end: SttEnd::Failed,
                },
                self.now(),
            );
            self.drain();
        }
        // Of audio there is some more every few milliseconds.
        if !is_audio || self.journal_at.elapsed() >= JOURNAL_INTERVAL {
            self.log_speech();
        }
        self.schedule();
    }

    /// Keeps what was heard, and says of which speech nobody needs it any more.
    fn log_speech(&mut self) {
        let Some(journal) = &self.journal else { return };
        self.journal_at = Instant::now();
        while self.meeting.journal_waiting() > 0 {
            if journal.try_append(self.meeting.take_journal()).is_err() {
                metrics::counter!("lectern_speech_logs_lost_total").increment(1);
                self.meeting.lose_journal();
            }
        }
    }

    fn now(&self) -> MediaTime {
        self.clock.at(self.past.unwrap_or_else(Instant::now))
    }

    fn drain(&mut self) {
        while let Some(output) = self.meeting.poll_output() {
            self.perform(output);
        }
    }

    /// Never waits: everything goes into a bounded queue or a task of its own.
    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenStt {
                connection,
                purpose,
                path_and_query,
                ..
            } => {
                metrics::counter!("lectern_stt_connections_total").increment(1);
                let socket = self.context.recogniser.open(
                    connection,
                    purpose,
                    &path_and_query,
                    self.news_sender.clone(),
                );
                self.sockets.insert(connection, socket);
            }
            Output::SendAudio {
                connection, bytes, ..
            } => {
                let sent_ms = bytes.len() / BYTES_PER_MS;
                self.metrics.audio_sent_ms.increment(sent_ms as u64);
                self.send(connection, |socket| socket.send_audio(bytes));
            }
            Output::SendText { connection, text } => self.send(connection, |socket| socket.send_text(text)),
            Output::CloseStt { connection } => {
                self.sockets.remove(&connection);
            }
            Output::Store(segment) => {
                if let Some(heard) = self.heard_now {
                    self.heard.insert(segment.id.clone(), heard);
                }
                self.store(Record::Segment(segment));
            }
            Output::StoreGap(gap) => self.store(Record::Gap(gap)),
            Output::Caption(caption) => self.show(caption),
            Output::Health(health) => self.room.captions().tell(health),
            Output::Rejected(reason) => {
                metrics::counter!("lectern_rejected_total").increment(1);
                debug!(reason, "rejected: {reason}");
            }
            Output::Transcribed => self.is_transcribed = true,
        }
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        send: impl FnOnce(&SttSocket) -> Result<(), crate::stt::SocketStuck>,
    ) {
        let Some(socket) = self.sockets.get(&connection) else {
            return;
        };
        if send(socket).is_err() {
            self.sockets.remove(&connection);
            self.stuck.push(connection);
        }
    }

    fn show(&mut self, caption: Caption) {
        let heard = match caption.is_final() {
            true => self.heard.remove(&caption.segment.id).or(self.heard_now),
            false => self.heard_now,
        };
        self.room.captions().show(caption, heard);
    }

    fn store(&mut self, record: Record) {
        if self.unwritten.is_empty() {
            if let Err(NotTaken::Full(record) | NotTaken::Closed(record)) = self.writer.try_store(record) {
                warn!(meeting.id = %self.meeting_id, "the database keeps up no longer; words of meeting {} wait", self.meeting_id);
                self.unwritten.push_back(*record);
            }
        } else {
            self.unwritten.push_back(record);
        }
    }

    fn write_again(&mut self) {
        while let Some(record) = self.unwritten.pop_front() {
            if let Err(NotTaken::Full(record) | NotTaken::Closed(record)) = self.writer.try_store(record) {
                return self.unwritten.push_front(*record);
            }
        }
    }

    /// Sets the alarm for the core's next timeout.
    fn schedule(&mut self) {
        let due = self.meeting.poll_timeout();
        if due != self.due {
            self.due = due;
            if let Some(due) = due {
                self.deadline.as_mut().reset(self.clock.instant_of(due));
            }
        }
    }

    fn reopen(&mut self, sid: RoomSid) {
        info!(room.name = %self.name, room.sid = %sid, "room {} goes on as {sid}", self.name);
        let (context, name) = (Arc::clone(&self.context), self.name.clone());
        self.reopening = Some(tokio::spawn(async move {
            insist("open a meeting", || {
                context.database.open_meeting(&name, &sid, unix_now())
            })
            .await
        }));
    }

    /// A room that goes on is left; one that is over is waited for no longer than it takes.
    fn shut_down(&mut self) {
        match &mut self.ending {
            None => self.leave(RoomEnd::HandedBack),
            Some(ending) => {
                ending.is_hurried = true;
                self.feed(CoreEvent::RoomEnded {
                    late_words: Duration::ZERO,
                    then: LateSpeech::LeftToOthers,
                });
            }
        }
    }

    /// Frames come all the time, so that no pause is overlooked.
    fn hand_over_at_a_pause(&mut self) {
        let Some(since) = self.heard_too else { return };
        let is_inside = self.leaving.is_none() && self.ending.is_none();
        if is_inside && handover::is_time_to_leave(self.meeting.quiet_for(), since.elapsed()) {
            self.leave(RoomEnd::HandedBack);
        }
    }

    /// Stops listening; what was heard until now is taken before the end.
    fn leave(&mut self, end: RoomEnd) {
        if end == RoomEnd::HandedBack {
            self.hand_over();
        }
        self.leaving = Some(end);
        self.room.stop_listening();
    }

    /// Lets whoever follows us begin, while we wait for our last words.
    fn hand_over(&mut self) {
        let cut = unix_now().saturating_sub(handover::lead(self.meeting.quiet_for()));
        self.context.held.remove(&self.meeting_id);
        if self.heard_too.is_none() {
            for track in self.room.tracks() {
                self.room.captions().tell(Health {
                    track: track.clone(),
                    state: HealthState::Stopped,
                });
            }
        } else if let Some(chat) = self.chat.take() {
            // Whoever hears the room has received since then what we may not have stored yet.
            chat.abort();
        }
        let (context, meeting) = (Arc::clone(&self.context), self.meeting_id.clone());
        self.handing_over = Some(tokio::spawn(async move {
            insist("hand a meeting over", || {
                let until = unix_now() + LEASE_WHILE_OPENING;
                context
                    .database
                    .hand_over_meeting(&meeting, &context.holder, cut, until)
            })
            .await;
        }));
    }

    /// Nothing more is heard; the recogniser's last words are still waited for.
    fn end(&mut self, end: RoomEnd) {
        if self.ending.is_some() {
            return;
        }
        info!(room.name = %self.name, end = ?end, "leaving room {}: {end:?}", self.name);
        let give_up_at =
            (end == RoomEnd::HandedBack).then(|| tokio::time::Instant::now() + HAND_BACK_TIMEOUT);
        let advancing = (end == RoomEnd::Ended).then(|| {
            let (context, meeting) = (Arc::clone(&self.context), self.meeting_id.clone());
            tokio::spawn(async move { mark_ended(&context, &meeting).await })
        });
        // Of a room that goes on, whoever follows us there must not wait.
        let (late_words, then) = match end {
            RoomEnd::Ended => (LATE_WORDS, LateSpeech::GivenUp),
            RoomEnd::Interrupted(_) | RoomEnd::HandedBack | RoomEnd::Taken => {
                (Duration::ZERO, LateSpeech::LeftToOthers)
            }
        };
        self.ending = Some(Ending {
            is_hurried: end == RoomEnd::HandedBack,
            end,
            give_up_at,
            advancing,
        });
        self.feed(CoreEvent::RoomEnded { late_words, then });
    }

    fn give_up(&mut self) {
        let unstored = self.unwritten.len();
        error!(
            meeting.id = %self.meeting_id, records = unstored,
            "meeting {} is handed back although not all of it could be stored", self.meeting_id
        );
        self.unwritten.clear();
        self.is_transcribed = true;
    }

    async fn finish(self, shutdown: &CancellationToken) -> RoomEnd {
        let Ending { end, advancing, .. } = self.ending.expect("the loop ends by an ending");
        let (context, meeting, writer) = (self.context, self.meeting_id, self.writer);
        let leaves_speech = self.meeting.leaves_speech();
        // From now on others may take it.
        drop(self.journal);
        let leave = async {
            self.room.close().await;
            chat::settle(self.chat).await;
        };
        let settle = async {
            // Of names and gaps no receipt comes, and whoever goes on with the meeting needs them.
            writer.settled().await;
            if let Some(advancing) = advancing {
                // If it panicked, the next step finds the meeting live and does nothing.
                let _ = advancing.await;
                if !leaves_speech {
                    mark_transcribed(&context, &meeting).await;
                }
            }
            if let Some(handing_over) = self.handing_over {
                // If it panicked, the release is all the same to those who find the meeting.
                let _ = handing_over.await;
            }
            context.held.remove(&meeting);
            insist("release a meeting", || {
                context.database.release_meeting(&meeting, &context.holder)
            })
            .await;
            context.stages_wake.notify_one();
            context.reconcile_wake.notify_one();
        };
        let (settled, ()) = tokio::join!(shutdown_or(shutdown, &end, settle), leave);
        match settled {
            Some(()) => end,
            // The database is away; whoever finds the meeting goes on from where it stands.
            None => RoomEnd::HandedBack,
        }
    }
}

/// Waits for `settle`, though not for ever once we were told to stop.
async fn shutdown_or(
    shutdown: &CancellationToken,
    end: &RoomEnd,
    settle: impl Future<Output = ()>,
) -> Option<()> {
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SETTLE_TIMEOUT).await;
    };
    tokio::select! {
        () = settle => Some(()),
        () = too_late => {
            warn!(?end, "the database is away: the meeting stays at its stage");
            None
        }
    }
}

/// How long a process that is told to stop waits for the database.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The task's result, once; for ever nothing if there is no task. Of a task that panicked nothing comes.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    match task {
        Some(handle) => {
            let result = handle.await.ok();
            *task = None;
            result
        }
        None => std::future::pending().await,
    }
}

async fn claim(
    context: &Context,
    meeting: &MeetingId,
    lease: Duration,
) -> Result<bool, lectern_storage::Error> {
    let now = unix_now();
    context
        .database
        .claim_meeting(meeting, &context.holder, now, now + lease)
        .await
}

async fn mark_ended(context: &Context, meeting: &MeetingId) {
    // Kept to ourselves until the last final is stored: others take up meetings that are over. The leases of rooms
    // that go on are shorter, and no longer for us.
    context.held.remove(meeting);
    insist("claim a meeting", || claim(context, meeting, LEASE_WHILE_ENDING)).await;
    let at = unix_now();
    insist("end a meeting", || {
        context.database.advance(meeting, Stage::Live, Stage::Ended, at)
    })
    .await;
}

async fn mark_transcribed(context: &Context, meeting: &MeetingId) {
    let at = unix_now();
    let advance = || {
        context
            .database
            .advance(meeting, Stage::Ended, Stage::Transcribed, at)
    };
    if insist("complete a transcript", advance).await {
        info!(meeting.id = %meeting, "the transcript of meeting {meeting} is complete");
    }
}

/// How a room is listened to, in its own language and with its own words if it has any.
pub(crate) fn settings_of(stt: &Stt, wishes: RoomWishes) -> Settings {
    let asked = SttSettings {
        language: wishes.language.or_else(|| stt.settings.language.clone()),
        ..stt.settings.clone()
    };
    let mut glossary = wishes.keyterms;
    glossary.extend(wishes.title);
    Settings {
        run: uuid::Uuid::now_v7().simple().to_string(),
        gate: GateSettings::for_endpointing(stt.settings.endpointing),
        stt: asked,
        glossary,
        last_finals: LAST_FINALS,
    }
}

/// When a moment of the calendar was, as far as the computer was not set meanwhile.
fn instant_of(moment: UnixMillis) -> Instant {
    let (now, ago) = (Instant::now(), unix_now().since(moment));
    now.checked_sub(ago).unwrap_or(now)
}

/// A meeting's time, which goes on evenly whatever is done to the computer's calendar.
#[derive(Debug, Clone, Copy)]
struct Clock {
    base: Instant,
    /// How old the meeting was at `base`.
    age: Duration,
}

impl Clock {
    fn new(started_at: UnixMillis) -> Self {
        Self {
            base: Instant::now(),
            // A meeting that began on a computer whose clock is ahead is not of negative age.
            age: unix_now().since(started_at),
        }
    }

    fn at(&self, instant: Instant) -> MediaTime {
        let before = self.base.saturating_duration_since(instant);
        let after = instant.saturating_duration_since(self.base);
        MediaTime::ZERO + (self.age + after).saturating_sub(before)
    }

    /// The first instant at which [`Clock::at`] has reached `time`.
    fn instant_of(&self, time: MediaTime) -> tokio::time::Instant {
        (self.base + time.since(MediaTime::ZERO + self.age)).into()
    }
}

/// Handles that are asked for once: audio comes a hundred times a second.
struct Metrics {
    audio_received_ms: metrics::Counter,
    audio_sent_ms: metrics::Counter,
    segments_stored: metrics::Counter,
}

impl Metrics {
    fn new() -> Self {
        Self {
            audio_received_ms: metrics::counter!("lectern_audio_received_ms_total"),
            audio_sent_ms: metrics::counter!("lectern_audio_sent_ms_total"),
            segments_stored: metrics::counter!("lectern_segments_stored_total"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::test_config;

    #[test]
    fn room_is_listened_to_in_its_own_language_and_with_its_own_words() {
        let mut stt = test_config::lonely(Path::new("unused")).stt;
        stt.settings.language = Some("en".to_owned());
        let asked = |language: Option<&str>| {
            let wishes = RoomWishes {
                language: language.map(str::to_owned),
                keyterms: vec!["Fourier".to_owned()],
                title: Some("Heat".to_owned()),
                ..RoomWishes::default()
            };
            settings_of(&stt, wishes)
        };
        assert_eq!(asked(Some("uk")).stt.language.as_deref(), Some("uk"));
        assert_eq!(asked(None).stt.language.as_deref(), Some("en"));
        assert_eq!(asked(None).glossary, ["Fourier", "Heat"]);
    }

    #[test]
    fn clock_knows_what_is_past() {
        let base = Instant::now();
        let clock = Clock {
            base,
            age: Duration::from_secs(10),
        };
        for (instant, seconds) in [
            (base, 10),
            (base + Duration::from_secs(2), 12),
            (base - Duration::from_secs(4), 6),
            (base - Duration::from_secs(11), 0),
        ] {
            assert_eq!(clock.at(instant), MediaTime::from_millis(seconds * 1000));
        }
    }
}
