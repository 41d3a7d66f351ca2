//! The part of a file that a client asks for (RFC 9110, 14): one range of bytes, or all.

/// Which bytes of a file to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of them.
    All,
    /// From `first` to `last`, both included.
    Part { first: u64, last: u64 },
    /// None that there are.
    Beyond,
}

impl Wanted {
    /// What the header `Range` asks for of a file of `bytes` bytes, which is not empty. What we don't understand, and
    /// several ranges at once, count as no wish: all is always right.
    pub(crate) fn parse(header: Option<&str>, bytes: u64) -> Self {
        let range = header.and_then(|header| header.trim().strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
            return Self::All;
        };
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u64>().ok(),
            false => None,
        };
        match (first, last, number(first), number(last)) {
            ("", _, _, Some(0)) => Self::Beyond,
            ("", _, _, Some(length)) => Self::Part {
                first: bytes.saturating_sub(length),
                last: bytes - 1,
            },
            (_, "", Some(first), _) if first < bytes => Self::Part {
                first,
                last: bytes - 1,
            },
            (_, _, Some(first), Some(last)) if first <= last && first < bytes => Self::Part {
                first,
                last: last.min(bytes - 1),
            },
            (_, "", Some(_), _) => Self::Beyond,
            (_, _, Some(first), Some(last)) if first <= last => Self::Beyond,
            _ => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        let part = |first, last| Wanted::Part { first, last };
        for (header, wanted) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=4-", part(4, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=10-12", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-2", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("pages=1-2", Wanted::All),
        ] {
            assert_eq!(Wanted::parse(Some(header), 10), wanted, "{header}");
        }
        assert_eq!(Wanted::parse(None, 10), Wanted::All);
    }

    proptest! {
        #[test]
        fn no_header_asks_for_what_is_not_there(header in "(bytes=)?[0-9,\\- ]{0,44}", bytes in 1..u64::MAX) {
            if let Wanted::Part { first, last } = Wanted::parse(Some(&header), bytes) {
                prop_assert!(first <= last && last < bytes);
            }
        }
    }
}
