//! A pure-Rust stand-in for the `libwebrtc` crate.
