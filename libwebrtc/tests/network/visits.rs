//! People who come and go. Of many, and of the memory that is left of them, tells `make endurance`.

use std::time::Duration;

use crate::{
    LOOPBACK,
    support::{
        Log, Participant, PeerConnections, Rtc, Server, again, options, patient,
        visits::{Holdings, visit},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_leaves_nothing_behind() {
    // The other tests of this process have tasks and sockets of their own.
    let alone = again("visits::whoever_leaves_leaves_nothing_behind", "ALONE", |_| {});
    if !alone.is_inside() {
        return;
    }
    let rtc = Rtc {
        log: Log::Sparse,
        ..LOOPBACK
    };
    let server = Server::start("visits", &rtc);
    let mut host = Participant::join(&server, "host", options(PeerConnections::Two)).await;
    // The first make what all that follow use.
    for number in 0..2 {
        visit(&server, &mut host, number).await;
    }
    let before = settled(|_| true).await;
    for number in 0..6 {
        visit(&server, &mut host, number).await;
    }
    settled(|now| {
        println!("before: {before}, now: {now}");
        now.threads <= before.threads && now.files <= before.files && now.tasks <= before.tasks
    })
    .await;
}

/// What there is once whoever left is gone to the last, and `is_enough`.
async fn settled(is_enough: impl Fn(&Holdings) -> bool) -> Holdings {
    let waiting = async {
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = Holdings::now();
            if is_enough(&now) {
                return now;
            }
        }
    };
    patient("whoever left to be gone", waiting).await
}
