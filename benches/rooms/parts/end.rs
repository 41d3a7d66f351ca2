//! A room deleted in the middle of a word, with a recogniser that takes its time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    bench::{Bench, USUAL},
    measure::now_ms,
    recogniser::Order,
    report::Figure,
    score::Score,
};

impl Bench {
    pub(crate) async fn ends(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        self.recogniser.order(&Order::Delay(SLOW_MS)).await?;
        let mut slowest: f64 = 0.0;
        let mut score = Score::default();
        for _ in 0..END_ROOMS {
            let room = self.join(1, USUAL).await?.remove(0);
            let heard_at = self.captioned(&room, 0.0).await?;
            let whole = self.next_burst(&room, heard_at).await?;
            let cut_at = whole.began_at + USUAL.as_millis() as f64 + CUT_MS;
            sleep(Duration::from_millis((cut_at - now_ms()).max(0.0) as u64)).await;
            self.delete(&room).await?;
            let deleted = Instant::now();
            let cut = self.next_burst(&room, whole.began_at + CUT_MS).await?;
            let missing = self
                .transcribed(&room, &[whole.number, cut.number], TRANSCRIPT_PATIENCE)
                .await?;
            slowest = slowest.max(deleted.elapsed().as_secs_f64());
            score.expected += 2;
            score
                .lost
                .extend(missing.iter().map(|number| format!("{room}/{number}")));
        }
        self.end(&[]).await?;
        self.recogniser.order(&Order::Delay(0)).await?;
        let what = format!("room deleted mid-word, recogniser {SLOW_MS} ms slow → transcript complete");
        self.report.add(
            Figure::new(2, what, slowest, "s")
                .at_most(5.0)
                .note("peer: 2 of 9 never written"),
        );
        self.report.add_finals("room deleted mid-word", &score);
        worker.terminate().await?;
        Ok(())
    }
}

const END_ROOMS: usize = 3;
/// How much of its last burst a deleted room heard.
const CUT_MS: f64 = 150.0;
const SLOW_MS: u64 = 300;
const TRANSCRIPT_PATIENCE: Duration = Duration::from_secs(15);
