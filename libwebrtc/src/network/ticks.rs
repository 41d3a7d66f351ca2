//! One waking for all who have something to do every few milliseconds.
//!
//! A packet of speech comes every 20 ms, and waking a thread for it costs more than all that is done with it. So while
//! datagrams come in a steady flow, a socket is not watched but looked at on ticks, and the connections of a runtime
//! share these, and their timer: each that had a timer of its own would set it anew for every tick.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    runtime::{self, Handle},
    sync::{Notify, futures::OwnedNotified},
    time::{MissedTickBehavior, interval},
};

/// The ticks of a runtime, as one connection follows them.
pub(super) struct Ticks {
    ticked: Arc<Notify>,
    next: Pin<Box<OwnedNotified>>,
}

impl Ticks {
    /// Follows the ticks of this runtime. They go on for as long as anybody follows them.
    pub(super) fn follow() -> Self {
        let ticked = of_runtime(&Handle::current());
        let next = Box::pin(ticked.clone().notified_owned());
        Self { ticked, next }
    }

    /// Ready when there was a tick since this was ready last.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.next.as_mut().poll(context));
        self.next.set(self.ticked.clone().notified_owned());
        Poll::Ready(())
    }
}

/// What tells of a runtime's ticks.
fn of_runtime(runtime: &Handle) -> Arc<Notify> {
    static ALL: Mutex<Vec<(runtime::Id, Weak<Notify>)>> = Mutex::new(Vec::new());
    let mut all = ALL.lock();
    all.retain(|(_, ticked)| ticked.strong_count() > 0);
    let known = all.iter().find(|(id, _)| *id == runtime.id());
    if let Some(ticked) = known.and_then(|(_, ticked)| ticked.upgrade()) {
        return ticked;
    }
    let ticked = Arc::new(Notify::new());
    all.push((runtime.id(), Arc::downgrade(&ticked)));
    runtime.spawn(tick(Arc::downgrade(&ticked)));
    ticked
}

async fn tick(ticked: Weak<Notify>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        match ticked.upgrade() {
            Some(ticked) => ticked.notify_waiters(),
            None => return,
        }
    }
}

/// How often sockets are looked at: half of what most packets of speech are long.
const TICK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Instant};

    use super::*;

    #[tokio::test]
    async fn followers_tick_together_and_leave_nothing_behind() {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let (mut one, mut other) = (Ticks::follow(), Ticks::follow());
        assert_eq!(tasks(), before + 1);
        let began = Instant::now();
        for _ in 0..3 {
            poll_fn(|context| one.poll(context)).await;
            poll_fn(|context| other.poll(context)).await;
        }
        // The first is at once.
        assert!(began.elapsed() >= TICK * 2, "{:?}", began.elapsed());
        drop((one, other));
        while tasks() > before {
            tokio::time::sleep(TICK).await;
        }
    }

    #[test]
    fn each_runtime_has_its_own() {
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut ticks = Ticks::follow();
                poll_fn(|context| ticks.poll(context)).await;
            });
        }
    }
}
