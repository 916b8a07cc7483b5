#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kdc_proxy::fuzzing::tgs_exchange(bytes);
});
