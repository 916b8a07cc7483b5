//! The checked-in gRPC code is what the interface definition generates today.
//!
//! `UPDATE_GENERATED=1 cargo test -p broker --test generated` writes it anew.
#![expect(clippy::disallowed_methods, reason = "a test reads files")]

use std::collections::BTreeMap;
use std::path::Path;

use prost::Message as _;

const DEFINITION: &str = "kerbridge/v1/gateway.proto";
const GENERATED: &str = "src/frontend/grpc/generated";
const DESCRIPTOR: &str = "descriptor.bin";

/// Messages that carry secrets, and those of them that are wiped.
const SECRET: [&str; 10] = [
    "AnswerRequest",
    "ChallengeResponse",
    "Session",
    "IssueTicketRequest",
    "EndSessionRequest",
    "StartContext",
    "ContextToken",
    "ContextEstablished",
    "UnwrapRequest",
    "Wrapped",
];
const SECRET_AND_WIPED: [&str; 7] = [
    "RedeemRequest",
    "KdcProxyAccess",
    "Ticket",
    "WrapRequest",
    "Unwrapped",
    "GetMicRequest",
    "VerifyMicRequest",
];

#[test]
fn generated_code_matches_the_interface_definition() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    generate(scratch.path());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        for (name, content) in files(scratch.path()) {
            std::fs::write(Path::new(GENERATED).join(name), content).expect("generated code is writable");
        }
    }
    let (fresh, kept) = (files(scratch.path()), files(Path::new(GENERATED)));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&fresh),
        names(&kept),
        "the list of generated files changed: see this test's first lines"
    );
    for (name, content) in fresh {
        assert!(kept[&name] == content, "{GENERATED}/{name} is stale: see this test's first lines");
    }
}

#[test]
fn every_element_of_the_interface_is_documented() {
    let set = protox::compile([DEFINITION], ["proto"]).expect("the definition compiles");
    let file = set.file.iter().find(|file| file.name() == DEFINITION).expect("the definition is in the set");
    let located: BTreeMap<&[i32], &str> = file
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .map(|location| (location.path.as_slice(), location.leading_comments()))
        .collect();
    // Field numbers of FileDescriptorProto: 4 message_type (2 field), 5 enum_type (2 value), 6 service (2 method).
    let undocumented: Vec<_> = located
        .iter()
        .filter(|(path, _)| matches!(path, [4..=6, _] | [4..=6, _, 2, _]))
        .filter(|(_, comment)| comment.trim().is_empty())
        .collect();
    assert!(located.len() > 40, "the definition carries its source locations");
    assert!(undocumented.is_empty(), "without a comment: {undocumented:?}");
}

fn generate(out: &Path) {
    let set = protox::compile([DEFINITION], ["proto"]).expect("the definition compiles");
    std::fs::write(out.join(DESCRIPTOR), set.encode_to_vec()).expect("the scratch directory is writable");
    let wiped = "#[derive(::zeroize::Zeroize, ::zeroize::ZeroizeOnDrop)]";
    let mut builder = tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .build_transport(false)
        .emit_rerun_if_changed(false);
    // Messages that carry secrets print only their kind, and wipe what is secret.
    for message in SECRET.iter().chain(&SECRET_AND_WIPED) {
        builder = builder.skip_debug([format!("kerbridge.v1.{message}")]);
    }
    for message in SECRET_AND_WIPED {
        builder = builder.message_attribute(format!("kerbridge.v1.{message}"), wiped);
    }
    builder
        .field_attribute("kerbridge.v1.KdcProxyAccess.expires_at", "#[zeroize(skip)]")
        .field_attribute("kerbridge.v1.Ticket.form", "#[zeroize(skip)]")
        .field_attribute("kerbridge.v1.Ticket.expires_at", "#[zeroize(skip)]")
        .out_dir(out)
        .compile_fds(set)
        .expect("code is generated");
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder is readable"))
        .map(|entry| {
            let name = entry.file_name().into_string().expect("file names are ASCII");
            (name, std::fs::read(entry.path()).expect("the file is readable"))
        })
        .collect()
}
