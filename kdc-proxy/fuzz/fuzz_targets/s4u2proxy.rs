#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    kdc_proxy::fuzzing::s4u2proxy(bytes);
});
