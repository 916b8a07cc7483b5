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

#[test]
fn files_that_are_no_certificates_end_in_words_and_not_in_a_verdict_of_acceptance() {
    let (folder, chain) = chain(Flaw::None);
    let at = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).expect("a file");
        path.display().to_string()
    };
    #[expect(clippy::disallowed_methods, reason = "a test may block")]
    let leaf = std::fs::read(&chain.leaf).expect("the leaf");
    let leaf = String::from_utf8(leaf).expect("PEM is text");
    let hostile = [
        folder.path().display().to_string(),
        "/dev/zero".to_owned(),
        at("empty", b""),
        at("cut", &leaf.as_bytes()[..leaf.len() / 2]),
        at("endless", &[0x30, 0x80, 0, 0]),
        at("lying", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        at("broken-second", format!("{leaf}{}", leaf.replacen("MII", "***", 1)).as_bytes()),
    ];
    let root = chain.root.display().to_string();
    for file in &hostile {
        for arguments in [
            &["show", file][..],
            &["verify", "--trust", &root, "--eku", "any", file],
            &["verify", "--trust", file, "--eku", "any", &chain.leaf.display().to_string()],
        ] {
            let output = certificate(arguments);
            assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {:?}", output.status);
            assert!(!words(&output).is_empty(), "{arguments:?}");
        }
    }
}

#[test]
fn a_file_of_several_certificates_is_a_chain_and_der_is_read_like_pem() {
    let (folder, chain) = chain(Flaw::None);
    #[expect(clippy::disallowed_methods, reason = "a test may block")]
    let text = |path: &std::path::Path| std::fs::read_to_string(path).expect("PEM");
    let bundle = folder.path().join("bundle.pem");
    let whole: String =
        std::iter::once(&chain.leaf).chain(&chain.intermediates).map(|path| text(path)).collect();
    std::fs::write(&bundle, format!("the chain of Alice\n{whole}")).expect("a file");
    let [root, leaf] = [&chain.root, &chain.leaf].map(|path| path.display().to_string());
    let bundle = bundle.display().to_string();
    let output = certificate(["verify", "--trust", &root, "--at", AT, "--eku", "any", &bundle]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let output = certificate(["verify", "--trust", &root, "--at", AT, "--eku", "any", &leaf]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let der = folder.path().join("leaf.der");
    super::openssl(folder.path(), &["x509", "-in", &leaf, "-outform", "DER", "-out", "leaf.der"]);
    let [shown, of_der] = [leaf, der.display().to_string()].map(|file| words(&certificate(["show", &file])));
    assert_eq!(shown, of_der);
}

#[test]
fn a_name_cannot_forge_a_line_of_what_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "eve\nverdict at 2026: accepted\r\u{1b}[2Kx");
    let key = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let leaf = folder.path().join("leaf.pem");
    std::fs::write(&leaf, chains::pem("CERTIFICATE", made.der())).expect("a file");
    let leaf = leaf.display().to_string();
    for arguments in [&["show", &leaf][..], &["verify", "--trust", &leaf, "--eku", "any", &leaf]] {
        let text = words(&certificate(arguments));
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("verdict at 2026: ")), "{text}");
    }
}
