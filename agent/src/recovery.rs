//! What a worker heard before it died, recognised by another one.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use lectern_pipelines::{
    ConnectionId, Event, LateSpeech, MediaTime, Meeting, MeetingId, Output, SttEnd, UnsettledSpeech,
};
use lectern_storage::{MeetingWriter, Receipt, Record};

use crate::{
    Context, Error,
    backoff::insist,
    driver::{LATE_WORDS, NEWS_MAX, settings_of},
    journal::{Abandoned, Journals},
    stt::{SttEvent, SttNews, SttSocket},
    summary::compute,
};

/// Looks for dead workers' logs on this machine until `stop`, and has recognised what stands in them.
///
/// What is not done by then stays in its log.
pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) {
    let Some(journals) = context.journals.clone() else {
        return;
    };
    let mut working = JoinSet::new();
    let mut look = interval(LOOK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            Some(_) = working.join_next() => continue,
            () = stop.cancelled() => return,
        }
        match abandoned(&journals).await {
            Ok(logs) => {
                for log in logs {
                    working.spawn(recover(Arc::clone(&context), log));
                }
            }
            Err(error) => warn!("can't look for what dead workers heard: {error}"),
        }
    }
}

/// Waits until no worker of this machine has words of a meeting left to recognise, though not for ever.
pub(crate) async fn wait_for_words_of(context: &Context, meeting: &MeetingId) {
    let until = Instant::now() + LATE_WORDS + RECOGNITION_MAX;
    while Instant::now() < until && has_words_of(context, meeting).await {
        sleep(WAIT_INTERVAL).await;
    }
}

/// Whether words of a meeting wait on this machine to be recognised.
pub(crate) async fn has_words_of(context: &Context, meeting: &MeetingId) -> bool {
    let Some(journals) = context.journals.clone() else {
        return false;
    };
    let meeting = meeting.clone();
    let found = compute(move || journals.has_speech_of(&meeting)).await;
    found.is_ok_and(|found| found.unwrap_or(false))
}

async fn abandoned(journals: &Journals) -> io::Result<Vec<Abandoned>> {
    let journals = journals.clone();
    compute(move || journals.abandoned())
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error.to_string())))
}

/// A folder is read so often. Whoever follows a dead worker in a room takes longer.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const WAIT_INTERVAL: Duration = Duration::from_millis(200);
/// How long what two hours of several tracks hold may take to be recognised.
const RECOGNITION_MAX: Duration = Duration::from_secs(600);

async fn recover(context: Arc<Context>, log: Abandoned) {
    let meeting = log.meeting.clone();
    match recognise(&context, log).await {
        Ok(0) => debug!(meeting.id = %meeting, "a dead worker left nothing of meeting {meeting}"),
        Ok(segments) => {
            metrics::counter!("lectern_segments_recovered_total").increment(segments);
            info!(
                meeting.id = %meeting, segments,
                "{segments} segments of meeting {meeting} were recognised that a dead worker had heard"
            );
        }
        // The log is let go of: at the next look it is found again.
        Err(error) => {
            warn!(meeting.id = %meeting, "can't recognise what was heard of meeting {meeting}: {error}")
        }
    }
    context.stages_wake.notify_one();
}

/// Says how many segments it came to.
async fn recognise(context: &Context, mut log: Abandoned) -> Result<u64, Error> {
    let meeting = log.meeting.clone();
    // Words of it that wait for the database are known too.
    context.writer.settled(&meeting).await;
    let lecture = insist("read a transcript", || context.database.lecture(&meeting)).await;
    // Of a meeting that was erased, nothing may come back.
    let Some(lecture) = lecture else {
        compute(move || log.remove()).await?.map_err(Error::SpeechLog)?;
        return Ok(0);
    };
    let wishes = insist("see what a room's owner wants", || {
        context.database.room_wishes(&lecture.room)
    })
    .await;
    let settings = settings_of(&context.config.stt, wishes);
    let (recovery, log) = compute(move || {
        let mut speech = log.read()?;
        for segment in &lecture.segments {
            speech.forget(&segment.track, segment.start, segment.end);
        }
        let is_empty = speech.is_empty();
        let recovery = (!is_empty).then(|| begin(Meeting::new(settings), &speech));
        Ok((recovery, log))
    })
    .await?
    .map_err(Error::SpeechLog)?;
    let segments = match recovery {
        Some(recognition) => Recovery::new(context, recognition, &meeting).run().await,
        None => 0,
    };
    compute(move || log.remove()).await?.map_err(Error::SpeechLog)?;
    Ok(segments)
}

/// Takes what was left, as if the room had just ended.
fn begin(mut meeting: Meeting, speech: &UnsettledSpeech) -> Meeting {
    meeting.handle(Event::TakenOver(speech), MediaTime::ZERO);
    let ended = Event::RoomEnded {
        late_words: LATE_WORDS,
        then: LateSpeech::GivenUp,
    };
    meeting.handle(ended, MediaTime::ZERO);
    meeting
}

/// A meeting without a room: what is recognised of it goes into the transcript, and nobody is shown it.
struct Recovery<'a> {
    context: &'a Context,
    meeting: Meeting,
    began: Instant,
    sockets: HashMap<ConnectionId, SttSocket>,
    /// Connections that took nothing for too long.
    stuck: Vec<ConnectionId>,
    news_sender: mpsc::Sender<SttNews>,
    news: mpsc::Receiver<SttNews>,
    writer: MeetingWriter,
    receipts: mpsc::UnboundedReceiver<Receipt>,
    /// What is to be stored, in order.
    records: Vec<Record>,
    segments: u64,
    is_transcribed: bool,
}

impl<'a> Recovery<'a> {
    fn new(context: &'a Context, meeting: Meeting, id: &MeetingId) -> Self {
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        let (writer, receipts) = context.writer.meeting(id.clone());
        Self {
            context,
            meeting,
            began: Instant::now(),
            sockets: HashMap::new(),
            stuck: Vec::new(),
            news_sender,
            news,
            writer,
            receipts,
            records: Vec::new(),
            segments: 0,
            is_transcribed: false,
        }
    }

    /// Until all is recognised, or given up, and stored; says how many segments it came to.
    async fn run(mut self) -> u64 {
        self.drain();
        while !self.is_transcribed {
            for record in std::mem::take(&mut self.records) {
                // There is nothing to do meanwhile but to wait; the recogniser's messages wait too.
                if self.writer.store(record).await.is_err() {
                    return self.segments;
                }
            }
            let due = self.meeting.poll_timeout().map(|at| at.since(MediaTime::ZERO));
            tokio::select! {
                biased;
                Some(receipt) = self.receipts.recv() => {
                    let (Receipt::Stored(segment) | Receipt::Refused(segment)) = receipt;
                    self.tell(Event::Stored(&segment));
                }
                Some(news) = self.news.recv() => self.heard(news),
                () = sleep_until((self.began + due.unwrap_or_default()).into()), if due.is_some() => {
                    self.tell(Event::Timeout);
                }
            }
        }
        for record in std::mem::take(&mut self.records) {
            let _ = self.writer.store(record).await;
        }
        self.writer.settled().await;
        self.segments
    }

    fn heard(&mut self, SttNews { connection, event }: SttNews) {
        match event {
            SttEvent::Opened => self.tell(Event::SttOpened { connection }),
            SttEvent::Message(message) => self.tell(Event::SttMessage {
                connection,
                text: message.as_str(),
            }),
            SttEvent::Outdated => self.tell(Event::SttOutdated { connection }),
            SttEvent::Ended(end) => {
                self.sockets.remove(&connection);
                self.tell(Event::SttEnded { connection, end });
            }
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        self.handle(event);
        while let Some(connection) = self.stuck.pop() {
            self.sockets.remove(&connection);
            let end = SttEnd::Failed;
            self.handle(Event::SttEnded { connection, end });
        }
    }

    fn handle(&mut self, event: Event<'_>) {
        let now = MediaTime::ZERO + self.began.elapsed();
        self.meeting.handle(event, now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.meeting.poll_output() {
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenStt {
                connection,
                purpose,
                path_and_query,
                ..
            } => {
                let news = self.news_sender.clone();
                let recogniser = &self.context.recogniser;
                let socket = recogniser.open(connection, purpose, &path_and_query, news);
                self.sockets.insert(connection, socket);
            }
            Output::SendAudio {
                connection, bytes, ..
            } => self.send(connection, |socket| socket.send_audio(bytes)),
            Output::SendText { connection, text } => self.send(connection, |socket| socket.send_text(text)),
            Output::CloseStt { connection } => {
                self.sockets.remove(&connection);
            }
            Output::Store(segment) => {
                self.segments += 1;
                self.records.push(Record::Segment(segment));
            }
            Output::StoreGap(gap) => self.records.push(Record::Gap(gap)),
            Output::Transcribed => self.is_transcribed = true,
            Output::Caption(_) | Output::Health(_) | Output::Rejected(_) => {}
        }
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        send: impl FnOnce(&SttSocket) -> Result<(), crate::stt::SocketStuck>,
    ) {
        if let Some(Err(_)) = self.sockets.get(&connection).map(send) {
            self.stuck.push(connection);
        }
    }
}
