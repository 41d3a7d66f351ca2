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
        for rooms in ROOMS {
            self.takeover_of(rooms).await?;
        }
        Ok(())
    }

    async fn takeover_of(&mut self, rooms: usize) -> anyhow::Result<()> {
        let first = self.worker()?;
        first.registered().await?;
        let names = self.join(rooms, QUICK).await?;
        for room in &names {
            self.captioned(room, 0.0).await?;
        }
        let second = self.worker()?;
        second.registered().await?;

        first.crash().await?;
        let crashed_at = now_ms();
        let (mut listening_at, mut captioned_at) = (crashed_at, crashed_at);
        for room in &names {
            // What was on its way at that moment is of the dead.
            let captioned = self.captioned(room, crashed_at + IN_FLIGHT_MS).await?;
            captioned_at = captioned_at.max(captioned);
            let listening = second.listening(room);
            listening_at = listening_at.max(listening.context("whoever captions has listened")?.at);
        }
        let figure = Figure::new(
            7,
            format!("crash of {rooms} rooms → captions again in all"),
            (captioned_at - crashed_at) / 1000.0,
            "s",
        )
        .at_most(2.0);
        let note = format!(
            "listening after {:.1} s; a burst every {} s; peer: never",
            (listening_at - crashed_at) / 1000.0,
            QUICK.as_secs_f64()
        );
        self.report.add(figure.note(note));

        let third = self.worker()?;
        third.registered().await?;
        sleep(SETTLE).await;
        let deployed_at = now_ms() - QUICK.as_millis() as f64;
        second.terminate().await?;
        let left_after = now_ms() - deployed_at - QUICK.as_millis() as f64;
        sleep(SETTLE).await;
        let notes = self.end(&names).await?;
        let around_crash = notes.score(crashed_at - QUICK.as_millis() as f64, deployed_at);
        let figure = Figure::new(
            1,
            format!("crash of {rooms} rooms: bursts that nobody heard"),
            around_crash.lost.len() as f64,
            "",
        );
        self.report.add(figure.note(format!(
            "of {} from the crash to the deploy",
            around_crash.expected
        )));
        self.report.add_finals(
            &format!("rolling deploy of {rooms} rooms"),
            &notes.score(deployed_at, f64::INFINITY),
        );
        let what = format!("rolling deploy of {rooms} rooms: the first has left all");
        self.report.add(Figure::new(7, what, left_after / 1000.0, "s"));
        third.terminate().await?;
        Ok(())
    }
}

/// Rooms at once.
const ROOMS: [usize; 2] = [1, 10];
const IN_FLIGHT_MS: f64 = 50.0;
