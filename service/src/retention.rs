//! Forgetting: lectures and what else is left of rooms past their days, who did what, what webhooks were told.
//!
//! A little at each sweep, so that nothing waits for it. Every process does this; what one has done another finds done.

use std::time::Duration;

use lectern_pipelines::{RoomName, UnixMillis};
use lectern_storage::{Cursor, Expired, Room};

use crate::{ApiError, Service, rooms::RoomSettings};

/// How far a look at everything has come. A value of one process, which begins anew when that does.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// When to look at everything again.
    begins_at: Option<UnixMillis>,
    /// The room to go on after.
    after: Option<Cursor>,
}

impl Service {
    /// Looks at the next rooms whether anything there is too old; at all of them, and all else, every ten minutes.
    pub(crate) async fn expire(&self, expiry: &mut Expiry) -> Result<(), ApiError> {
        if expiry.begins_at.is_some_and(|begins_at| self.now() < begins_at) {
            return Ok(());
        }
        let page = self
            .database
            .rooms(None, ROOMS_PER_STEP, expiry.after.as_ref())
            .await?;
        for room in &page.items {
            self.expire_room(room).await?;
        }
        expiry.after = page.next;
        if expiry.after.is_none() {
            self.expire_the_rest().await?;
            expiry.begins_at = Some(self.later(LOOK_EVERY));
        }
        Ok(())
    }

    async fn expire_room(&self, room: &Room) -> Result<(), ApiError> {
        let own = RoomSettings::of(room).retention_days;
        let own = own.map(|days| Duration::from_secs(u64::from(days) * DAY_SECONDS));
        let Some(kept) = own.or(self.settings.retention.lectures) else {
            return Ok(());
        };
        let before = self.now().saturating_sub(kept);
        for _ in 0..STEPS_MAX {
            let expired = self
                .database
                .expire_room(&room.id, before, ITEMS_PER_STEP, self.now())
                .await?;
            if expired.is_empty() {
                break;
            }
            log_expired(Some(&room.id), expired);
        }
        Ok(())
    }

    /// Lectures of rooms that nobody made here, and what is of no room.
    async fn expire_the_rest(&self) -> Result<(), ApiError> {
        let retention = self.settings.retention;
        if let Some(kept) = retention.lectures {
            let before = self.now().saturating_sub(kept);
            let expired = self
                .database
                .expire_elsewhere(before, ITEMS_PER_STEP, self.now())
                .await?;
            log_expired(None, expired);
        }
        let audit = self.now().saturating_sub(retention.audit);
        self.database.forget_audit(audit, ITEMS_PER_STEP).await?;
        let told = self.now().saturating_sub(retention.deliveries);
        self.database.forget_hook_events(told, ITEMS_PER_STEP).await?;
        Ok(())
    }
}

fn log_expired(room: Option<&RoomName>, expired: Expired) {
    if expired.is_empty() {
        return;
    }
    let Expired { lectures, rows } = expired;
    let place = room.map_or("rooms of others", RoomName::as_str);
    tracing::info!(
        room.name = place,
        "{place}: {lectures} lectures and {rows} rows are past their days"
    );
}

const DAY_SECONDS: u64 = 86_400;
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);
/// Rooms that one sweep looks at.
const ROOMS_PER_STEP: u32 = 50;
/// Things of each kind that one transaction removes.
const ITEMS_PER_STEP: u32 = 500;
/// Transactions for one room in one sweep; the rest follows ten minutes later.
const STEPS_MAX: u32 = 20;
