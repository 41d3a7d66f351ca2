//! Start-up, idle memory, and a room that was there first.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    bench::{Bench, IDLE, QUICK},
    measure::{cpu, memory_mb},
    report::Figure,
};

impl Bench {
    pub(crate) async fn starts(&mut self) -> anyhow::Result<()> {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let worker = self.worker()?;
            times.push(worker.registered().await? - worker.started_at);
            worker.terminate().await?;
        }
        self.report.add_percentiles(
            7,
            "worker start → registered",
            &times,
            &[(0.5, Some(200.0)), (1.0, Some(200.0))],
            "peer 3800–13000",
        );

        let worker = self.worker()?;
        worker.registered().await?;
        sleep(IDLE).await;
        let before = cpu(worker.id)?;
        sleep(IDLE).await;
        let idle = (cpu(worker.id)? - before).as_secs_f64() * 1000.0 / IDLE.as_secs_f64();
        let figure = Figure::new(5, "idle memory (PSS)", memory_mb(worker.id)?, "MB");
        self.report.add(figure.at_most(25.0).note("peer 370–480"));
        self.report.add(Figure::new(4, "idle CPU", idle, "ms/s"));
        worker.terminate().await?;

        let room = self.join(1, QUICK).await?.remove(0);
        sleep(Duration::from_secs(2)).await;
        let worker = self.worker()?;
        let captioned_at = self.captioned(&room, worker.started_at).await?;
        let seconds = (captioned_at - worker.started_at) / 1000.0;
        let what = "room made while no worker ran → captioned after its start";
        self.report.add(Figure::new(7, what, seconds, "s").at_most(6.0));
        self.end(&[room]).await?;
        worker.terminate().await?;
        Ok(())
    }
}

const STARTS: usize = 5;
