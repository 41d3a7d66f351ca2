//! The first of two recognisers is away for a while.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    bench::{Bench, USUAL, start_recogniser},
    measure::now_ms,
    recogniser::{Failure, Order, Report},
    report::Figure,
};

impl Bench {
    pub(crate) async fn failover(&mut self) -> anyhow::Result<()> {
        let (standby, port) = start_recogniser().await?;
        self.surroundings.ports.push(port);
        let worker = self.worker();
        self.surroundings.ports.pop();
        let worker = worker?;
        let rooms = self.join(ROOMS, USUAL).await?;
        for room in &rooms {
            self.captioned(room, 0.0).await?;
        }
        let mut begun = Vec::new();
        for (what, failure, seconds) in FAILURES {
            let failed_at = now_ms();
            // The bursts that are under way are part of what fails.
            begun.push((what, failed_at - USUAL.as_millis() as f64));
            self.recogniser
                .order(&Order::Fail(failure, seconds * 1000))
                .await?;
            sleep(Duration::from_secs(seconds)).await;
            let stood_in = said_finals(&standby.reports.all(), failed_at);
            let back_at = now_ms();
            sleep(RETURN).await;
            let served = said_finals(&self.recogniser.reports.all(), back_at);
            anyhow::ensure!(stood_in > 0, "first recogniser {what}: the second was not asked");
            anyhow::ensure!(served > 0, "first recogniser {what}: it was not returned to");
            let figure = Figure::new(
                1,
                format!("first recogniser {what}: finals by the second"),
                stood_in as f64,
                "",
            );
            self.report
                .add(figure.note(format!("then {served} by the first again")));
        }
        let notes = self.end(&rooms).await?;
        let ends = begun.iter().skip(1).map(|(_, at)| *at).chain([f64::INFINITY]);
        for ((what, from), until) in begun.iter().zip(ends) {
            self.report
                .add_finals(&format!("first recogniser {what}"), &notes.score(*from, until));
        }
        worker.terminate().await?;
        Ok(())
    }
}

fn said_finals(reports: &[Report], from: f64) -> usize {
    let is_final =
        |report: &&Report| matches!(report, Report::Said(said) if said.is_final && said.said_at > from);
    reports.iter().filter(is_final).count()
}

const FAILURES: [(&str, Failure, u64); 3] = [
    ("refuses for 10 s", Failure::Refuse, 10),
    ("answers 503 for 10 s", Failure::Unavailable, 10),
    ("hangs for 25 s", Failure::Hang, 25),
];
/// Until the first must serve again: a probe, a pause, a burst, and another if the probe just failed.
const RETURN: Duration = Duration::from_secs(40);
const ROOMS: usize = 3;
