//! Real speech over a bad network: what is lost of it, and that the time is kept.

use std::time::Duration;

use libwebrtc::internals::{Heard, Redundancy, Way, hear_through};

/// 5 % lost, some in a row, some twice, and up to 40 ms of delay, so that packets overtake each other.
const BAD: Way = Way {
    loss: 0.05,
    loss_run: 1.3,
    duplication: 0.01,
    delay: Duration::from_millis(40),
    jitter: Duration::from_millis(40),
};

/// 25 s of a reading.
fn speech() -> Vec<i16> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/austen/austen.wav");
    let mut reader = hound::WavReader::open(path).expect("the fixture is there");
    assert_eq!(reader.spec().sample_rate, 16_000);
    reader
        .samples()
        .collect::<Result<_, _>>()
        .expect("the fixture is whole")
}

/// Root mean square: how loud it is.
fn loudness(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / samples.len() as f64).sqrt()
}

/// How alike two recordings of the same are, from 0 to 1: by how loud they are over time, at the delay that fits best.
fn likeness(one: &[i16], other: &[i16]) -> f64 {
    let contour = |samples: &[i16]| -> Vec<f64> { samples.chunks_exact(320).map(loudness).collect() };
    let one = contour(one);
    let at = |delay: usize| {
        let other = contour(&other[delay..]);
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let length = one.len().min(other.len());
        let (one, other) = (&one[..length], &other[..length]);
        product(one, other) / (product(one, one) * product(other, other)).sqrt()
    };
    // Up to 100 ms, in steps of 2 ms.
    (0..1600).step_by(32).map(at).fold(0.0, f64::max)
}

fn check(redundancy: Redundancy, made_up_seconds_max: f64) {
    let speech = speech();
    let seconds = speech.len() as f64 / 16_000.0;
    let clean = hear_through(Way::CLEAN, 1, redundancy, &speech);
    for seed in [1, 2] {
        let heard = hear_through(BAD, seed, redundancy, &speech);
        let length = heard.samples.len() as f64 / 16_000.0;
        assert!(
            (seconds + 0.7..=seconds + 1.1).contains(&length),
            "{length} s of {seconds} and one more"
        );
        let Heard {
            made_up, recovered, ..
        } = heard;
        assert!(made_up <= made_up_seconds_max, "{made_up} s were made up");
        assert!(recovered >= 30, "{recovered} packets recovered of some 60 lost");
        let likeness = likeness(&clean.samples, &heard.samples);
        assert!(likeness > 0.97, "{likeness} alike");
    }
}

#[test]
fn without_a_fault_all_is_heard() {
    let speech = speech();
    let heard = hear_through(Way::CLEAN, 1, Redundancy::None, &speech);
    assert_eq!((heard.made_up, heard.recovered), (0.0, 0));
    let likeness = likeness(&speech, &heard.samples);
    assert!(likeness > 0.98, "{likeness} alike");
}

#[test]
fn forward_error_correction_bounds_what_is_made_up() {
    check(Redundancy::None, 0.6);
}

#[test]
fn redundancy_bounds_what_is_made_up() {
    check(Redundancy::Red, 0.2);
}
