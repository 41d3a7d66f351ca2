//! From packets to PCM: one chain for each stream that hears a track.

pub(crate) mod queue;
pub(crate) mod sinks;
