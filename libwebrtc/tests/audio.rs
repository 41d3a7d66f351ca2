//! Audio from one connection to another, over sockets of this machine.

mod pair;

use std::time::Duration;

use libwebrtc::{
    audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
    prelude::*,
    stats::{InboundRtpStats, OutboundRtpStats, RtcStats},
};

use pair::{Speaker, connect, listener, next};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

fn tone(sample_rate: u32) -> impl FnMut(usize) -> i16 {
    let hz = 1000.0;
    move |index| {
        let turns = index as f64 * hz / f64::from(sample_rate);
        ((turns.fract() * std::f64::consts::TAU).sin() * 8_000.0) as i16
    }
}

/// A stream that loses nothing while nobody takes from it.
fn hear(track: RtcAudioTrack) -> NativeAudioStream {
    let options = NativeAudioStreamOptions {
        queue_size_frames: Some(0),
    };
    NativeAudioStream::with_options(track, 16_000, 1, options)
}

async fn sent(connection: &PeerConnection) -> OutboundRtpStats {
    let stats = connection.get_stats().await.expect("figures");
    let outbound = stats.into_iter().find_map(|stats| match stats {
        RtcStats::OutboundRtp(outbound) => Some(outbound),
        _ => None,
    });
    outbound.expect("something is sent")
}

async fn received(connection: &PeerConnection) -> InboundRtpStats {
    let stats = connection.get_stats().await.expect("figures");
    let inbound = stats.into_iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    });
    inbound.expect("something is received")
}

/// The next samples, so many that they hold what is asked of them.
async fn listen_until(stream: &mut NativeAudioStream, mut is_enough: impl FnMut(&[i16]) -> bool) -> Vec<i16> {
    let mut samples = Vec::new();
    let listening = async {
        while !is_enough(&samples) {
            let frame = next(stream).await.expect("the track goes on");
            samples.extend_from_slice(&frame.data);
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .expect("what is waited for is heard");
    samples
}

/// Publishes three seconds of a tone and gives the bytes that a packet of it had on average.
async fn publish_a_tone(sample_rate: u32, change: impl FnOnce(String) -> String) -> f64 {
    let (speaker, listener) = (Speaker::new(sample_rate), listener());
    let track = connect(&speaker.connection, &listener, change).await;
    let mut stream = hear(track);
    // Nothing is lost while a way is looked for: the source waits.
    let said = speaker.say(300, tone(sample_rate));
    let is_loud = |sample: &i16| sample.unsigned_abs() > 4_000;
    let heard = listen_until(&mut stream, |samples| {
        samples
            .iter()
            .position(is_loud)
            .is_some_and(|start| samples.len() - start >= 16_000 * 5 / 2)
    });
    let (heard, ()) = tokio::join!(heard, said);
    let start = heard.iter().position(is_loud).expect("the tone was heard");
    // Where this machine was busy with something else, silence stands for what came late.
    let is_heard = |frame: &&[i16]| frame.iter().any(|sample| *sample != 0);
    let frames: Vec<&[i16]> = heard[start..].chunks_exact(160).filter(is_heard).collect();
    let tone = frames[25..].concat();
    let risings = tone.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    let per_second = risings as f64 / (tone.len() as f64 / 16_000.0);
    assert!(
        (990.0..1010.0).contains(&per_second),
        "{per_second} risings in a second"
    );

    let inbound = received(&listener).await;
    assert!(inbound.received.packets_received >= 125);
    assert_eq!(inbound.received.packets_lost, 0);
    assert!(inbound.received.jitter > 0.0 && inbound.received.jitter < 1.0);
    let (concealed, silent) = (
        inbound.inbound.concealed_samples,
        inbound.inbound.silent_concealed_samples,
    );
    assert_eq!(concealed, silent, "nothing was made up but silence");
    assert!((0.1..0.5).contains(&inbound.inbound.audio_level));
    let outbound = sent(&speaker.connection).await;
    assert_eq!(outbound.outbound.target_bitrate, 24_000.0);
    outbound.sent.bytes_sent as f64 / outbound.sent.packets_sent as f64
}

#[tokio::test]
async fn a_tone_of_any_rate_arrives_as_it_was_with_redundancy_if_the_answer_asks_for_it() {
    let plain = publish_a_tone(44_100, |answer| answer);
    let redundant = publish_a_tone(48_000, |answer| answer.replace("SAVPF 111 63", "SAVPF 63 111"));
    let (plain, redundant) = tokio::join!(plain, redundant);
    assert!(
        redundant > plain * 1.7,
        "{redundant} bytes in a packet that should be two, {plain} in one"
    );
}

#[tokio::test]
async fn a_muted_track_sends_nothing_and_is_heard_as_silence() {
    let (speaker, listener) = (Speaker::new(48_000), listener());
    let track = connect(&speaker.connection, &listener, |answer| answer).await;
    let mut stream = hear(track);
    let microphone = speaker.connection.senders()[0].track().expect("a track is sent");
    let speaking = async { speaker.say(usize::MAX, tone(48_000)).await };
    let checking = async {
        listen_until(&mut stream, |samples| {
            samples.iter().any(|sample| *sample > 4_000)
        })
        .await;
        microphone.set_enabled(false);
        let is_silent = |samples: &[i16]| {
            samples.len() >= 8_000 && samples[samples.len() - 8_000..].iter().all(|sample| *sample == 0)
        };
        listen_until(&mut stream, is_silent).await;
        let before = sent(&speaker.connection).await;
        assert!(!before.outbound.active);
        listen_until(&mut stream, |samples| samples.len() >= 8_000).await;
        let after = sent(&speaker.connection).await;
        assert_eq!(before.sent.packets_sent, after.sent.packets_sent);
        microphone.set_enabled(true);
        listen_until(&mut stream, |samples| {
            samples.iter().any(|sample| *sample > 4_000)
        })
        .await;
    };
    tokio::select! {
        () = speaking => unreachable!("it goes on for ever"),
        () = checking => {}
    }
}

#[tokio::test]
async fn silence_is_left_out_if_the_answer_asks_for_that() {
    let (speaker, listener) = (Speaker::new(16_000), listener());
    let change = |answer: String| answer.replace("useinbandfec=1", "useinbandfec=1;usedtx=1");
    let track = connect(&speaker.connection, &listener, change).await;
    let mut stream = hear(track);
    tokio::join!(speaker.say(200, |_| 0), async {
        listen_until(&mut stream, |samples| samples.len() >= 16_000 * 2).await;
    });
    let packets = sent(&speaker.connection).await.sent.packets_sent;
    assert!(
        (1..60).contains(&packets),
        "{packets} packets for two silent seconds"
    );
}

#[tokio::test]
async fn a_track_nobody_speaks_on_is_silence_from_the_beginning() {
    let (speaker, listener) = (Speaker::new(48_000), listener());
    let track = connect(&speaker.connection, &listener, |answer| answer).await;
    let samples = listen_until(&mut hear(track), |samples| samples.len() >= 8_000).await;
    assert!(samples.iter().all(|sample| *sample == 0));
}

#[tokio::test]
async fn figures_tell_of_the_path_and_of_what_the_other_side_says() {
    let (speaker, listener) = (Speaker::new(48_000), listener());
    let track = connect(&speaker.connection, &listener, |answer| answer).await;
    let _stream = hear(track);
    let checking = async {
        loop {
            let stats = speaker.connection.get_stats().await.expect("figures");
            let find = |wanted: fn(&RtcStats) -> bool| stats.iter().any(wanted);
            let has_all = find(|stats| {
                matches!(stats, RtcStats::RemoteInboundRtp(remote)
                    if remote.received.packets_received > 0 && remote.remote_inbound.local_id == "outbound-0")
            }) && find(|stats| {
                matches!(stats, RtcStats::CandidatePair(path)
                    if path.candidate_pair.nominated && path.candidate_pair.packets_sent > 0
                        && path.candidate_pair.responses_received > 0)
            }) && find(|stats| {
                matches!(stats, RtcStats::Transport(transport)
                    if transport.transport.bytes_sent > 0 && transport.transport.bytes_received > 0)
            });
            if has_all {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = async { speaker.say(usize::MAX, tone(48_000)).await } => unreachable!("it goes on for ever"),
        told = tokio::time::timeout(PATIENCE, checking) => told.expect("all figures come"),
    }
}
