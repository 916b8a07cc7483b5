#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    broker::identity::fuzzing::certificate_facts(bytes);
});
