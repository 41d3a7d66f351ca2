//! Servers that stop for a while, or die. The longer ones: `make endurance`.

use std::time::{Duration, Instant};

use crate::{
    LOOPBACK,
    support::{PeerConnections, Server, conversation::Conversation, options},
};

/// Of what was sent meanwhile every message arrives, once and in order; and of audio all that the server passes on.
/// LiveKit's (1.13.5) keeps some 200 packets per track and drops the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_after_its_server_was_frozen() {
    let server = Server::start("frozen", &LOOPBACK);
    let mut call = Conversation::begin(&server, || options(PeerConnections::Two)).await;
    let began = Instant::now();
    let (before, received_before) = (call.ben.account(), call.ben.received().await);
    server.freeze();
    tokio::time::sleep(FREEZE).await;
    call.ben.keeps_time().await;
    server.thaw();
    call.goes_on().await;
    assert_eq!(call.messages_lost().await, 0);
    call.ada.fall_silent();
    call.ben.keeps_time().await;
    // Until the last of the tone has come out of the queues.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let (account, received) = (call.ben.account(), call.ben.received().await);
    assert_eq!(account.tracks, 1, "the session is the same");
    assert!(account.told.is_sorted(), "{:?}", account.told);
    let heard = account.seconds_of_tone() - before.seconds_of_tone();
    let came = received.seconds - received_before.seconds;
    let made_up = received.seconds_made_up - received_before.seconds_made_up;
    assert!(
        (came - QUEUED_SECONDS..came + made_up + QUEUED_SECONDS).contains(&heard),
        "{came} s came, {made_up} s were made up, {heard} s are heard; {received:?}"
    );
    let burst = heard - (began.elapsed() - FREEZE).as_secs_f64();
    assert!(burst > 0.5, "{burst} s of the freeze came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_after_its_server_died() {
    let mut server = Server::start("killed", &LOOPBACK);
    for connections in [PeerConnections::One, PeerConnections::Two] {
        let call = Conversation::begin(&server, || options(connections)).await;
        server.kill_and_restart();
        call.goes_on().await;
        for side in [&call.ada, &call.ben] {
            let account = side.account();
            // Whoever is back first may find the other still there, as the new server has heard of them.
            assert!(
                account.tracks > 1 && account.tracks_ended == account.tracks - 1,
                "{account:?}"
            );
            side.keeps_time().await;
        }
    }
}

/// Shorter than the 15 s after which the SDK takes the server for lost.
const FREEZE: Duration = Duration::from_secs(10);
/// How much of what came is not heard yet, at most, while it comes in time.
const QUEUED_SECONDS: f64 = 0.2;
