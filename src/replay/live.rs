//! A script with a recogniser that really listens.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::bail;
use lectern_agent::{Recogniser, SocketStuck, SttEvent, SttNews, SttSocket};
use lectern_pipelines::{
    ConnectionId, Event, HealthState, LateSpeech, MediaTime, Meeting, Output, Settings, SttEnd,
};
use tokio::sync::mpsc;

use super::{
    outcome::{Outcome, samples_of},
    playback::{Playback, TICK},
    recording::{Recorder, Recording},
};

/// How fast a recogniser may be given a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Our own: as fast as it answers.
    AsAnswered,
    /// Somebody else's: so many times real time.
    Times(f64),
}

/// Plays everything to the recogniser and gives what came of it, with what the recogniser did.
pub(crate) async fn play(
    mut playback: Playback,
    recogniser: &Recogniser,
    settings: Settings,
    pace: Pace,
    mut progress: impl FnMut(MediaTime),
) -> anyhow::Result<(Outcome, Recording)> {
    let (news_sender, mut news) = mpsc::channel(NEWS_MAX);
    let mut run = Run {
        meeting: Meeting::new(settings),
        began: Instant::now(),
        recogniser,
        news_sender,
        sockets: HashMap::new(),
        recorder: Recorder::default(),
        outcome: Outcome::default(),
        refusal: None,
    };
    let mut tick = tokio::time::interval(TICK);
    while !playback.is_over() {
        tokio::select! {
            Some(news) = news.recv() => run.heard(news, &playback),
            _ = tick.tick() => {
                run.time_out(&playback);
                // Our own recogniser may take many ticks at once; news is looked at in between.
                for _ in 0..TICKS_AT_ONCE {
                    if playback.is_over() || !run.may_go_on(playback.at(), pace) {
                        break;
                    }
                    run.tick(&mut playback)?;
                }
                progress(playback.at());
            }
        }
        if let Some(status) = run.refusal {
            bail!(
                "the recogniser refuses us with status {status}: {}",
                remedy(status)
            );
        }
    }
    run.tell(
        Event::RoomEnded {
            late_words: Duration::ZERO,
            then: LateSpeech::GivenUp,
        },
        &playback,
    );
    while !run.outcome.is_transcribed {
        tokio::select! {
            Some(news) = news.recv() => run.heard(news, &playback),
            _ = tick.tick() => run.time_out(&playback),
        }
    }
    Ok((run.outcome, run.recorder.recording))
}

struct Run<'a> {
    meeting: Meeting,
    began: Instant,
    recogniser: &'a Recogniser,
    news_sender: mpsc::Sender<SttNews>,
    sockets: HashMap<ConnectionId, SttSocket>,
    recorder: Recorder,
    outcome: Outcome,
    /// The HTTP status of a recogniser that no waiting will change.
    refusal: Option<u16>,
}

impl Run<'_> {
    fn now(&self) -> MediaTime {
        MediaTime::ZERO + self.began.elapsed()
    }

    /// A file can wait: no more than a few seconds of it are with the recogniser unanswered. But as one that answers
    /// late only must not stop everything, a file is never played slower than it was spoken.
    fn may_go_on(&self, at: MediaTime, pace: Pace) -> bool {
        let elapsed = self.began.elapsed();
        let is_answered = self.meeting.backlog() < BACKLOG_MAX;
        let allowed = match pace {
            Pace::AsAnswered => Duration::MAX,
            Pace::Times(times) => elapsed.mul_f64(times),
        };
        let at = at.since(MediaTime::ZERO);
        at <= elapsed || (is_answered && at <= allowed)
    }

    fn tick(&mut self, playback: &mut Playback) -> anyhow::Result<()> {
        let now = self.now();
        let mut outputs = Vec::new();
        playback.tick(|event| {
            self.meeting.handle(event, now);
            outputs.extend(std::iter::from_fn(|| self.meeting.poll_output()));
        })?;
        for output in outputs {
            self.perform(output, playback);
        }
        Ok(())
    }

    fn time_out(&mut self, playback: &Playback) {
        if self.meeting.poll_timeout().is_some_and(|at| at <= self.now()) {
            self.tell(Event::Timeout, playback);
        }
    }

    fn heard(&mut self, news: SttNews, playback: &Playback) {
        let connection = news.connection;
        match news.event {
            SttEvent::Opened => self.tell(Event::SttOpened { connection }, playback),
            SttEvent::Message(message) => {
                self.recorder.message(connection, message.as_str());
                self.tell(
                    Event::SttMessage {
                        connection,
                        text: message.as_str(),
                    },
                    playback,
                );
            }
            SttEvent::Outdated => self.tell(Event::SttOutdated { connection }, playback),
            SttEvent::Ended(end) => {
                self.sockets.remove(&connection);
                self.recorder.ended(connection, end);
                self.tell(Event::SttEnded { connection, end }, playback);
                if let (SttEnd::Refused(status), Some(HealthState::Refused)) = (end, self.outcome.last_health)
                {
                    self.refusal = Some(status);
                }
            }
        }
    }

    fn tell(&mut self, event: Event<'_>, playback: &Playback) {
        self.meeting.handle(event, self.now());
        while let Some(output) = self.meeting.poll_output() {
            self.perform(output, playback);
        }
    }

    fn perform(&mut self, output: Output, playback: &Playback) {
        self.outcome.note(self.now(), &output, playback);
        match output {
            Output::OpenStt {
                connection,
                track,
                purpose,
                path_and_query,
            } => {
                let speaker = &playback.voice(track).participant.identity;
                self.recorder.open(connection, speaker);
                let socket =
                    self.recogniser
                        .open(connection, purpose, &path_and_query, self.news_sender.clone());
                self.sockets.insert(connection, socket);
            }
            Output::SendAudio {
                connection,
                start,
                bytes,
            } => {
                self.recorder.audio(connection, start, samples_of(&bytes));
                self.send(connection, |socket| socket.send_audio(bytes), playback);
            }
            Output::SendText { connection, text } => {
                self.send(connection, |socket| socket.send_text(text), playback);
            }
            Output::CloseStt { connection } => {
                self.sockets.remove(&connection);
            }
            Output::Store(segment) => self.tell(Event::Stored(&segment.id), playback),
            Output::StoreGap(_)
            | Output::Caption(_)
            | Output::Health(_)
            | Output::Rejected(_)
            | Output::Transcribed => {}
        }
    }

    /// If the socket is stuck it is dropped: the core keeps the audio and will ask for another connection.
    fn send(
        &mut self,
        connection: ConnectionId,
        send: impl FnOnce(&SttSocket) -> Result<(), SocketStuck>,
        playback: &Playback,
    ) {
        let sent = self.sockets.get(&connection).map(send);
        if let Some(Err(SocketStuck)) = sent {
            self.sockets.remove(&connection);
            self.tell(
                Event::SttEnded {
                    connection,
                    end: SttEnd::Failed,
                },
                playback,
            );
        }
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        401 | 403 => "check DEEPGRAM_API_KEY and what it may be used for",
        402 => "the account has no credit left",
        400 | 404 => "check the recogniser's URL, model and language",
        _ => "ask whoever runs it",
    }
}

/// What a live recogniser may be ahead of its answers.
const BACKLOG_MAX: Duration = Duration::from_secs(5);
const TICKS_AT_ONCE: usize = 50;
const NEWS_MAX: usize = 256;
