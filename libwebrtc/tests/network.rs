//! Calls through a real LiveKit server, on one kind of network after the other.

#[path = "network/faults.rs"]
mod faults;
#[expect(dead_code, reason = "some of it is for the tests of encryption alone")]
mod support;
#[path = "network/visits.rs"]
mod visits;

use livekit::webrtc::{
    peer_connection_factory::{IceServer, IceTransportsType},
    stats::IceCandidateType,
};

use support::{Call, Log, PeerConnections, Rtc, Server, again, options, variable};

const LOOPBACK: Rtc = Rtc {
    address: "127.0.0.1",
    lines: "",
    log: Log::Detailed,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_this_machine() {
    let server = Server::start("loopback", &LOOPBACK);
    for connections in [PeerConnections::One, PeerConnections::Two] {
        let call = Call::begin(&server, || options(connections)).await;
        for (ours, theirs) in call.paths().await {
            assert_eq!(
                (ours.protocol.as_str(), theirs.address.as_str()),
                ("udp", "127.0.0.1")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tcp() {
    let rtc = Rtc {
        lines: "force_tcp: true",
        ..LOOPBACK
    };
    let server = Server::start("tcp", &rtc);
    for connections in [PeerConnections::One, PeerConnections::Two] {
        let call = Call::begin(&server, || options(connections)).await;
        for (ours, theirs) in call.paths().await {
            assert_eq!((ours.protocol.as_str(), theirs.protocol.as_str()), ("tcp", "tcp"));
        }
    }
}

async fn call_through_relay(name: &str, url: String) {
    let server = Server::start(name, &LOOPBACK);
    let relay = IceServer {
        urls: vec![url],
        username: variable("TURN_USERNAME"),
        password: variable("TURN_PASSWORD"),
    };
    let only_by_relay = |connections| {
        let mut options = options(connections);
        options.rtc_config.ice_servers = vec![relay.clone()];
        options.rtc_config.ice_transport_type = IceTransportsType::Relay;
        options
    };
    let call = Call::begin(&server, || only_by_relay(PeerConnections::Two)).await;
    for (ours, _) in call.paths().await {
        assert_eq!(ours.candidate_type, Some(IceCandidateType::Relay));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_through_a_relay_over_udp() {
    let port = variable("TURN_PORT");
    call_through_relay("turn-udp", format!("turn:127.0.0.1:{port}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_through_a_relay_over_tcp() {
    let port = variable("TURN_PORT");
    call_through_relay("turn-tcp", format!("turn:127.0.0.1:{port}?transport=tcp")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_through_a_relay_over_tls() {
    let trusted = again("a_call_through_a_relay_over_tls", "TRUSTED", |command| {
        command.env("SSL_CERT_FILE", variable("TURN_AUTHORITY"));
    });
    if trusted.is_inside() {
        let port = variable("TURN_TLS_PORT");
        call_through_relay("turn-tls", format!("turns:localhost:{port}")).await;
    }
}

/// The relay that LiveKit has in itself, with the credentials that it hands out.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_through_the_servers_own_relay() {
    let server = Server::start_with_relay("turn-own", &LOOPBACK);
    let only_by_relay = || {
        let mut options = options(PeerConnections::One);
        options.rtc_config.ice_transport_type = IceTransportsType::Relay;
        options
    };
    let call = Call::begin(&server, only_by_relay).await;
    for (ours, _) in call.paths().await {
        assert_eq!(ours.candidate_type, Some(IceCandidateType::Relay));
    }
}

#[cfg(target_os = "linux")]
mod namespaces {
    use super::*;
    use crate::support::namespace::{RELAY_PORT, SERVER, SERVER_V6, TCP_PORT, UDP_PORT, Wires, in_namespace};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_moves_to_another_interface() {
        if !in_namespace("namespaces::a_call_moves_to_another_interface") {
            return;
        }
        let wires = Wires::lay();
        let server = wires.start_server(SERVER);
        let mut call = Call::begin(&server, || options(PeerConnections::Two)).await;
        let used = call.addresses().await.remove(0);
        wires.cut(&used);
        call.works().await;
        assert!(!call.addresses().await.contains(&used));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_over_ipv6() {
        if !in_namespace("namespaces::a_call_over_ipv6") {
            return;
        }
        let wires = Wires::lay();
        let server = wires.start_server(SERVER_V6);
        let call = Call::begin(&server, || options(PeerConnections::Two)).await;
        for (ours, theirs) in call.paths().await {
            assert_eq!(
                (ours.address.as_str(), theirs.address.as_str()),
                ("fd77:1::2", SERVER_V6)
            );
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_goes_by_tcp_where_udp_is_blocked_and_survives_breaks() {
        if !in_namespace("namespaces::a_call_goes_by_tcp_where_udp_is_blocked_and_survives_breaks") {
            return;
        }
        let wires = Wires::lay();
        wires.block("udp", UDP_PORT);
        // Or the relay, which is as good a way, is now and then found first.
        wires.block("udp", RELAY_PORT);
        let server = wires.start_server(SERVER);
        let mut call = Call::begin(&server, || options(PeerConnections::Two)).await;
        for (ours, _) in call.paths().await {
            assert_eq!(ours.protocol, "tcp");
        }
        wires.break_connections(TCP_PORT);
        call.talk("after the break").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_goes_by_a_relay_where_nothing_else_is_let_through() {
        if !in_namespace("namespaces::a_call_goes_by_a_relay_where_nothing_else_is_let_through") {
            return;
        }
        let wires = Wires::lay();
        wires.block("udp", UDP_PORT);
        wires.block("tcp", TCP_PORT);
        let server = wires.start_server(SERVER);
        let call = Call::begin(&server, || options(PeerConnections::Two)).await;
        for (ours, _) in call.paths().await {
            assert_eq!(ours.candidate_type, Some(IceCandidateType::Relay));
        }
    }
}
