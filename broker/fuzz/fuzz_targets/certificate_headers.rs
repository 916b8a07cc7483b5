#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    broker::frontend::terminators::fuzzing::certificate_headers(bytes);
});
