//! Speech that waits for a recogniser to come back, compressed.

use std::collections::VecDeque;

use opus::{Application, Bitrate, Channels, Decoder, Encoder};

use super::pending::Item;
use crate::{SAMPLE_RATE_HZ, journal::Span};

/// What was said while no recogniser took it: two hours of a track at most, 30 MB as Opus.
///
/// It comes in as it was said and goes out in [`Piece`]s that begin and end at pauses where they can, so that several
/// connections may work on them at once. Bounded by its owner through [`Spool::drop_oldest`].
#[derive(Debug, Default)]
pub(crate) struct Spool {
    /// There while the last stretch may go on: tens of kilobytes that most tracks never need.
    encoder: Option<Encoder>,
    stretches: VecDeque<Stretch>,
    samples: u64,
    /// Samples that don't fill a frame yet, of the last stretch.
    partial: Vec<i16>,
    /// How many stretches from the front [`Spool::next_complete`] has given.
    given: usize,
}

/// Speech without a pause, of a second at most; a longer one goes on in the next.
#[derive(Debug, PartialEq)]
pub(crate) struct Stretch {
    /// Of the first sample, in samples of the meeting.
    pub(crate) position: u64,
    /// How many there are, those in [`Spool::partial`] included.
    pub(crate) samples: u64,
    /// Frames of 20 ms, each after its length in bytes.
    pub(crate) frames: Vec<u8>,
    /// Whether the encoder knew nothing of what came before.
    pub(crate) is_fresh: bool,
    pub(crate) ends_utterance: bool,
}

/// Makes samples of stretches, one after the other.
pub(crate) struct StretchDecoder(Decoder);

/// A part of it, as it was said.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// Audio and the ends of utterances.
    pub(crate) items: Vec<Item>,
}

impl Spool {
    /// Puts aside what was said after all that is here.
    pub(crate) fn push(&mut self, item: &Item) {
        match item {
            Item::Audio { position, samples } => self.push_audio(*position, samples),
            Item::UtteranceEnd => self.end_utterance(),
        }
    }

    /// The next utterance, or several short ones; of a long one, a part.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        self.end_frame();
        let mut piece = Piece::default();
        let mut decoder = StretchDecoder::new();
        let mut taken = 0;
        while let Some(stretch) = self.stretches.pop_front() {
            self.forget(&stretch);
            taken += stretch.samples;
            let is_enough = taken >= PIECE_SAMPLES_MAX || taken >= PIECE_SAMPLES && stretch.ends_utterance;
            piece.items.push(Item::Audio {
                position: stretch.position,
                samples: decoder.samples_of(&stretch),
            });
            if stretch.ends_utterance {
                piece.items.push(Item::UtteranceEnd);
            }
            if is_enough {
                break;
            }
        }
        if !matches!(piece.items.last(), None | Some(Item::UtteranceEnd)) {
            piece.items.push(Item::UtteranceEnd);
        }
        (!piece.items.is_empty()).then_some(piece)
    }

    /// Gives up the oldest second or less; says where in the meeting it was, in samples.
    pub(crate) fn drop_oldest(&mut self) -> Option<(u64, u64)> {
        self.end_frame();
        let stretch = self.stretches.pop_front()?;
        self.forget(&stretch);
        Some((stretch.position, stretch.position + stretch.samples))
    }

    /// A stretch that nothing will be added to, each once and in order.
    pub(crate) fn next_complete(&mut self) -> Option<&Stretch> {
        let may_go_on = usize::from(self.encoder.is_some());
        if self.given + may_go_on >= self.stretches.len() {
            return None;
        }
        self.given += 1;
        self.stretches.get(self.given - 1)
    }

    /// Whether what comes next may belong to the utterance at the end.
    pub(crate) fn is_amid_utterance(&self) -> bool {
        self.stretches.back().is_some_and(|last| !last.ends_utterance)
    }

    /// Where what waits ends, in samples of the meeting.
    pub(crate) fn end(&self) -> Option<u64> {
        self.stretches.back().map(|last| last.position + last.samples)
    }

    /// Samples that wait.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    fn forget(&mut self, first: &Stretch) {
        self.samples -= first.samples;
        self.given = self.given.saturating_sub(1);
    }

    fn push_audio(&mut self, position: u64, samples: &[i16]) {
        let goes_on = self.encoder.is_some() && self.end() == Some(position);
        if !goes_on {
            self.end_frame();
        }
        let is_full = |last: &Stretch| last.samples >= STRETCH_SAMPLES;
        if !goes_on || self.stretches.back().is_some_and(is_full) {
            // A frame must not belong to two.
            let carried = self.partial.len() as u64;
            if let Some(last) = self.stretches.back_mut() {
                last.samples -= carried;
            }
            self.stretches.push_back(Stretch {
                position: position - carried,
                samples: carried,
                frames: Vec::new(),
                is_fresh: !goes_on,
                ends_utterance: false,
            });
        }
        self.samples += samples.len() as u64;
        self.partial.extend_from_slice(samples);
        let last = self.stretches.back_mut().expect("just made sure of");
        last.samples += samples.len() as u64;
        let encoder = match goes_on {
            true => self.encoder.get_or_insert_with(new_encoder),
            false => self.encoder.insert(new_encoder()),
        };
        let mut frames = self.partial.chunks_exact(FRAME_SAMPLES);
        for frame in &mut frames {
            encode(encoder, frame, &mut last.frames);
        }
        self.partial = frames.remainder().to_vec();
    }

    fn end_utterance(&mut self) {
        self.end_frame();
        self.encoder = None;
        if let Some(last) = self.stretches.back_mut() {
            last.ends_utterance = true;
        }
    }

    /// What doesn't fill a frame is followed by silence in it, so that nothing can go on behind it.
    fn end_frame(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        self.partial.resize(FRAME_SAMPLES, 0);
        let last = self.stretches.back_mut().expect("samples belong to a stretch");
        let mut encoder = self.encoder.take().expect("a frame has been begun");
        encode(&mut encoder, &self.partial, &mut last.frames);
        self.partial.clear();
    }
}

impl Stretch {
    pub(crate) fn span(&self) -> Span {
        Span::of(self.position, self.samples)
    }
}

impl StretchDecoder {
    pub(crate) fn new() -> Self {
        Self(Decoder::new(SAMPLE_RATE_HZ, Channels::Mono).expect("Opus knows 16 kHz and one channel"))
    }

    /// What was said in the stretch that follows; silence for frames that are broken.
    pub(crate) fn samples_of(&mut self, stretch: &Stretch) -> Vec<i16> {
        if stretch.is_fresh {
            self.0.reset_state().expect("a decoder can begin anew");
        }
        let length = usize::try_from(stretch.samples).expect("a stretch is short");
        let mut samples = Vec::with_capacity(length.next_multiple_of(FRAME_SAMPLES));
        let mut rest = stretch.frames.as_slice();
        while let Some((frame, later)) = rest
            .split_first()
            .and_then(|(length, frames)| frames.split_at_checked(usize::from(*length)))
        {
            let mut decoded = [0; FRAME_SAMPLES];
            if self.0.decode(frame, &mut decoded, false).is_err() {
                decoded.fill(0);
            }
            samples.extend_from_slice(&decoded);
            rest = later;
        }
        samples.resize(length, 0);
        samples
    }
}

fn new_encoder() -> Encoder {
    let mut encoder = Encoder::new(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)
        .expect("Opus knows 16 kHz and one channel");
    encoder
        .set_bitrate(Bitrate::Bits(BITS_PER_SECOND))
        .expect("Opus knows this rate");
    encoder
}

fn encode(encoder: &mut Encoder, frame: &[i16], frames: &mut Vec<u8>) {
    let mut bytes = [0; FRAME_BYTES_MAX];
    let length = encoder
        .encode(frame, &mut bytes)
        .expect("20 ms at 16 kHz are a frame");
    frames.push(u8::try_from(length).expect("Opus keeps to the space that it is given"));
    frames.extend_from_slice(&bytes[..length]);
}

/// What speech at 16 kHz loses nothing by that a recogniser hears.
const BITS_PER_SECOND: i32 = 32_000;
/// 20 ms.
pub(crate) const FRAME_SAMPLES: usize = 320;
/// What one byte can count.
const FRAME_BYTES_MAX: usize = 255;
const STRETCH_SAMPLES: u64 = SAMPLE_RATE_HZ as u64;
/// A piece is given to one connection: long enough to be worth it, short enough to be soon done beside others.
const PIECE_SAMPLES: u64 = 12 * SAMPLE_RATE_HZ as u64;
/// Where nobody pauses.
const PIECE_SAMPLES_MAX: u64 = 20 * SAMPLE_RATE_HZ as u64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::tests::voice;

    /// Where audio is, and how many utterances end.
    fn shape(pieces: &[Piece]) -> (Vec<(u64, u64)>, usize) {
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        let mut ends = 0;
        for item in pieces.iter().flat_map(|piece| &piece.items) {
            match (item, stretches.last_mut()) {
                (Item::Audio { position, samples }, Some((_, end))) if end == position => {
                    *end += samples.len() as u64;
                }
                (Item::Audio { position, samples }, _) => {
                    stretches.push((*position, position + samples.len() as u64));
                }
                (Item::UtteranceEnd, _) => ends += 1,
            }
        }
        (stretches, ends)
    }

    fn take_all(spool: &mut Spool) -> Vec<Piece> {
        std::iter::from_fn(|| spool.take()).collect()
    }

    #[test]
    fn what_was_said_comes_back_as_it_sounded() {
        let said = voice(3_000);
        let mut spool = Spool::default();
        for (n, samples) in said.chunks(640).enumerate() {
            spool.push(&Item::Audio {
                position: 5_000 + n as u64 * 640,
                samples: samples.to_vec(),
            });
        }
        let bytes: usize = spool.stretches.iter().map(|stretch| stretch.frames.len()).sum();
        assert!(bytes <= 3 * BITS_PER_SECOND as usize / 8 * 6 / 5, "{bytes} bytes");
        let pieces = take_all(&mut spool);
        assert_eq!(shape(&pieces), (vec![(5_000, 5_000 + said.len() as u64)], 1));
        let heard: Vec<i16> = pieces[0]
            .items
            .iter()
            .flat_map(|item| match item {
                Item::Audio { samples, .. } => samples.as_slice(),
                Item::UtteranceEnd => &[],
            })
            .copied()
            .collect();
        let power = |samples: &[i16]| {
            samples
                .iter()
                .map(|sample| f64::from(*sample).powi(2))
                .sum::<f64>()
        };
        let ratio = power(&heard) / power(&said);
        assert!((0.7..1.3).contains(&ratio), "{ratio} of its power");
    }

    #[test]
    fn pieces_end_at_pauses_and_where_nobody_pauses_anyway() {
        let mut spool = Spool::default();
        let mut position = 0;
        for seconds in [4, 4, 8, 70] {
            for _ in 0..seconds {
                let samples = vec![0; 16_000];
                spool.push(&Item::Audio { position, samples });
                position += 16_000;
            }
            spool.push(&Item::UtteranceEnd);
            position += 16_000;
        }
        let seconds: Vec<u64> = take_all(&mut spool)
            .iter()
            .map(|piece| {
                shape(std::slice::from_ref(piece))
                    .0
                    .iter()
                    .map(|(from, to)| (to - from) / 16_000)
                    .sum()
            })
            .collect();
        assert_eq!(seconds, [16, 20, 20, 20, 10]);
        assert_eq!(spool.samples(), 0);
    }

    #[test]
    fn taking_the_oldest_moves_nothing_that_follows() {
        let mut spool = Spool::default();
        let mut position = 0;
        let mut push = |spool: &mut Spool, samples: usize| {
            let samples = vec![7; samples];
            spool.push(&Item::Audio {
                position,
                samples: samples.clone(),
            });
            position += samples.len() as u64;
        };
        push(&mut spool, 16_000);
        push(&mut spool, 100);
        assert_eq!(spool.drop_oldest(), Some((0, 16_000)));
        push(&mut spool, 540);
        spool.end_frame();
        for stretch in &spool.stretches {
            let mut frames = 0;
            let mut rest = stretch.frames.as_slice();
            while let Some((length, later)) = rest.split_first() {
                rest = &later[usize::from(*length)..];
                frames += 1;
            }
            assert_eq!(
                frames,
                stretch.samples.div_ceil(FRAME_SAMPLES as u64),
                "silence stands amid {stretch:?}"
            );
        }
        assert_eq!(shape(&take_all(&mut spool)).0, [(16_000, 16_640)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nothing_is_lost_and_nothing_comes_twice(
            parts in prop::collection::vec((0u64..3_000, 1usize..40_000, any::<bool>()), 1..12),
            dropped in 0usize..3,
        ) {
            let mut spool = Spool::default();
            let mut position = 0;
            let mut said = Vec::new();
            for (pause, length, ends) in parts {
                position += pause;
                spool.push(&Item::Audio { position, samples: vec![7; length] });
                said.push((position, position + length as u64));
                position += length as u64;
                if ends {
                    spool.push(&Item::UtteranceEnd);
                }
            }
            let total: u64 = said.iter().map(|(from, to)| to - from).sum();
            prop_assert_eq!(spool.samples(), total);
            let mut got: Vec<(u64, u64)> = (0..dropped).map_while(|_| spool.drop_oldest()).collect();
            got.extend(shape(&take_all(&mut spool)).0);
            let joined = |stretches: Vec<(u64, u64)>| stretches.into_iter().fold(Vec::<(u64, u64)>::new(), |mut all, next| {
                match all.last_mut() {
                    Some(last) if last.1 == next.0 => last.1 = next.1,
                    _ => all.push(next),
                }
                all
            });
            prop_assert_eq!(joined(got), joined(said));
            prop_assert!(spool.end().is_none() && spool.samples() == 0);
        }
    }
}
