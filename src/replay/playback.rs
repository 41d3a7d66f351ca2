//! Plays a script's voices into a meeting, 10 ms at a time.

use std::time::Duration;

use lectern_pipelines::{AudioFrame, Event, MediaTime, TrackClock, TrackKey, TrackSid};

use super::script::Voice;

/// Where the playing of a script has come to.
pub(crate) struct Playback {
    parts: Vec<Part>,
    at: MediaTime,
    samples: Vec<i16>,
}

struct Part {
    voice: Voice,
    key: TrackKey,
    sid: TrackSid,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Away,
    Speaking,
    Gone,
}

/// How much is played at once: what LiveKit's SDK hands over.
pub(crate) const TICK: Duration = Duration::from_millis(10);

impl Playback {
    /// Nothing has been played yet.
    pub(crate) fn new(voices: Vec<Voice>) -> Self {
        let parts = (1..)
            .zip(voices)
            .map(|(number, voice)| Part {
                key: TrackKey(number),
                sid: TrackSid::parse(format!("TR_{}", voice.participant.identity.as_str()))
                    .unwrap_or_else(|_| TrackSid::parse(format!("TR_{number}")).expect("a short text")),
                voice,
                state: State::Away,
            })
            .collect();
        Self {
            parts,
            at: MediaTime::ZERO,
            samples: Vec::new(),
        }
    }

    /// How much of the meeting has been played.
    pub(crate) fn at(&self) -> MediaTime {
        self.at
    }

    /// When the last voice ends.
    pub(crate) fn end(&self) -> MediaTime {
        self.parts
            .iter()
            .map(|part| part.voice.leaves)
            .max()
            .unwrap_or(MediaTime::ZERO)
    }

    /// Whose track that is; only those of the script are ever started.
    pub(crate) fn voice(&self, key: TrackKey) -> &Voice {
        let part = self.parts.iter().find(|part| part.key == key);
        &part.expect("a track of the script").voice
    }

    /// Plays the next 10 ms: gives `tell` what happens in them.
    pub(crate) fn tick(&mut self, mut tell: impl FnMut(Event<'_>)) -> anyhow::Result<()> {
        let end = self.at + TICK;
        for part in &mut self.parts {
            if part.state == State::Away && part.voice.joins <= self.at {
                part.state = State::Speaking;
                tell(Event::ParticipantSeen(&part.voice.participant));
                tell(Event::TrackStarted {
                    track: part.key,
                    sid: &part.sid,
                    speaker: &part.voice.participant.identity,
                    clock: TrackClock::From(part.voice.joins),
                });
            }
            if part.state == State::Speaking {
                part.voice.read_tick(self.at, &mut self.samples)?;
                if !self.samples.is_empty() {
                    let frame = AudioFrame {
                        samples: &self.samples,
                        sample_rate_hz: part.voice.wav.sample_rate_hz(),
                        channels: part.voice.wav.channels(),
                    };
                    tell(Event::Audio {
                        track: part.key,
                        frame,
                    });
                }
                if part.voice.leaves <= end {
                    part.state = State::Gone;
                    tell(Event::TrackEnded { track: part.key });
                }
            }
        }
        self.at = end;
        Ok(())
    }

    /// Whether everybody has left.
    pub(crate) fn is_over(&self) -> bool {
        self.parts.iter().all(|part| part.state == State::Gone)
    }
}

impl Voice {
    fn read_tick(&mut self, at: MediaTime, samples: &mut Vec<i16>) -> anyhow::Result<()> {
        self.wav.read_tick(samples)?;
        if self.mutes.iter().any(|&(from, to)| (from..to).contains(&at)) {
            samples.fill(0);
        }
        Ok(())
    }
}
