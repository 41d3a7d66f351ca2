//! A Python worker beside ours, in the same rooms on the same machine.

use tokio::time::sleep;

use crate::{
    bench::{Bench, IDLE},
    measure::memory_mb,
    parts::load::Load,
    report::Figure,
};

impl Bench {
    pub(crate) async fn peer(&mut self) -> anyhow::Result<()> {
        let ours = self.worker()?;
        ours.registered().await?;
        let our_load = self.load(&ours, PEER_ROOMS).await?;
        self.calm(&ours).await?;
        ours.terminate().await?;

        let peer = self.python_worker()?;
        let seconds = (peer.registered().await? - peer.started_at) / 1000.0;
        self.report
            .add(Figure::new(7, "Python worker: start → registered", seconds, "s"));
        sleep(IDLE).await;
        let idle_mb = memory_mb(peer.id)?;
        self.report
            .add(Figure::new(5, "Python worker: idle memory (PSS)", idle_mb, "MB"));
        let load = self.load(&peer, PEER_ROOMS).await?;
        peer.terminate().await?;

        let per_room = |load: &Load| load.cores["worker"] * 1000.0 / PEER_ROOMS as f64;
        let name = format!("Python worker, {PEER_ROOMS} rooms");
        let memory = (load.memory_mb - idle_mb) / PEER_ROOMS as f64;
        let lost = format!("{} of {} finals lost", load.score.lost.len(), load.score.expected);
        self.report.add(Figure::new(
            5,
            format!("{name}: memory per room (PSS)"),
            memory,
            "MB",
        ));
        self.report
            .add(Figure::new(4, format!("{name}: CPU per room"), per_room(&load), "ms/s").note(lost));
        let what = format!("{name}: final beyond the recogniser");
        self.report.add_percentiles(
            3,
            &what,
            &load.score.final_delays,
            &[(0.5, None), (0.99, None)],
            "",
        );
        let share = 100.0 * per_room(&our_load) / per_room(&load);
        let what = format!("{PEER_ROOMS} rooms: our CPU of the Python worker's");
        let note = format!("{:.1} of {:.1} ms/s", per_room(&our_load), per_room(&load));
        self.report
            .add(Figure::new(4, what, share, "%").at_most(10.0).note(note));
        Ok(())
    }
}

const PEER_ROOMS: usize = 10;
