//! A recogniser that is away for ten minutes while somebody speaks.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    bench::{Bench, SETTLE},
    measure::now_ms,
    people,
    recogniser::{Failure, Order, bursts_in},
    report::Figure,
};

impl Bench {
    pub(crate) async fn outage(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        let room = self.join(1, PERIOD).await?.remove(0);
        self.captioned(&room, 0.0).await?;
        let away_at = now_ms() - PERIOD.as_millis() as f64;
        let away_ms = AWAY.as_millis() as u64;
        self.recogniser
            .order(&Order::Fail(Failure::Refuse, away_ms))
            .await?;
        let began = Instant::now();
        while began.elapsed() < AWAY {
            eprintln!(
                "  the recogniser is away for {} s yet",
                (AWAY - began.elapsed()).as_secs()
            );
            sleep(PROGRESS.min(AWAY.saturating_sub(began.elapsed()))).await;
        }
        let back_at = now_ms();
        let (said_at, captioned_at) = self.live_again(&room, back_at).await?;
        let live = (captioned_at - said_at.max(back_at)) / 1000.0;
        self.people.order(&people::Order::Hush).await?;
        let hole = away_at..back_at;
        while !self.is_caught_up(&room, |burst| hole.contains(&burst.began_at))
            && now_ms() < back_at + HOLE_MS
        {
            sleep(Duration::from_millis(100)).await;
        }
        let filled = (now_ms() - back_at) / 1000.0;
        sleep(SETTLE).await;
        let notes = self.end(&[room]).await?;
        let what = |what: &str| format!("recogniser away {} s: {what}", AWAY.as_secs());
        let figure = Figure::new(9, what("return, or the next burst → its caption"), live, "s");
        self.report.add(figure.at_most(3.0));
        let figure = Figure::new(9, what("return → all of the hole captioned"), filled, "s");
        self.report.add(figure.at_most(120.0));
        self.report
            .add_finals(&what("all"), &notes.score(away_at, f64::INFINITY));
        worker.terminate().await?;
        Ok(())
    }

    /// When the first burst after some moment began, and when its caption came.
    async fn live_again(&self, room: &str, after: f64) -> anyhow::Result<(f64, f64)> {
        let burst = self.next_burst(room, after).await?;
        let captioned = self
            .people
            .reports
            .wait_for("live captions", PATIENCE, |reports| {
                reports.iter().find_map(|report| match report {
                    people::Report::Caption(caption) if caption.room == room && caption.at > after => {
                        let mut bursts = bursts_in(&caption.text).into_iter();
                        let is_it = bursts.any(|(number, _)| number == burst.number);
                        is_it.then_some(caption.at)
                    }
                    _ => None,
                })
            });
        Ok((burst.began_at, captioned.await?))
    }
}

const AWAY: Duration = Duration::from_secs(600);
const PROGRESS: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
/// Of 256 numbers none comes twice.
const PERIOD: Duration = Duration::from_secs(3);
/// How long the hole may take: longer than promised, so that it is seen how much.
const HOLE_MS: f64 = 300_000.0;
