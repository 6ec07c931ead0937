//! cargo-fuzz's way into the body `files` of `tests::hammer`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::hammer::files(data));
