//! Rooms that come and go: memory that stays.

use tokio::time::sleep;

use crate::{
    bench::{Bench, USUAL},
    measure::memory_mb,
    report::Figure,
    score::Score,
};

impl Bench {
    pub(crate) async fn growth(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        worker.registered().await?;
        let mut after = Vec::new();
        let mut finals = Score::default();
        for _ in 0..GROWTH_ROUNDS {
            let rooms = self.join(GROWTH_ROOMS, USUAL).await?;
            let mut heard = Vec::new();
            for room in &rooms {
                heard.push(self.captioned(room, 0.0).await?);
            }
            let from = heard.into_iter().fold(0.0, f64::max);
            sleep(2 * USUAL).await;
            finals.add(self.end(&rooms).await?.score(from, f64::INFINITY));
            self.calm(&worker).await?;
            after.push(memory_mb(worker.id)?);
        }
        // What the first round makes for all that follow is no growth.
        let (first, last) = (after[1], after[after.len() - 1]);
        let rooms = GROWTH_ROOMS * (after.len() - 2);
        let figure = Figure::new(
            6,
            "memory that stays, per room that came and went",
            (last - first) * 1000.0 / rooms as f64,
            "kB",
        );
        let rounds: Vec<_> = after.iter().map(|mb| format!("{mb:.1}")).collect();
        self.report.add(figure.note(format!(
            "MB after each {GROWTH_ROOMS} rooms: {}",
            rounds.join(", ")
        )));
        self.report.add_finals("rooms that come and go", &finals);
        worker.terminate().await?;
        Ok(())
    }
}

const GROWTH_ROOMS: usize = 10;
const GROWTH_ROUNDS: usize = 4;
