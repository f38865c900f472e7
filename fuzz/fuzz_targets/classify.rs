//! libFuzzer on `fuzz_targets::classify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::classify::run(data));
