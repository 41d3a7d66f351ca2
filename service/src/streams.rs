//! Streams of events that are open: nobody may hold so many that others get none.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{ApiError, Service, caller::Caller};

/// How many streams each caller has open in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<String, usize>>>);

/// A stream that counts as open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Streams,
    caller: String,
}

impl Service {
    /// Counts a stream of the caller's, or says that they have too many.
    pub(crate) fn open_stream(&self, caller: &Caller) -> Result<OpenStream, ApiError> {
        let opened = self.streams.open(caller.key_for_limits());
        opened.ok_or_else(|| ApiError::rate_limited(CLOSED_WITHIN))
    }
}

impl Streams {
    fn open(&self, caller: String) -> Option<OpenStream> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(caller.clone()).or_default();
        if *count == STREAMS_OF_CALLER_MAX {
            return None;
        }
        *count += 1;
        Some(OpenStream {
            streams: self.clone(),
            caller,
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

/// A page has three, and people have several pages open.
const STREAMS_OF_CALLER_MAX: usize = 30;
/// By then we notice that a page that was closed does not listen any more.
const CLOSED_WITHIN: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_more_than_their_share() {
        let streams = Streams::default();
        let open = |caller: &str| streams.open(caller.to_owned());
        let mut held: Vec<_> = (0..STREAMS_OF_CALLER_MAX).filter_map(|_| open("ada")).collect();
        assert_eq!(held.len(), STREAMS_OF_CALLER_MAX);
        assert!(open("ada").is_none());
        let of_ben = open("ben");
        assert!(of_ben.is_some());
        held.pop();
        let again = open("ada");
        assert!(again.is_some());
        assert!(open("ada").is_none());
        drop((held, again, of_ben));
        assert!(
            streams.0.lock().expect("no panic").is_empty(),
            "nothing is kept of who left"
        );
    }
}
