//! How a room passes from a worker that is about to stop to another one: both listen until the first says where it ended.

use std::time::{Duration, Instant};

use lectern_pipelines::{MeetingId, UnixMillis};
use lectern_storage::Inheritance;
use tokio::time::sleep;

use crate::{Context, backoff::insist, cover::unix_now, reconcile::LEASE_GRACE};

/// How long whoever is about to stop waits for the end of an utterance, once another worker hears the room too.
const LONG_PAUSE_PATIENCE: Duration = Duration::from_secs(2);
/// And how long for any pause.
const PAUSE_PATIENCE: Duration = Duration::from_secs(10);
/// A silence amid an utterance that no word goes through.
const SHORT_PAUSE: Duration = Duration::from_millis(240);
/// What comes before the first voice of an utterance is part of it.
const LEAD_MAX: Duration = Duration::from_millis(300);
/// How long a meeting that was accepted is nobody else's to accept: joining, and then [`CUT_PATIENCE`].
pub(crate) const ACCEPTED_FOR: Duration = Duration::from_secs(45);
/// How long the end of another worker's part is waited for.
const CUT_PATIENCE: Duration = Duration::from_secs(20);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Says that we hear the room of a meeting that we accepted, and waits for when it is ours; nothing where it isn't.
///
/// What was said before then is another worker's to recognise.
pub(crate) async fn inherit(context: &Context, meeting: &MeetingId) -> Option<UnixMillis> {
    let (database, heir) = (&context.database, context.holder.as_str());
    insist("say that a room is heard", || {
        database.hear_meeting(meeting, heir, unix_now())
    })
    .await;
    let began = Instant::now();
    while began.elapsed() < CUT_PATIENCE {
        // A giver that is only late keeps it, as from anybody else.
        let now = unix_now().saturating_sub(LEASE_GRACE);
        let inheritance = insist("see whether a meeting is handed over", || {
            database.inheritance(meeting, heir, now)
        });
        match inheritance.await {
            Inheritance::Since(cut) => return Some(cut),
            Inheritance::Void => return None,
            Inheritance::Awaited => sleep(LOOK_INTERVAL).await,
        }
    }
    None
}

/// Whether this is the moment to leave a room that another worker has heard for so long, when it is quiet for so long.
pub(crate) fn is_time_to_leave(quiet: Duration, heard_for: Duration) -> bool {
    let no_utterance = quiet == Duration::MAX;
    no_utterance || heard_for >= LONG_PAUSE_PATIENCE && quiet >= SHORT_PAUSE || heard_for >= PAUSE_PATIENCE
}

/// How much earlier than we leave the other worker begins: what we took for silence may be the beginning of a word, and
/// the end of the one before is ours.
pub(crate) fn lead(quiet: Duration) -> Duration {
    (quiet / 3).min(LEAD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_left_at_the_best_pause_there_is() {
        const fn ms(ms: u64) -> Duration {
            Duration::from_millis(ms)
        }
        for (heard_for, least) in [
            (0, Duration::MAX),
            (1_999, Duration::MAX),
            (2_000, ms(240)),
            (9_999, ms(240)),
        ] {
            let just_less = least - ms(1);
            assert!(is_time_to_leave(least, ms(heard_for)), "{heard_for} ms");
            assert!(!is_time_to_leave(just_less, ms(heard_for)), "{heard_for} ms");
        }
        assert!(
            is_time_to_leave(ms(0), ms(10_000)),
            "somebody speaks all the time"
        );
        assert_eq!(
            [ms(0), ms(240), Duration::MAX].map(lead),
            [ms(0), ms(80), ms(300)]
        );
    }
}
