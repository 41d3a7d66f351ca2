//! From PCM to packets.

pub(crate) mod feed;
