//! The operator's wish to stop: once to finish what runs, twice to stop at once.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How urgently the process was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<u8>);

impl Stop {
    /// Follows SIGTERM and SIGINT from now on.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (wishes, stop) = watch::channel(0_u8);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                wishes.send_modify(|count| *count = count.saturating_add(1));
                match *wishes.borrow() {
                    1 => tracing::info!("asked to stop: finishing what runs; ask again to stop at once"),
                    _ => tracing::warn!("asked again to stop: stopping at once"),
                }
            }
        });
        Ok(Self(stop))
    }

    /// Stops when a part of ours says so, not the operator.
    pub(crate) fn by_hand() -> (watch::Sender<u8>, Self) {
        let (wishes, stop) = watch::channel(0_u8);
        (wishes, Self(stop))
    }

    /// Waits until the process was asked to stop.
    pub(crate) async fn asked(&self) {
        self.times(1).await;
    }

    /// Waits until the process was asked again.
    pub(crate) async fn asked_again(&self) {
        self.times(2).await;
    }

    async fn times(&self, times: u8) {
        let mut wishes = self.0.clone();
        // Whoever may wish is gone: nobody will.
        if wishes.wait_for(|count| *count >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
