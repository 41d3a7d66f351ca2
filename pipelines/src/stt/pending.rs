//! Speech that the recogniser has not settled yet.

use std::collections::VecDeque;

use crate::journal::Span;

/// The audio since the last final, in chunks as they are sent, so that a new connection can be given it again.
///
/// Bounded by its owner through [`Pending::drop_oldest`].
#[derive(Debug, Default)]
pub(crate) struct Pending {
    items: VecDeque<Item>,
    samples: u64,
    /// How many items from the front the present connection has been sent.
    sent: usize,
    /// Samples sent over the present connection before the front item.
    base: u64,
    /// Whether finals have already covered the beginning of the front utterance.
    begun: bool,
    /// What nobody has to recognise any more, since that was last asked.
    settled: Vec<Span>,
}

/// One thing to send.
#[derive(Debug)]
pub(crate) enum Item {
    /// Voice, or the silence around it.
    Audio {
        /// In samples since the meeting began.
        position: u64,
        /// At most [`CHUNK_SAMPLES`].
        samples: Vec<i16>,
    },
    /// The utterance is over: ask for its final.
    UtteranceEnd,
}

/// 40 ms: small enough for captions to be quick, large enough for a websocket to be cheap.
pub(crate) const CHUNK_SAMPLES: usize = 640;

impl Pending {
    /// Appends samples said at `position`, filling the last chunk first.
    pub(crate) fn push(&mut self, mut position: u64, mut samples: &[i16]) {
        self.samples += samples.len() as u64;
        if let Some(Item::Audio {
            position: start,
            samples: chunk,
        }) = self.items.back_mut()
            && *start + chunk.len() as u64 == position
        {
            let (head, rest) = samples.split_at(samples.len().min(CHUNK_SAMPLES - chunk.len()));
            chunk.extend_from_slice(head);
            position += head.len() as u64;
            samples = rest;
        }
        for piece in samples.chunks(CHUNK_SAMPLES) {
            let mut chunk = Vec::with_capacity(CHUNK_SAMPLES);
            chunk.extend_from_slice(piece);
            self.items.push_back(Item::Audio {
                position,
                samples: chunk,
            });
            position += piece.len() as u64;
        }
    }

    /// Ends the utterance, if one was begun.
    pub(crate) fn end_utterance(&mut self) {
        if matches!(self.items.back(), Some(Item::Audio { .. })) || (self.items.is_empty() && self.begun) {
            self.items.push_back(Item::UtteranceEnd);
        }
    }

    /// The next item to send: a full chunk, or what stands before another item.
    pub(crate) fn unsent(&self) -> Option<&Item> {
        let item = self.items.get(self.sent)?;
        let complete = match item {
            Item::Audio { samples, .. } => samples.len() == CHUNK_SAMPLES || self.sent + 1 < self.items.len(),
            Item::UtteranceEnd => true,
        };
        complete.then_some(item)
    }

    /// Counts the item from [`Pending::unsent`] as sent.
    pub(crate) fn mark_sent(&mut self) {
        self.sent += 1;
    }

    /// A new connection has been sent nothing.
    pub(crate) fn restart(&mut self) {
        self.sent = 0;
        self.base = 0;
    }

    /// Finals cover the connection's stream up to here (in samples).
    pub(crate) fn acknowledge(&mut self, stream: u64) {
        while self.sent > 0 {
            match self.items.front() {
                Some(Item::Audio { samples, .. }) if self.base + samples.len() as u64 <= stream => {
                    self.begun = true;
                }
                Some(Item::UtteranceEnd) if self.base <= stream => self.begun = false,
                _ => return,
            }
            self.settle_oldest();
        }
    }

    /// If all that is left of the front utterance is at most `tail` samples behind what finals have covered, it is
    /// the silence after the last word: nobody has to answer for it.
    pub(crate) fn forget_tail(&mut self, tail: u64) {
        let Some(end) = self
            .items
            .iter()
            .position(|item| matches!(item, Item::UtteranceEnd))
        else {
            return;
        };
        let left: u64 = self.items.range(..end).map(Item::len).sum();
        if self.begun && left <= tail {
            for _ in 0..=end {
                self.settle_oldest();
            }
            self.begun = false;
        }
    }

    /// Takes out the oldest items, so that what is left begins at a pause, or else at the quietest moment, between
    /// `most` and `least` samples before the end. None where so little waits, or where it begins at a pause already.
    pub(crate) fn split(&mut self, least: u64, most: u64) -> Vec<Item> {
        let seam = self.seam(least, most);
        (0..seam).filter_map(|_| self.take_oldest()).collect()
    }

    /// How many items stand before the best place to cut.
    fn seam(&self, least: u64, most: u64) -> usize {
        let mut left = self.samples;
        let mut quietest = None;
        for (at, item) in self.items.iter().enumerate() {
            left -= item.len();
            match item {
                Item::UtteranceEnd if left <= most => return at + 1,
                Item::Audio { samples, .. } if (least..=most).contains(&left) => {
                    let power = power(samples);
                    if quietest.is_none_or(|(least, _)| power < least) {
                        quietest = Some((power, at + 1));
                    }
                }
                _ => {}
            }
        }
        quietest.map_or(0, |(_, seam)| seam)
    }

    /// Takes out the oldest item.
    pub(crate) fn take_oldest(&mut self) -> Option<Item> {
        let item = self.pop()?;
        self.begun = false;
        Some(item)
    }

    /// Drops the oldest item; gives the stretch of audio that is lost with it, in samples of the meeting.
    pub(crate) fn drop_oldest(&mut self) -> Option<(u64, u64)> {
        match self.pop()? {
            Item::Audio { position, samples } => Some((position, position + samples.len() as u64)),
            Item::UtteranceEnd => None,
        }
    }

    /// Nobody has to recognise this any more.
    pub(crate) fn note_settled(&mut self, span: Span) {
        match self.settled.last_mut() {
            Some(last) if last.to == span.from => last.to = span.to,
            _ => self.settled.push(span),
        }
    }

    /// What nobody has to recognise any more, since this was last asked.
    pub(crate) fn take_settled(&mut self) -> impl Iterator<Item = Span> {
        self.settled.drain(..)
    }

    /// Whether nothing waits for the recogniser.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether some audio has been sent and not settled.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.sent > 0
    }

    /// How much of the present connection's stream needs no answer any more, in samples.
    pub(crate) fn settled_in_stream(&self) -> u64 {
        self.base
    }

    /// Samples that wait.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    fn settle_oldest(&mut self) {
        if let Some(Item::Audio { position, samples }) = self.pop() {
            self.note_settled(Span::of(position, samples.len() as u64));
        }
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.samples -= item.len();
        if self.sent > 0 {
            self.sent -= 1;
            self.base += item.len();
        }
        Some(item)
    }
}

impl Item {
    fn len(&self) -> u64 {
        match self {
            Self::Audio { samples, .. } => samples.len() as u64,
            Self::UtteranceEnd => 0,
        }
    }
}

/// Of the sum of all samples; an `i16` squared 2^32 times would fit.
fn power(samples: &[i16]) -> u64 {
    samples
        .iter()
        .map(|sample| u64::from(sample.unsigned_abs()).pow(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send_all(pending: &mut Pending) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Some(item) = pending.unsent() {
            lengths.push(item.len() as usize);
            pending.mark_sent();
        }
        lengths
    }

    #[test]
    fn frames_become_chunks_and_a_cut_ends_one() {
        let mut pending = Pending::default();
        for n in 0..5 {
            pending.push(n * 320, &[1; 320]);
        }
        assert_eq!(
            send_all(&mut pending),
            [640, 640],
            "the fifth frame waits for a sixth"
        );
        pending.push(100_000, &[1; 320]);
        assert_eq!(send_all(&mut pending), [320]);
        pending.end_utterance();
        assert_eq!(send_all(&mut pending), [320, 0]);
    }

    #[test]
    fn finals_free_what_they_cover_and_a_new_connection_gets_the_rest() {
        let mut pending = Pending::default();
        pending.push(0, &[1; 6400]);
        send_all(&mut pending);
        pending.acknowledge(3_300);
        assert_eq!(pending.samples(), 3_200);
        pending.restart();
        assert!(matches!(
            pending.unsent(),
            Some(Item::Audio { position: 3_200, .. })
        ));
        send_all(&mut pending);
        pending.acknowledge(640);
        assert_eq!(pending.samples(), 2_560);
    }

    #[test]
    fn trailing_silence_is_forgotten_only_behind_a_final() {
        let mut pending = Pending::default();
        pending.push(0, &[1; 6400]);
        pending.end_utterance();
        send_all(&mut pending);
        pending.forget_tail(8_000);
        assert!(!pending.is_empty(), "a short word must not be taken for silence");
        pending.acknowledge(640);
        pending.forget_tail(8_000);
        assert!(pending.is_empty());
        assert_eq!(pending.samples(), 0);
    }
}
