//! cargo-fuzz's way into the body `track` of `tests::hammer`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::hammer::track(data));
