#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    ldap_map::fuzzing::filter(octets);
});
