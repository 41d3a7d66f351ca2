#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| libwebrtc::internals::fuzz::stun(data));
