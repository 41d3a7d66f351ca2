//! The decoders that all streams share.
//!
//! A decoder costs about 100 MB and is of use only while somebody speaks. So a stream gets one at the beginning of
//! each utterance, on a thread where blocking is allowed, and gives it back at the end; who finds none free waits
//! in line. What a decoder learnt of the speaker's microphone stays with the speaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};

use crate::engine::{Decoder, Engine, EngineError, Language, Voice};
use crate::session::{Answer, Command, Ticket};

/// Commands that wait in front of a decoder; most are a tenth of a second of audio.
const COMMANDS_MAX: usize = 8;

/// Decoders, made when needed and kept for a while.
#[derive(Debug)]
pub(crate) struct Pool {
    engine: Engine,
    idle: Mutex<Vec<Idle>>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Idle {
    decoder: Decoder,
    speaker: Option<u64>,
    since: Instant,
}

/// Who speaks in a stream, as far as decoders are concerned.
#[derive(Debug)]
pub(crate) struct Speaker {
    id: u64,
    language: Language,
    voice: Mutex<Option<Voice>>,
}

impl Speaker {
    /// A speaker who was never heard; `id` tells speakers apart.
    pub(crate) fn new(id: u64, language: Language) -> Self {
        Self {
            id,
            language,
            voice: Mutex::new(None),
        }
    }
}

/// What comes back from a decoder.
#[derive(Debug)]
pub(crate) enum Said {
    /// The answer to a question.
    Answer(Ticket, Answer),
    /// There will be no answers.
    Failed(EngineError),
}

impl Pool {
    /// A pool that never has more than `decoders_max` decoders.
    pub(crate) fn new(engine: Engine, decoders_max: usize) -> Self {
        let places = Arc::new(Semaphore::new(decoders_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            engine,
            idle: Mutex::new(Vec::new()),
            places,
        }
    }

    /// What recognises here.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes the first decoder before it is needed; blocks for a part of a second.
    pub(crate) fn warm(&self) -> Result<(), EngineError> {
        let decoder = self.engine.decoder()?;
        self.idle().push(Idle {
            decoder,
            speaker: None,
            since: Instant::now(),
        });
        Ok(())
    }

    /// Waits for a free decoder and has it listen to what is sent, until `Finish` or until the sender is dropped.
    pub(crate) async fn utterance(
        self: Arc<Self>,
        speaker: Arc<Speaker>,
        said: mpsc::UnboundedSender<Said>,
    ) -> mpsc::Sender<Command> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = self.listen(&speaker, commands, &said) {
                // Nobody hears it if the stream has ended meanwhile.
                let _ = said.send(Said::Failed(error));
            }
            drop(place);
        });
        sender
    }

    /// Frees decoders that weren't needed for `idle_max`, all but one; returns how many. Blocks for some time.
    pub(crate) fn trim(&self, idle_max: Duration) -> usize {
        let mut unneeded = Vec::new();
        let mut idle = self.idle();
        // The longest idle are the first: `take` prefers the last.
        while idle.len() > 1 && idle[0].since.elapsed() >= idle_max {
            unneeded.push(idle.remove(0));
        }
        drop(idle);
        let freed = unneeded.len();
        drop(unneeded);
        if freed > 0 {
            self.engine.return_memory();
        }
        freed
    }

    fn listen(
        &self,
        speaker: &Speaker,
        mut commands: mpsc::Receiver<Command>,
        said: &mpsc::UnboundedSender<Said>,
    ) -> Result<(), EngineError> {
        let mut decoder = self.take(speaker.id)?;
        decoder.start(locked(&speaker.voice).as_ref(), speaker.language)?;
        let mut asked = None;
        while let Some(command) = commands.blocking_recv() {
            match command {
                Command::Start => {}
                Command::Audio(samples) => decoder.audio(&samples)?,
                Command::Guess(ticket) => {
                    let _ = said.send(Said::Answer(ticket, decoder.guess()?));
                }
                Command::Finish(ticket) => {
                    asked = Some(ticket);
                    break;
                }
            }
        }
        let answer = match asked {
            Some(ticket) => Some((ticket, decoder.finish()?)),
            None => decoder.abandon().map(|()| None)?,
        };
        *locked(&speaker.voice) = decoder.voice();
        self.idle().push(Idle {
            decoder,
            speaker: Some(speaker.id),
            since: Instant::now(),
        });
        if let Some((ticket, answer)) = answer {
            let _ = said.send(Said::Answer(ticket, answer));
        }
        Ok(())
    }

    /// The decoder that heard this speaker last, or any, or a new one.
    fn take(&self, speaker: u64) -> Result<Decoder, EngineError> {
        let mut idle = self.idle();
        let known = idle.iter().position(|idle| idle.speaker == Some(speaker));
        let found = match known {
            Some(place) => Some(idle.remove(place)),
            None => idle.pop(),
        };
        drop(idle);
        let mut decoder = match found {
            Some(idle) => idle.decoder,
            None => self.engine.decoder()?,
        };
        if known.is_none() {
            decoder.change_speaker();
        }
        Ok(decoder)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        locked(&self.idle)
    }
}

/// Both values that are locked here are whole at every moment, so a panic elsewhere leaves them usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
