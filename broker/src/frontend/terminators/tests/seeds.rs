//! The saved inputs of the fuzz target `certificate_headers`, replayed.

use std::path::Path;

use crate::frontend::terminators::fuzzing::certificate_headers;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
fn of_the_header_seeds_only_the_right_ones_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/certificate_headers");
    let mut read = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder of seeds") {
        let file = file.expect("a seed");
        if certificate_headers(&std::fs::read(file.path()).expect("a readable seed")) {
            read.push(file.file_name().into_string().expect("an ASCII name"));
        }
    }
    read.sort();
    let right = [
        "apache",
        "aws-alb",
        "aws-alb-leaf",
        "envoy",
        "envoy-captured",
        "guacamole",
        "haproxy",
        "nginx",
        "rfc9440",
        "rfc9440-chain",
    ];
    assert_eq!(read, right);
}
