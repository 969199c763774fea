#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = moonrelay_fuzz::strict::judge(data);
});
