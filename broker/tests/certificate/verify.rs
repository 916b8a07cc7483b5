//! What the command prints and how it ends.

use rcgen::PKCS_ECDSA_P256_SHA256;
use serde_json::Value;

use super::chains::{self, AT, Chain, Flaw};
use super::{certificate, words};

/// Runs `verify` over a chain with further arguments.
fn verify(chain: &Chain, with_lists: bool, further: &[&str]) -> std::process::Output {
    let mut arguments = vec!["verify".to_owned(), "--trust".to_owned(), chain.root.display().to_string()];
    for file in &chain.intermediates {
        arguments.extend(["--intermediate".to_owned(), file.display().to_string()]);
    }
    for file in chain.crls.iter().filter(|_| with_lists) {
        arguments.extend(["--crl".to_owned(), file.display().to_string()]);
    }
    arguments.extend(["--at", AT].map(str::to_owned));
    arguments.extend(further.iter().map(|one| (*one).to_owned()));
    arguments.push(chain.leaf.display().to_string());
    certificate(arguments)
}

fn chain(flaw: Flaw) -> (tempfile::TempDir, Chain) {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = chains::write(folder.path(), &PKCS_ECDSA_P256_SHA256, &[], 1, flaw);
    (folder, chain)
}

#[test]
fn an_accepted_certificate_ends_with_0_and_every_check_is_printed() {
    let (_folder, chain) = chain(Flaw::None);
    let output = verify(&chain, true, &["--eku", "any"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let text = words(&output);
    for check in
        ["path: ok: ", "validity: ok: ", "key_strength: ok: P-256", "revocation: ok: 1001 not on the CRL"]
    {
        assert!(text.contains(check), "{text}");
    }
    assert!(text.ends_with("verdict at 2026-01-01T00:00:00Z: accepted\n"), "{text}");
}

#[test]
fn a_refused_certificate_ends_with_1_and_the_failed_check_is_named() {
    let (_folder, chain) = chain(Flaw::LeafRevoked);
    let output = verify(&chain, true, &["--eku", "any", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"], "refused");
    assert_eq!(report["refused"]["check"], "revocation");
    assert_eq!(report["checks"][0]["check"], "path");
}

#[test]
fn without_a_list_revocation_is_not_checked_and_refuses_only_where_it_is_required() {
    let (_folder, chain) = chain(Flaw::LeafRevoked);
    let output = verify(&chain, false, &["--eku", "any"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    assert!(words(&output).contains("revocation: not checked: "), "{}", words(&output));
    let output = verify(&chain, false, &["--eku", "any", "--require-revocation"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
}

#[test]
fn without_eku_the_rules_for_cards_hold() {
    let (_folder, chain) = chain(Flaw::None);
    let output = verify(&chain, true, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("usage: failed: extendedKeyUsage does not include 1.3.6.1.5.5.7.3.2"));
}

#[test]
fn what_cannot_be_carried_out_ends_with_2() {
    let (folder, chain) = chain(Flaw::None);
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "no certificate").expect("a file");
    let garbage = garbage.display().to_string();
    let root = chain.root.display().to_string();
    let leaf = chain.leaf.display().to_string();
    let uses: [&[&str]; 9] = [
        &["verify"],
        &["verify", &leaf],
        &["verify", "--trust", "/nonexistent", &leaf],
        &["verify", "--trust", &garbage, &leaf],
        &["verify", "--trust", &root, &garbage],
        &["verify", "--trust", &root, "--at", "yesterday", &leaf],
        &["verify", "--trust", &root, "--policy", "mine", &leaf],
        &["verify", "--trust", &root, "--eku", "any", "--eku", "1.2.3", &leaf],
        &["verify", "--trust", &root, "--crl", &leaf, &leaf],
    ];
    for arguments in uses {
        let output = certificate(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", words(&output));
    }
}

#[test]
fn a_certificate_is_shown_as_a_login_reads_it() {
    let (_folder, chain) = chain(Flaw::None);
    let leaf = chain.leaf.display().to_string();
    let output = certificate(["show", "--json", &leaf]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let facts: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(facts["subject"], "CN=Alice,O=Corp");
    assert_eq!(facts["key"], "P-256");
    assert_eq!(facts["ca"], false);
    assert_eq!(facts["key_usage"][0], "digitalSignature");
    assert_eq!(facts["serial"], "1001");
}
