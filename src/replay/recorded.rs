//! A script with its recorded recogniser, in virtual time: the same every time, and as fast as the machine.

use std::{collections::VecDeque, time::Duration};

use anyhow::bail;
use lectern_pipelines::{ConnectionId, Event, LateSpeech, MediaTime, Meeting, Output, Settings};

use super::{
    outcome::{Outcome, samples_of},
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
    run.tell(
        Event::RoomEnded {
            late_words: Duration::ZERO,
            then: LateSpeech::GivenUp,
        },
        &playback,
    );
    while !run.outcome.is_transcribed {
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
        self.outcome.note(self.now, &output, playback);
        let (connection, played) = match output {
            Output::OpenStt {
                connection, track, ..
            } => {
                let speaker = &playback.voice(track).participant.identity;
                (connection, self.player.open(connection, speaker))
            }
            Output::SendAudio {
                connection,
                start,
                bytes,
            } => (
                connection,
                self.player.audio(connection, start, samples_of(&bytes)),
            ),
            Output::SendText { connection, text } => (connection, self.player.text(connection, text)),
            Output::CloseStt { connection } => return self.player.close(connection),
            Output::Store(segment) => return self.handle(Event::Stored(&segment.id), playback),
            Output::StoreGap(_)
            | Output::Caption(_)
            | Output::Health(_)
            | Output::Rejected(_)
            | Output::Transcribed => return,
        };
        self.inbox
            .extend(played.into_iter().map(|played| (connection, played)));
    }
}
