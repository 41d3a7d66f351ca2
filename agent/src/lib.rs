//! The worker that lives in a room.
