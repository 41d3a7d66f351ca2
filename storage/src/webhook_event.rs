//! What LiveKit told us already.

use lectern_pipelines::UnixMillis;

use crate::{
    Database, Error,
    database::{sql, transaction},
};

impl Database {
    /// Notes that LiveKit told us of an event; says whether that was news. Events from before `forget` are forgotten:
    /// they are too old to be taken for new.
    pub async fn take_webhook_event(
        &self,
        id: &str,
        now: UnixMillis,
        forget: UnixMillis,
    ) -> Result<bool, Error> {
        let noted = transaction!(self, Write, "note an event of LiveKit's", |connection| {
            sql!("delete from webhook_event where at < $1", forget.0)
                .execute(&mut *connection)
                .await?;
            sql!(
                "insert into webhook_event (id, at) values ($1, $2) on conflict do nothing",
                id,
                now.0
            )
            .execute(&mut *connection)
            .await?
            .rows_affected()
        })?;
        Ok(noted == 1)
    }

    /// Takes an event for new again: it could not be acted on.
    pub async fn forget_webhook_event(&self, id: &str) -> Result<(), Error> {
        transaction!(self, Write, "forget an event of LiveKit's", |connection| {
            sql!("delete from webhook_event where id = $1", id)
                .execute(&mut *connection)
                .await?;
        })
    }
}
