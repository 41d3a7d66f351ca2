//! The recognisers of a worker: what all rooms know of them together, and the probes of those that are away.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{self, sleep_until},
};
use tracing::{info, warn};

use lectern_pipelines::SttEnd;

use crate::failover::Failover;

/// Who serves and who is away. The lock is held for a few instructions, never while something is waited for.
#[derive(Debug)]
pub(crate) struct Roster {
    /// For people: host and port, in the order of the settings.
    names: Vec<String>,
    state: Mutex<Known>,
    serving: watch::Sender<Option<usize>>,
}

#[derive(Debug)]
struct Known {
    failover: Failover,
    is_probing: bool,
}

impl Roster {
    /// Nothing is known of them yet.
    pub(crate) fn new(names: Vec<String>) -> Self {
        let roster = Self {
            state: Mutex::new(Known {
                failover: Failover::new(names.len(), now()),
                is_probing: false,
            }),
            serving: watch::Sender::new(Some(0)),
            names,
        };
        roster.publish(Some(0));
        roster
    }

    /// Host and port.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    pub(crate) fn has_several(&self) -> bool {
        self.names.len() > 1
    }

    /// Whom a new connection tries, in this order.
    pub(crate) fn candidates(&self) -> Vec<usize> {
        self.known().failover.candidates()
    }

    /// The first that works, whenever that is another one.
    pub(crate) fn serving(&self) -> watch::Receiver<Option<usize>> {
        self.serving.subscribe()
    }

    /// Takes what became of a connection. `why` is for the log, if another one serves now.
    pub(crate) fn note<T>(&self, why: &str, change: impl FnOnce(&mut Failover, Instant) -> T) -> T {
        let mut known = self.known();
        let before = known.failover.serving();
        let told = change(&mut known.failover, now());
        let after = known.failover.serving();
        // Under the lock, so that changes are told in their order.
        if after != before {
            self.tell(before, after, why);
        }
        told
    }

    /// Has those probed that should serve rather than the one that does. `probe` makes a connection that costs little.
    pub(crate) fn probe_by<F>(self: &Arc<Self>, probe: impl Fn(usize) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), SttEnd>> + Send + 'static,
    {
        let mut known = self.known();
        if known.is_probing || known.failover.poll_timeout().is_none() {
            return;
        }
        known.is_probing = true;
        tokio::spawn(probe_while_away(Arc::downgrade(self), probe));
    }

    /// When the next probe is due; none any more, and the one who asks stops.
    fn next_probe(&self) -> Option<Instant> {
        let mut known = self.known();
        let due = known.failover.poll_timeout();
        known.is_probing = due.is_some();
        due
    }

    fn due_probe(&self) -> Option<usize> {
        self.known().failover.probe(now())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing that is done under the lock leaves half a change behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, before: Option<usize>, after: Option<usize>, why: &str) {
        let name = |index: Option<usize>| index.map_or("none", |index| self.name(index));
        let (was, is) = (name(before), name(after));
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            info!(
                stt.recogniser = is,
                "recogniser {is} is back and serves; before it was {was}"
            );
        } else {
            warn!(
                stt.recogniser = is,
                "recogniser {was} is away ({why}); now serves: {is}"
            );
        }
        metrics::counter!("lectern_stt_recogniser_changes_total").increment(1);
        self.publish(after);
        self.serving.send_replace(after);
    }

    /// The position tells two of the same host apart.
    fn publish(&self, serving: Option<usize>) {
        for (index, name) in self.names.iter().enumerate() {
            let position = (index + 1).to_string();
            let serves = f64::from(u8::from(serving == Some(index)));
            metrics::gauge!("lectern_stt_serving", "position" => position, "recogniser" => name.clone())
                .set(serves);
        }
    }
}

/// One for a worker, while there is something to probe; ends with the roster.
async fn probe_while_away<F>(roster: Weak<Roster>, probe: impl Fn(usize) -> F)
where
    F: Future<Output = Result<(), SttEnd>>,
{
    while let Some(due) = roster.upgrade().and_then(|roster| roster.next_probe()) {
        // Meanwhile another one may go away that is due sooner.
        sleep_until(due.min(now() + LOOK_EVERY).into()).await;
        let Some(index) = roster.upgrade().and_then(|roster| roster.due_probe()) else {
            continue;
        };
        let answer = probe(index).await;
        if let Some(roster) = roster.upgrade() {
            roster.note("a probe failed", |failover, now| match answer {
                // It is there, though it is full: whoever it refuses tries the next.
                Ok(()) | Err(SttEnd::Refused(429)) => failover.returned(index, now),
                Err(end) => failover.unreachable(index, end, now),
            });
        }
    }
}

/// Tokio's clock, which tests may hold.
pub(crate) fn now() -> Instant {
    time::Instant::now().into_std()
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
