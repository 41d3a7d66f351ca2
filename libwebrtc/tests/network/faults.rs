//! Servers that stop for a while, or die. The longer ones: `make endurance`.

use std::time::Duration;

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
    let before = call.ben.account();
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

    let (account, packets) = (call.ben.account(), call.ben.packets().await);
    assert_eq!(account.tracks, 1, "the session is the same");
    assert!(account.told.is_sorted(), "{:?}", account.told);
    let came = packets as f64 * 0.02;
    let heard = account.seconds_of_tone();
    assert!((came - heard).abs() < 0.1, "{came} s came, {heard} s are heard");
    let meanwhile = account.seconds_passed() - before.seconds_passed() - FREEZE.as_secs_f64();
    let burst = heard - before.seconds_of_tone() - meanwhile;
    assert!(burst > 1.0, "{burst} s of the freeze came");
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
