//! Which servers a connection asks for help, and which it does not.

use std::{net::UdpSocket, time::Duration};

use libwebrtc::{
    data_channel::DataChannelInit,
    ice_candidate::IceCandidate,
    peer_connection::{OfferOptions, PeerConnection},
    peer_connection_factory::{
        IceServer, IceTransportsType, PeerConnectionFactory, RtcConfiguration, StunServers,
    },
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn configuration(url: String) -> RtcConfiguration {
    let mut config = RtcConfiguration::default();
    config.ice_servers = vec![IceServer {
        urls: vec![url],
        username: "name".to_owned(),
        password: "opensesame".to_owned(),
    }];
    config
}

/// A connection that has begun to look for its addresses.
async fn gathering(config: RtcConfiguration) -> (PeerConnection, UnboundedReceiver<IceCandidate>) {
    let connection = PeerConnectionFactory::default()
        .create_peer_connection(config)
        .expect("a connection");
    let (sender, candidates) = unbounded_channel();
    connection.on_ice_candidate(Some(Box::new(move |candidate| {
        sender.send(candidate).ok();
    })));
    connection
        .create_data_channel("test", DataChannelInit::default())
        .expect("a channel");
    let offer = connection
        .create_offer(OfferOptions::default())
        .await
        .expect("an offer");
    connection.set_local_description(offer).await.expect("set");
    (connection, candidates)
}

#[tokio::test]
async fn stun_servers_are_asked_only_if_an_application_says_so() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
    server
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    let url = format!("stun:{}", server.local_addr().expect("bound"));
    let (_quiet, mut candidates) = gathering(configuration(url.clone())).await;
    assert!(candidates.recv().await.is_some());
    let mut config = configuration(url);
    config.stun_servers = StunServers::Asked;
    let (_asking, mut candidates) = gathering(config).await;
    let answering = tokio::task::spawn_blocking(move || {
        let mut question = [0; 100];
        let (length, asker) = server.recv_from(&mut question).expect("a question");
        assert_eq!((length, &question[..2]), (20, &[0, 1][..]));
        server.send_to(&answer(&question[4..20]), asker).expect("sent");
        // Whoever was not told to ask would have asked first.
        server.set_nonblocking(true).expect("set");
        assert!(server.recv_from(&mut question).is_err(), "somebody else asks too");
    });
    loop {
        let candidate = candidates.recv().await.expect("a candidate").candidate();
        if candidate.contains("typ srflx") {
            assert!(candidate.contains("203.0.113.7 4000"), "{candidate}");
            break;
        }
    }
    answering.await.expect("answered");
}

/// You look like 203.0.113.7:4000.
fn answer(cookie_and_id: &[u8]) -> Vec<u8> {
    let mut answer = vec![1, 1, 0, 12];
    answer.extend(cookie_and_id);
    answer.extend([0, 0x20, 0, 8, 0, 1]);
    answer.extend((4000_u16 ^ 0x2112).to_be_bytes());
    answer.extend(
        [203, 0, 113, 7]
            .iter()
            .zip(cookie_and_id)
            .map(|(byte, mask)| byte ^ mask),
    );
    answer
}

#[tokio::test]
async fn only_relays_without_a_relay_are_refused() {
    let factory = PeerConnectionFactory::default();
    for (url, is_accepted) in [
        ("stun:192.0.2.1", false),
        ("turn:192.0.2.1", true),
        ("turns:192.0.2.1", true),
    ] {
        let mut config = configuration(url.to_owned());
        config.ice_transport_type = IceTransportsType::Relay;
        assert_eq!(
            factory.create_peer_connection(config).is_ok(),
            is_accepted,
            "{url}"
        );
    }
}

#[tokio::test]
async fn nobody_is_told_our_addresses_where_only_relays_are_allowed() {
    let mut config = configuration("turn:127.0.0.1:9".to_owned());
    config.ice_transport_type = IceTransportsType::Relay;
    let (connection, mut candidates) = gathering(config).await;
    let offer = connection
        .create_offer(OfferOptions::default())
        .await
        .expect("an offer");
    assert!(!offer.to_string().contains("a=candidate"), "{offer}");
    assert!(candidates.try_recv().is_err());
}

#[test]
fn no_password_is_printed() {
    let config = configuration("turn:192.0.2.1".to_owned());
    assert!(!format!("{config:?}").contains("opensesame"));
}
