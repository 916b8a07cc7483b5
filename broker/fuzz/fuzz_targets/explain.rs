#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    broker::command::explain::fuzzing::explain(bytes);
});
