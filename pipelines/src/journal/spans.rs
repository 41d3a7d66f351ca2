//! Stretches of a meeting, in samples.

/// From one sample to another, which is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Many of them as one set: in order, none touching another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<Span>);

impl Span {
    pub(crate) fn of(position: u64, samples: u64) -> Self {
        Self {
            from: position,
            to: position.saturating_add(samples),
        }
    }

    pub(crate) fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl Spans {
    /// Adds what is in a span.
    pub(super) fn add(&mut self, span: Span) {
        if span.len() == 0 {
            return;
        }
        let first = self.0.partition_point(|known| known.to < span.from);
        let touched = self.0[first..].partition_point(|known| known.from <= span.to);
        let merged = self.0[first..first + touched]
            .iter()
            .fold(span, |all, known| Span {
                from: all.from.min(known.from),
                to: all.to.max(known.to),
            });
        self.0.splice(first..first + touched, [merged]);
    }

    /// What of a span isn't in here, in order.
    pub(super) fn missing_of(&self, span: Span) -> impl Iterator<Item = Span> {
        let first = self.0.partition_point(|known| known.to <= span.from);
        let mut from = span.from;
        let known = self.0[first..]
            .iter()
            .take_while(move |known| known.from < span.to);
        let ends = known.copied().chain([Span {
            from: span.to,
            to: span.to,
        }]);
        ends.filter_map(move |known| {
            let missing = Span {
                from,
                to: known.from.min(span.to),
            };
            from = from.max(known.to);
            (missing.len() > 0).then_some(missing)
        })
    }

    /// Whether some of what is in here begins where the span ends, or the other way round.
    pub(super) fn touches(&self, span: Span) -> bool {
        let near = self.0.partition_point(|known| known.to < span.from);
        self.0.get(near).is_some_and(|known| known.from <= span.to)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn samples(span: Span) -> impl Iterator<Item = u64> {
        span.from..span.to
    }

    proptest! {
        #[test]
        fn spans_are_a_set_of_samples(
            added in prop::collection::vec((0u64..100, 0u64..12), 0..12),
            (from, length) in (0u64..100, 0u64..40),
        ) {
            let mut spans = Spans::default();
            let mut set = BTreeSet::new();
            for (from, length) in added {
                let span = Span { from, to: from + length };
                spans.add(span);
                set.extend(samples(span));
            }
            prop_assert!(spans.0.windows(2).all(|pair| pair[0].to < pair[1].from));
            prop_assert_eq!(spans.iter().flat_map(samples).collect::<BTreeSet<_>>(), set.clone());
            let span = Span { from, to: from + length };
            let missing: Vec<u64> = spans.missing_of(span).flat_map(samples).collect();
            prop_assert_eq!(missing, samples(span).filter(|sample| !set.contains(sample)).collect::<Vec<_>>());
        }
    }
}
