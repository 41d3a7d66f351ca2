//! Stream time to meeting time.

use std::collections::VecDeque;

/// Where in the meeting the samples sent over one connection were said.
///
/// A recogniser counts the audio it was sent; silence was not. So the map is piecewise: a new piece begins
/// wherever something was left out. All positions are in samples at 16 kHz.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    pieces: VecDeque<Piece>,
    sent: u64,
}

#[derive(Debug)]
struct Piece {
    /// First sample of the piece, counted from the stream's beginning.
    stream: u64,
    /// The same sample, counted from the meeting's beginning.
    meeting: u64,
}

impl Timeline {
    /// Notes that `samples` that were said at `meeting` have been sent.
    pub(crate) fn push(&mut self, meeting: u64, samples: u64) {
        let continues = self
            .pieces
            .back()
            .is_some_and(|piece| piece.meeting + (self.sent - piece.stream) == meeting);
        if !continues {
            self.pieces.push_back(Piece {
                stream: self.sent,
                meeting,
            });
        }
        self.sent += samples;
    }

    /// Samples sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// When what the recogniser has at `seconds` of its stream was said, in samples of the meeting.
    ///
    /// Any number is taken: before the stream means its beginning, beyond it its end.
    pub(crate) fn meeting_at(&self, seconds: f64, edge: Edge) -> u64 {
        let stream = self.stream_at(seconds);
        // The end of a word that touches a cut belongs before it, the start of one behind it.
        let piece = match edge {
            Edge::Start => self.pieces.iter().rev().find(|piece| piece.stream <= stream),
            Edge::End => self.pieces.iter().rev().find(|piece| piece.stream < stream),
        };
        let Some(piece) = piece.or(self.pieces.front()) else {
            return 0;
        };
        piece.meeting + stream.saturating_sub(piece.stream)
    }

    /// `seconds` of stream in samples, within what was sent.
    pub(crate) fn stream_at(&self, seconds: f64) -> u64 {
        // `as` turns what is negative or not a number into 0.
        ((seconds * f64::from(crate::SAMPLE_RATE_HZ)).round() as u64).min(self.sent)
    }

    /// Forgets pieces that end before this sample of the stream: nothing will be asked of them.
    pub(crate) fn forget_before(&mut self, stream: u64) {
        while self.pieces.get(1).is_some_and(|next| next.stream <= stream) {
            self.pieces.pop_front();
        }
    }
}

/// Which side of a stretch a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn silence_that_was_not_sent_is_added_back() {
        let mut timeline = Timeline::default();
        timeline.push(16_000, 8_000);
        timeline.push(24_000, 8_000);
        timeline.push(160_000, 16_000);
        assert_eq!(timeline.meeting_at(0.0, Edge::Start), 16_000);
        assert_eq!(timeline.meeting_at(0.75, Edge::Start), 28_000);
        assert_eq!(
            timeline.meeting_at(1.0, Edge::End),
            32_000,
            "an end stays before the cut"
        );
        assert_eq!(
            timeline.meeting_at(1.0, Edge::Start),
            160_000,
            "a start is behind the cut"
        );
        assert_eq!(timeline.meeting_at(1.5, Edge::Start), 168_000);
        assert_eq!(
            timeline.meeting_at(99.0, Edge::End),
            176_000,
            "beyond the end is the end"
        );
        assert_eq!(timeline.meeting_at(f64::NAN, Edge::Start), 16_000);
    }

    proptest! {
        #[test]
        fn order_is_kept(
            pieces in prop::collection::vec((0u64..50_000, 1u64..50_000), 1..20),
            first in 0.0..100.0f64,
            length in 0.0..100.0f64,
            forget in 0.0..100.0f64,
        ) {
            let mut timeline = Timeline::default();
            let mut meeting = 0;
            for (pause, samples) in pieces {
                meeting += pause;
                timeline.push(meeting, samples);
                meeting += samples;
            }
            let start = timeline.meeting_at(first, Edge::Start);
            prop_assert!(start <= timeline.meeting_at(first + length, Edge::Start));
            prop_assert!(timeline.meeting_at(first + length, Edge::End) <= meeting);
            let kept = timeline.stream_at(forget.min(first));
            timeline.forget_before(kept);
            prop_assert_eq!(timeline.meeting_at(first, Edge::Start), start);
        }
    }
}
