//! What holds of any packets: in any order, some lost, some twice.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use opus::{Application, Channels, Encoder};
use proptest::prelude::*;

use super::{Chain, Packet};
use crate::{
    internals::{Relay, Way},
    red::{self, Block},
};

/// A second of a voice-like sound in packets of 20 ms, encoded once.
static VOICE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut encoder =
        Encoder::new(16_000, Channels::Mono, Application::Voip).expect("Opus encodes 16 kHz mono");
    encoder.set_inband_fec(true).expect("the encoder takes FEC");
    encoder
        .set_packet_loss_perc(20)
        .expect("the encoder takes a loss rate");
    let packet = |number: usize| {
        let samples: Vec<i16> = (number * 320..(number + 1) * 320)
            .map(|index| {
                let seconds = index as f64 / 16_000.0;
                let loudness = 0.6 + 0.4 * (seconds * 4.0 * std::f64::consts::TAU).sin();
                let harmonic = |n: i32| (seconds * 140.0 * f64::from(n) * std::f64::consts::TAU).sin();
                ((1..12).map(|n| harmonic(n) / f64::from(n)).sum::<f64>() * loudness * 6000.0) as i16
            })
            .collect();
        encoder.encode_vec(&samples, 1275).expect("20 ms can be encoded")
    };
    (0..50).map(packet).collect()
});

/// A speaker's packet with its number: pauses are in the timestamps alone.
fn packet(number: u64, tick: u64, redundancy: Option<u64>) -> Packet {
    let voice = |number: u64| &VOICE[number as usize % VOICE.len()];
    let mut payload = voice(number).clone();
    if let Some(ticks_before) = redundancy {
        let earlier = Block {
            ticks_before: ticks_before as u32,
            payload: voice(number - 1),
        };
        red::write(111, Some(earlier), voice(number), &mut payload);
    }
    Packet {
        ssrc: 7,
        sequence: 60_000 + number,
        timestamp: (1 << 33) + tick,
        payload: payload.into(),
        is_redundant: redundancy.is_some(),
        loudness: None,
    }
}

/// Plays what a way lets through, in the order and at the times it does, and checks the frames on the way.
struct Player {
    start: Instant,
    now: Instant,
    chain: Chain,
    frames: u64,
}

impl Player {
    fn new() -> Self {
        let start = Instant::now();
        let chain = Chain::new(16_000, 1, start).expect("Opus is decoded to 16 kHz mono");
        Self {
            start,
            now: start,
            chain,
            frames: 0,
        }
    }

    /// Lets time pass, poll by poll.
    fn wait(&mut self, until: Instant) {
        while self.chain.deadline() <= until {
            self.now = self.now.max(self.chain.deadline());
            let frames = &mut self.frames;
            self.chain.poll(self.now, &mut |_| *frames += 1);
        }
        self.now = until;
    }

    fn receive(&mut self, relay: &mut Relay<Packet>, until: Instant, mut check: impl FnMut(&Self)) {
        while let Some(at) = relay.next_arrival().filter(|at| *at <= until) {
            let at = at.max(self.now);
            self.wait(at);
            while let Some(packet) = relay.receive(at) {
                let frames = &mut self.frames;
                self.chain.push(at, &packet, &mut |_| *frames += 1);
            }
            check(self);
        }
        self.wait(until);
        check(self);
    }

    /// By how many milliseconds the stream is ahead of time.
    fn ahead(&self) -> i64 {
        let passed = (self.now - self.start).as_millis() as i64;
        self.frames as i64 * 10 - passed
    }
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// How far behind time a stream may be when nothing is late: what is waited for before it counts as silence, a step of
/// silence, and what does not fill a frame.
const BEHIND_MS_MAX: i64 = 400;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_samples_handed_out_equal_the_time_that_passed(
        seed: u64,
        loss in 0.0..0.6,
        loss_run in 1.0..4.0,
        duplication in 0.0..0.3,
        jitter_ms in 0_u64..400,
        // How many packets a phrase has, and how long the pause after it is.
        phrases in prop::collection::vec((1_u64..60, 0_u64..1500), 1..8),
        has_redundancy: bool,
    ) {
        let way = Way { loss, loss_run, duplication, delay: milliseconds(30), jitter: milliseconds(jitter_ms) };
        let (mut relay, mut player) = (Relay::new(way, seed), Player::new());
        let (mut number, mut sent_ms) = (1, 200);
        for (packets, pause_ms) in phrases {
            for place in 0..packets {
                let redundancy = (has_redundancy && place > 0).then_some(960);
                relay.send(player.start + milliseconds(sent_ms), packet(number, sent_ms * 48, redundancy));
                number += 1;
                sent_ms += 20;
            }
            sent_ms += pause_ms;
        }
        let bound = BEHIND_MS_MAX + jitter_ms as i64;
        let mut outside = None;
        let until = player.start + milliseconds(sent_ms + 1000);
        player.receive(&mut relay, until, |player| {
            if player.ahead().abs() > bound {
                outside = Some(player.ahead());
            }
        });
        prop_assert_eq!(outside, None, "ms ahead of time, where {} are allowed", bound);
        let figures = player.chain.figures();
        prop_assert!(figures.samples / 160 - player.frames <= 1, "samples are handed out in whole frames");
        prop_assert!(figures.samples_concealed <= figures.samples);
        prop_assert!(figures.samples_silent <= figures.samples_concealed);
    }

    #[test]
    fn what_is_late_and_in_order_is_heard_whole(
        freezes in prop::collection::vec((0_u64..200, 20_u64..12_000), 0..4),
        packets in 10_u64..200,
    ) {
        let (mut relay, mut player) = (Relay::new(Way::CLEAN, 1), Player::new());
        for number in 0..packets {
            let now = player.start + milliseconds(number * 20);
            for (_, for_ms) in freezes.iter().filter(|(at, _)| *at == number) {
                relay.freeze(now + milliseconds(*for_ms));
            }
            relay.send(now, packet(number, number * 960, None));
            player.receive(&mut relay, now, |_| ());
        }
        let until = player.start + milliseconds(packets * 20 + 20_000);
        player.receive(&mut relay, until, |_| ());
        let figures = player.chain.figures();
        prop_assert_eq!(figures.samples - figures.samples_silent, packets * 320, "every packet is heard");
        prop_assert_eq!(figures.samples_concealed, figures.samples_silent, "nothing is made up");
        prop_assert_eq!(figures.packets_discarded, 0);
        prop_assert!(player.ahead().abs() <= BEHIND_MS_MAX, "{} ms ahead in the end", player.ahead());
    }

    #[test]
    fn overtaken_and_doubled_packets_change_nothing(
        swaps in prop::collection::vec(0_usize..100, 0..30),
        doubles in prop::collection::vec(0_usize..100, 0..30),
    ) {
        let mut order = Vec::from_iter(0_u64..100);
        // Each place takes part in one exchange at most, so that nobody is overtaken by more than two.
        let mut last = 0;
        for place in swaps.into_iter().filter(|place| *place > 0) {
            if place >= last + 2 && place + 1 < order.len() {
                order.swap(place, place + 1);
                last = place;
            }
        }
        let mut player = Player::new();
        let mut doubled = 0;
        for (turn, number) in order.iter().enumerate() {
            let now = player.start + milliseconds(turn as u64 * 20);
            player.wait(now);
            let times = 1 + u64::from(doubles.contains(&turn));
            doubled += times - 1;
            for _ in 0..times {
                let frames = &mut player.frames;
                player.chain.push(now, &packet(*number, number * 960, None), &mut |_| *frames += 1);
            }
        }
        let figures = player.chain.figures();
        prop_assert_eq!(player.frames, 200);
        prop_assert_eq!(figures.samples_concealed, 0);
        prop_assert_eq!(figures.packets_discarded, doubled);
    }

    #[test]
    fn redundancy_makes_up_for_every_single_loss(lost in prop::collection::vec(2_u64..99, 0..40)) {
        let mut lost = lost;
        lost.sort_unstable();
        lost.dedup_by(|next, last| *next - *last < 2);
        let mut player = Player::new();
        for number in (1..=100).filter(|number| !lost.contains(number)) {
            let now = player.start + milliseconds(number * 20 - 20);
            player.wait(now);
            let frames = &mut player.frames;
            let redundancy = (number > 1).then_some(960);
            player.chain.push(now, &packet(number, number * 960, redundancy), &mut |_| *frames += 1);
        }
        let figures = player.chain.figures();
        prop_assert_eq!(player.frames, 200);
        prop_assert_eq!(figures.samples_concealed, 0);
        prop_assert_eq!(figures.packets_recovered, lost.len() as u64);
    }

    #[test]
    fn timestamps_alone_make_no_time(steps in prop::collection::vec(0_u64..150_000, 1..200)) {
        let mut player = Player::new();
        let mut tick = 0;
        for (number, step) in steps.iter().enumerate() {
            tick += step + 960;
            let now = player.start + milliseconds(number as u64 * 20);
            player.wait(now);
            let frames = &mut player.frames;
            player.chain.push(now, &packet(number as u64, tick, None), &mut |_| *frames += 1);
        }
        prop_assert!(player.ahead() <= 20, "{} ms ahead", player.ahead());
    }
}

#[test]
fn a_track_nobody_speaks_on_is_timed_silence_from_the_beginning() {
    let mut player = Player::new();
    let until = player.start + milliseconds(5_000);
    player.wait(until);
    assert!(
        (-BEHIND_MS_MAX..=0).contains(&player.ahead()),
        "{} ms ahead",
        player.ahead()
    );
    let figures = player.chain.figures();
    assert_eq!(figures.samples_silent, figures.samples);
    // Then somebody does: silence up to that moment, and the voice.
    let frames = &mut player.frames;
    player
        .chain
        .push(until, &packet(0, 0, None), &mut |_| *frames += 1);
    assert_eq!(player.ahead(), 20);
}

#[test]
fn silent_tracks_wake_nobody_often() {
    // Muted at different times, and polled whenever any of them must be.
    let mut players: Vec<Player> = (0..20).map(|_| Player::new()).collect();
    let start = players[0].start;
    for (number, player) in (0..).zip(&mut players) {
        player.start = start;
        player.chain = Chain::new(16_000, 1, start + milliseconds(number * 37)).expect("16 kHz mono");
    }
    let mut wakes = 0;
    let mut now = start + milliseconds(1_000);
    while now < start + milliseconds(61_000) {
        for player in &mut players {
            player.chain.poll(now, &mut |_| ());
        }
        let next = players.iter().map(|player| player.chain.deadline()).min();
        now = next.expect("there are players");
        wakes += 1;
    }
    assert!(wakes < 60 * 9, "{wakes} wakes in a minute");
}
