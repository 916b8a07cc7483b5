#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    broker::policy::fuzzing::policy_file(bytes);
});
