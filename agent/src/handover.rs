//! How a room passes from a worker that is about to stop to another one: both listen until the first says where it ended.

use std::time::{Duration, Instant};

use lectern_pipelines::{MeetingId, UnixMillis};
use lectern_storage::Inheritance;
use tokio::time::sleep;

use crate::{Context, backoff::insist, cover::unix_now, reconcile::LEASE_GRACE};

/// How long whoever is about to stop waits for a pause in what is said, once another worker hears it too.
pub(crate) const PAUSE_PATIENCE: Duration = Duration::from_secs(10);
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
