//! OCSP responses made by OpenSSL, and what the command makes of them.

use std::path::Path;

use super::{certificate, openssl, words};

const CONFIGURATION: &str = "[req]
distinguished_name = name
prompt = no
[name]
CN = ignored
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[leaf]
keyUsage = critical,digitalSignature
[responder]
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
[pointed]
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
crlDistributionPoints = URI:http://crl.corp.example/1
";

/// A root with two leaves, 0x1001 good and 0x1002 revoked, and responders of several kinds.
fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    std::fs::write(at.join("ca.cnf"), CONFIGURATION).expect("a file");
    for name in ["root", "rogue"] {
        let key = format!("{name}.key");
        let pem = format!("{name}.pem");
        openssl(at, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
        openssl(
            at,
            &[
                "req",
                "-x509",
                "-new",
                "-key",
                &key,
                "-out",
                &pem,
                "-days",
                "30",
                "-subj",
                "/O=Corp/CN=Root",
                "-config",
                "ca.cnf",
                "-extensions",
                "ca",
            ],
        );
    }
    issue(at, "good", "leaf", "0x1001", "root");
    issue(at, "revoked", "leaf", "0x1002", "root");
    issue(at, "responder", "responder", "0x3001", "root");
    issue(at, "pointed", "pointed", "0x3002", "root");
    issue(at, "unauthorised", "leaf", "0x3003", "root");
    issue(at, "foreign", "responder", "0x3004", "rogue");
    issue_for("1", at, "short", "responder", "0x3005", "root");
    // Status, end, revocation time, serial, file, subject: what `openssl ca` would have written.
    let index = "V\t400101000000Z\t\t1001\tunknown\t/O=Corp/CN=good\n\
                 R\t400101000000Z\t250601000000Z,keyCompromise\t1002\tunknown\t/O=Corp/CN=revoked\n";
    std::fs::write(at.join("index.txt"), index).expect("a file");
    folder
}

fn issue(at: &Path, name: &str, kind: &str, serial: &str, issuer: &str) {
    issue_for("20", at, name, kind, serial, issuer);
}

/// A certificate for so many days.
fn issue_for(days: &str, at: &Path, name: &str, kind: &str, serial: &str, issuer: &str) {
    let [key, csr, pem] = ["key", "csr", "pem"].map(|end| format!("{name}.{end}"));
    let [issuer_key, issuer_pem] = ["key", "pem"].map(|end| format!("{issuer}.{end}"));
    openssl(at, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", &key]);
    let subject = format!("/O=Corp/CN={name}");
    openssl(at, &["req", "-new", "-key", &key, "-out", &csr, "-subj", &subject, "-config", "ca.cnf"]);
    openssl(
        at,
        &[
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            &issuer_pem,
            "-CAkey",
            &issuer_key,
            "-set_serial",
            serial,
            "-days",
            days,
            "-out",
            &pem,
            "-extfile",
            "ca.cnf",
            "-extensions",
            kind,
        ],
    );
}

/// Lets `responder` answer about `leaf`; gives the file's name.
fn respond(at: &Path, leaf: &str, responder: &str, further: &[&str]) -> String {
    let file = format!("{leaf}-{responder}.ocsp");
    let [pem, signer, key] = [format!("{leaf}.pem"), format!("{responder}.pem"), format!("{responder}.key")];
    let mut arguments =
        vec!["ocsp", "-index", "index.txt", "-CA", "root.pem", "-issuer", "root.pem", "-cert", &pem];
    arguments.extend(["-rsigner", &signer, "-rkey", &key, "-respout", &file, "-noverify"]);
    arguments.extend(further);
    openssl(at, &arguments);
    file
}

/// Code and words of the verdict on `leaf` with this response.
fn verdict(at: &Path, leaf: &str, response: &str, further: &[&str]) -> (Option<i32>, String) {
    let path = |name: &str| at.join(name).display().to_string();
    let (root, response, leaf) = (path("root.pem"), path(response), path(&format!("{leaf}.pem")));
    let mut arguments = vec!["verify", "--trust", &root, "--ocsp", &response, "--eku", "any"];
    arguments.extend(further);
    arguments.push(&leaf);
    let output = certificate(arguments);
    (output.status.code(), words(&output))
}

#[test]
fn an_answer_of_a_delegated_or_the_direct_responder_is_believed() {
    let folder = scene();
    let at = folder.path();
    for responder in ["responder", "root"] {
        let good = respond(at, "good", responder, &["-ndays", "1"]);
        let (code, said) = verdict(at, "good", &good, &["--require-revocation"]);
        assert_eq!(code, Some(0), "{responder}: {said}");
        assert!(said.contains("1001 good by OCSP from"), "{said}");
        let revoked = respond(at, "revoked", responder, &["-ndays", "1"]);
        let (code, said) = verdict(at, "revoked", &revoked, &[]);
        assert_eq!(code, Some(1), "{responder}: {said}");
        assert!(said.contains("was revoked at 2025-06-01T00:00:00Z: keyCompromise"), "{said}");
    }
}

#[test]
fn an_answer_of_anybody_else_is_not_believed() {
    let folder = scene();
    let at = folder.path();
    for responder in ["unauthorised", "foreign", "rogue"] {
        let response = respond(at, "good", responder, &["-ndays", "1"]);
        let (code, said) = verdict(at, "good", &response, &[]);
        assert_eq!(code, Some(1), "{responder}: {said}");
        assert!(said.contains("signed by nobody the issuer has authorised"), "{responder}: {said}");
    }
}

#[test]
fn a_responder_that_names_a_list_must_be_on_none() {
    let folder = scene();
    let at = folder.path();
    let response = respond(at, "good", "pointed", &["-ndays", "1"]);
    let (code, said) = verdict(at, "good", &response, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the OCSP responder is not believed"), "{said}");
}

#[test]
fn an_answer_about_another_certificate_or_of_an_ignorant_responder_does_not_count() {
    let folder = scene();
    let at = folder.path();
    let other = respond(at, "good", "responder", &["-ndays", "1"]);
    let (code, said) = verdict(at, "revoked", &other, &[]);
    assert_eq!(code, Some(1), "{said}");
    let unknown = respond(at, "unauthorised", "responder", &["-ndays", "1"]);
    let (code, said) = verdict(at, "unauthorised", &unknown, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not know the certificate"), "{said}");
}

fn in_days(days: u64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now + days * 86_400);
    jiff::Timestamp::try_from(then).expect("a time").to_string()
}

#[test]
fn an_answer_has_its_time() {
    let folder = scene();
    let at = folder.path();
    let response = respond(at, "good", "responder", &["-ndays", "1"]);
    assert_eq!(verdict(at, "good", &response, &["--at", &in_days(0)]).0, Some(0));
    let (code, said) = verdict(at, "good", &response, &["--at", &in_days(2)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the OCSP response ended at"), "{said}");
}

#[test]
fn a_damaged_answer_is_refused_and_a_refusal_to_answer_is_no_answer() {
    let folder = scene();
    let at = folder.path();
    let response = respond(at, "good", "responder", &["-ndays", "1"]);
    #[expect(clippy::disallowed_methods, reason = "a test may block")]
    let octets = std::fs::read(at.join(&response)).expect("the response");
    let end = octets.len() - 1;
    for place in (0..end).step_by(7) {
        let mut damaged = octets.clone();
        damaged[place] ^= 0x20;
        std::fs::write(at.join("damaged.ocsp"), damaged).expect("a file");
        let (code, said) = verdict(at, "good", "damaged.ocsp", &[]);
        // Octets of the responder's own certificate that nothing depends on may change.
        let carried = place > end / 2;
        assert!(
            code == Some(1) || code == Some(2) || (carried && code == Some(0)),
            "{place}: {code:?} {said}"
        );
    }
    // responseStatus tryLater (3), unsigned.
    std::fs::write(at.join("later.ocsp"), [0x30, 3, 10, 1, 3]).expect("a file");
    let (code, said) = verdict(at, "good", "later.ocsp", &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tryLater"), "{said}");
}

#[test]
fn a_responder_whose_certificate_has_ended_is_not_believed() {
    let folder = scene();
    let at = folder.path();
    let response = respond(at, "good", "short", &["-ndays", "5"]);
    assert_eq!(verdict(at, "good", &response, &["--at", &in_days(0)]).0, Some(0));
    let (code, said) = verdict(at, "good", &response, &["--at", &in_days(2)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the OCSP responder is not believed"), "{said}");
}

#[test]
fn a_responder_that_is_on_a_list_is_not_believed_and_one_that_is_on_none_is() {
    let folder = scene();
    let at = folder.path();
    let response = respond(at, "good", "pointed", &["-ndays", "1"]);
    let list = |name: &str, entries: &str| {
        std::fs::write(at.join("crl-index.txt"), entries).expect("a file");
        let configuration = "[ca]\ndefault_ca = here\n[here]\ndatabase = crl-index.txt\ndefault_md = sha256\n\
                             default_crl_days = 2\nunique_subject = no\n";
        std::fs::write(at.join("crl.cnf"), configuration).expect("a file");
        let output = at.join(name).display().to_string();
        let keys = ["-keyfile", "root.key", "-cert", "root.pem"];
        openssl(at, &[&["ca", "-gencrl", "-config", "crl.cnf", "-out", &output], &keys[..]].concat());
        output
    };
    let clean = list("clean.crl", "");
    let (code, said) = verdict(at, "good", &response, &["--crl", &clean]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1001 good by OCSP from"), "{said}");
    let revoked = "R\t400101000000Z\t250601000000Z,keyCompromise\t3002\tunknown\t/O=Corp/CN=pointed\n";
    let listed = list("listed.crl", revoked);
    // The list itself answers for the card, so that it is still accepted, on other evidence.
    let (code, said) = verdict(at, "good", &response, &["--crl", &listed]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("good by OCSP") && said.contains("1001 not on the CRL"), "{said}");
}

#[test]
fn an_answer_signed_with_sha1_is_not_believed_and_a_question_hashed_with_sha256_is() {
    let folder = scene();
    let at = folder.path();
    let weak = respond(at, "good", "responder", &["-ndays", "1", "-rmd", "sha1"]);
    let (code, said) = verdict(at, "good", &weak, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("signed by nobody the issuer has authorised"), "{said}");
    let asked = [
        "ocsp",
        "-index",
        "index.txt",
        "-CA",
        "root.pem",
        "-issuer",
        "root.pem",
        "-sha256",
        "-cert",
        "good.pem",
    ];
    let signs = ["-rsigner", "responder.pem", "-rkey", "responder.key", "-ndays", "1", "-noverify"];
    openssl(at, &[&asked[..], &signs, &["-respout", "sha256.ocsp"]].concat());
    let (code, said) = verdict(at, "good", "sha256.ocsp", &[]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_responder_does_not_vouch_for_itself() {
    let folder = scene();
    let at = folder.path();
    let index = "V\t400101000000Z\t\t1001\tunknown\t/O=Corp/CN=good\n\
                 V\t400101000000Z\t\t3002\tunknown\t/O=Corp/CN=pointed\n";
    std::fs::write(at.join("index.txt"), index).expect("a file");
    // One response about the card and about the responder's own certificate, which names a list to be looked into.
    let response = respond(at, "good", "pointed", &["-ndays", "1", "-cert", "pointed.pem"]);
    let (code, said) = verdict(at, "good", &response, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the OCSP responder vouches for itself"), "{said}");
}
