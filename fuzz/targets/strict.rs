#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| moonrelay_fuzz::strict::judge(data));
