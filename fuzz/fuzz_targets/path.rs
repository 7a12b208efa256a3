#![no_main]

#[path = "../../tftp-sim/tests/path_target/mod.rs"]
mod path_target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| path_target::path(input));
