#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tftp_sim::fuzzing::reference(input));
