//! A worker that crashes, and one that is replaced.

use anyhow::Context as _;
use tokio::time::sleep;

use crate::{
    bench::{Bench, QUICK, SETTLE},
    measure::now_ms,
    report::Figure,
};

impl Bench {
    pub(crate) async fn takeover(&mut self) -> anyhow::Result<()> {
        let first = self.worker()?;
        first.registered().await?;
        let second = self.worker()?;
        second.registered().await?;
        let room = self.join(1, QUICK).await?.remove(0);
        self.captioned(&room, 0.0).await?;
        let (covering, successor) = match first.listening(&room) {
            Some(_) => (first, second),
            None => (second, first),
        };

        covering.crash().await?;
        let crashed_at = now_ms();
        // What was on its way at that moment is of the dead.
        let captioned_at = self.captioned(&room, crashed_at + IN_FLIGHT_MS).await?;
        let listening = successor
            .listening(&room)
            .context("whoever captions has listened")?;
        let figure = Figure::new(
            7,
            "crash → captions again",
            (captioned_at - crashed_at) / 1000.0,
            "s",
        )
        .at_most(2.0);
        let note = format!(
            "listening after {:.1} s; a burst every {} s; peer: never",
            (listening.at - crashed_at) / 1000.0,
            QUICK.as_secs_f64()
        );
        self.report.add(figure.note(note));

        let third = self.worker()?;
        third.registered().await?;
        sleep(SETTLE).await;
        let deployed_at = now_ms() - QUICK.as_millis() as f64;
        successor.terminate().await?;
        sleep(SETTLE).await;
        let notes = self.end(&[room]).await?;
        let around_crash = notes.score(crashed_at - QUICK.as_millis() as f64, deployed_at);
        let figure = Figure::new(
            1,
            "crash: bursts that nobody heard",
            around_crash.lost.len() as f64,
            "",
        );
        self.report.add(figure.note(format!(
            "of {} from the crash to the deploy",
            around_crash.expected
        )));
        self.report
            .add_finals("rolling deploy", &notes.score(deployed_at, f64::INFINITY));
        third.terminate().await?;
        Ok(())
    }
}

const IN_FLIGHT_MS: f64 = 50.0;
