//! A script with its recorded recogniser, in virtual time: the same every time, and as fast as the machine.

use std::collections::VecDeque;

use anyhow::bail;
use lectern_pipelines::{ConnectionId, Event, MediaTime, Meeting, Output, Settings};

use super::{
    outcome::Outcome,
    playback::{Playback, TICK},
    recording::{Played, Player, Recording},
};

/// Plays everything and gives what came of it.
pub(crate) fn play(
    mut playback: Playback,
    recording: Recording,
    settings: Settings,
    mut progress: impl FnMut(MediaTime),
) -> anyhow::Result<Outcome> {
    let mut run = Run {
        meeting: Meeting::new(settings),
        now: MediaTime::ZERO,
        player: Player::new(recording),
        inbox: VecDeque::new(),
        outcome: Outcome::default(),
        is_transcribed: false,
    };
    while !playback.is_over() {
        run.wait_until(playback.at() + TICK, &playback);
        let mut events = Vec::new();
        // What the recogniser answers comes after the tick's audio, as it would over a network.
        playback.tick(|event| {
            run.meeting.handle(event, run.now);
            while let Some(output) = run.meeting.poll_output() {
                events.push(output);
            }
        })?;
        for output in events {
            run.perform(output, &playback);
        }
        run.deliver(&playback);
        progress(playback.at());
    }
    run.tell(Event::RoomEnded, &playback);
    while !run.is_transcribed {
        let Some(at) = run.meeting.poll_timeout() else {
            bail!("the meeting waits for something that never comes")
        };
        run.wait_until(at.max(run.now), &playback);
    }
    let unplayed = run.player.unplayed();
    if unplayed > 0 {
        bail!("{unplayed} recorded replies were never asked for; record the fixture anew with: make record");
    }
    Ok(run.outcome)
}

struct Run {
    meeting: Meeting,
    now: MediaTime,
    player: Player,
    inbox: VecDeque<(ConnectionId, Played)>,
    outcome: Outcome,
    is_transcribed: bool,
}

impl Run {
    fn wait_until(&mut self, until: MediaTime, playback: &Playback) {
        while let Some(at) = self.meeting.poll_timeout().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.tell(Event::Timeout, playback);
        }
        self.now = self.now.max(until);
    }

    fn tell(&mut self, event: Event<'_>, playback: &Playback) {
        self.handle(event, playback);
        self.deliver(playback);
    }

    fn deliver(&mut self, playback: &Playback) {
        while let Some((connection, played)) = self.inbox.pop_front() {
            match played {
                Played::Opened => self.handle(Event::SttOpened { connection }, playback),
                Played::Message(text) => self.handle(
                    Event::SttMessage {
                        connection,
                        text: &text,
                    },
                    playback,
                ),
                Played::Ended(end) => self.handle(Event::SttEnded { connection, end }, playback),
            }
        }
    }

    fn handle(&mut self, event: Event<'_>, playback: &Playback) {
        self.meeting.handle(event, self.now);
        while let Some(output) = self.meeting.poll_output() {
            self.perform(output, playback);
        }
    }

    fn perform(&mut self, output: Output, playback: &Playback) {
        let now = self.now;
        let (connection, played) = match output {
            Output::OpenStt {
                connection,
                track,
                path_and_query,
            } => {
                let voice = playback
                    .voice(track)
                    .expect("only tracks of the script are started");
                self.outcome
                    .opened(now, connection, &voice.participant, &path_and_query);
                (
                    connection,
                    self.player.open(connection, &voice.participant.identity),
                )
            }
            Output::SendAudio {
                connection,
                start,
                bytes,
            } => {
                let samples = bytes.len() as u64 / 2;
                self.outcome.audio(now, connection, start, samples);
                (connection, self.player.audio(connection, start, samples))
            }
            Output::SendText { connection, text } => {
                self.outcome.text(now, connection, text);
                (connection, self.player.text(connection, text))
            }
            Output::CloseStt { connection } => {
                self.outcome.text(now, connection, "close");
                return self.player.close(connection);
            }
            Output::Store(segment) => {
                let id = segment.id.clone();
                self.outcome.segments.push(segment);
                return self.handle(Event::Stored(&id), playback);
            }
            Output::StoreGap(gap) => return self.outcome.gaps.push(gap),
            Output::Caption(caption) => return self.outcome.caption(now, &caption),
            Output::Health(health) => return self.outcome.health(now, &health),
            Output::Rejected(reason) => return *self.outcome.rejected.entry(reason).or_default() += 1,
            Output::Transcribed => return self.is_transcribed = true,
        };
        self.inbox
            .extend(played.into_iter().map(|played| (connection, played)));
    }
}
