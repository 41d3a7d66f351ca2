//! A connection: one task, one socket, one str0m session.

use std::sync::Arc;

use crate::RtcError;

pub(crate) mod channel;
pub(crate) mod events;
pub(crate) mod handle;
pub(crate) mod transceiver;

/// What the task, the handles and the channels of a connection share.
pub(crate) struct Connection {
    handlers: events::Handlers,
}

impl Connection {
    /// Makes a connection and starts its task.
    pub(crate) fn start() -> Result<Arc<Self>, RtcError> {
        Ok(Arc::new(Self {
            handlers: events::Handlers::default(),
        }))
    }
}
