//! A recogniser that fails in every way that recognisers do.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    bench::{Bench, USUAL},
    measure::now_ms,
    recogniser::{Failure, Order},
};

impl Bench {
    pub(crate) async fn failures(&mut self) -> anyhow::Result<()> {
        let worker = self.worker()?;
        let rooms = self.join(FAILURE_ROOMS, USUAL).await?;
        for room in &rooms {
            self.captioned(room, 0.0).await?;
        }
        let mut begun = Vec::new();
        for (what, failure, seconds) in FAILURES {
            // The bursts that are under way are part of what fails.
            begun.push((what, now_ms() - USUAL.as_millis() as f64));
            self.recogniser
                .order(&Order::Fail(failure, seconds * 1000))
                .await?;
            sleep(Duration::from_secs(seconds) + catch_up(seconds)).await;
        }
        let notes = self.end(&rooms).await?;
        let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([f64::INFINITY]);
        for ((what, from), until) in begun.iter().zip(ends) {
            self.report
                .add_finals(&format!("recogniser {what}"), &notes.score(*from, until));
        }
        worker.terminate().await?;
        Ok(())
    }
}

/// How long kept audio may take to be recognised after a failure of so many seconds.
fn catch_up(seconds: u64) -> Duration {
    Duration::from_secs(10 + seconds)
}

const FAILURES: [(&str, Failure, u64); 5] = [
    ("closes", Failure::Close, 0),
    ("refuses for 5 s", Failure::Refuse, 5),
    ("answers 503 for 5 s", Failure::Unavailable, 5),
    ("hangs for 5 s", Failure::Hang, 5),
    ("refuses for 20 s", Failure::Refuse, 20),
];
const FAILURE_ROOMS: usize = 3;
