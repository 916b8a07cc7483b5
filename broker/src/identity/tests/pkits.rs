//! NIST's Public Key Interoperability Test Suite, entry by entry.
//!
//! What is expected is in `pkits/expected.json`; `pkits/README.md` says where it and the certificates come from.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use serde::Deserialize;

use crate::identity::{
    IdentityError, PathRule, PeerCertificates, Policies, Revocation, Settings, Untrusted, Usage, Validator,
};

/// One entry of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    leaf: String,
    chain: Vec<String>,
    crls: Vec<String>,
    #[serde(default)]
    crl_signers: Vec<String>,
    #[serde(default)]
    policies: Vec<String>,
    #[serde(default)]
    explicit_policy: bool,
    #[serde(default)]
    inhibit_policy_mapping: bool,
    #[serde(default)]
    inhibit_any_policy: bool,
    expect: String,
    check: String,
}

/// DSA, which no card has, is refused: a valid path with it counts as refused rightly.
const DSA: [&str; 2] = ["4.1.4", "4.1.5"];

/// 2011-04-15, inside the validity of the suite.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_302_825_600)
}

fn entries() -> Vec<Entry> {
    serde_json::from_str(include_str!("pkits/expected.json")).expect("the table")
}

/// Where the certificates are: where `integration/setup` puts them, or beside the repository.
fn folder() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/pkits");
    let places = [cache.unwrap_or_default().join("kerbridge/pkits"), beside];
    let found = places.into_iter().find(|place| place.join("certs/TrustAnchorRootCertificate.crt").exists());
    found.expect("the certificates of PKITS; integration/setup fetches them")
}

#[expect(clippy::disallowed_methods, reason = "a test that reads files")]
fn certificate(name: &str) -> CertificateDer<'static> {
    std::fs::read(folder().join("certs").join(format!("{name}.crt"))).expect(name).into()
}

#[expect(clippy::disallowed_methods, reason = "a test that reads files")]
fn crl(name: &str) -> Vec<u8> {
    std::fs::read(folder().join("crls").join(format!("{name}.crl"))).expect(name)
}

fn validator(entry: &Entry) -> Validator {
    let mut settings = Settings::new(vec![certificate("TrustAnchorRootCertificate")]);
    settings.usage = Usage::Anything;
    settings.revocation = Revocation::Crls(entry.crls.iter().map(|name| crl(name)).collect());
    settings.policies = Policies {
        accepted: entry.policies.clone(),
        all: false,
        explicit: entry.explicit_policy,
        inhibit_any: entry.inhibit_any_policy,
        inhibit_mapping: entry.inhibit_policy_mapping,
    };
    Validator::new(settings, then()).expect("good settings")
}

fn judge(entry: &Entry) -> Result<(), IdentityError> {
    let names = std::iter::once(&entry.leaf).chain(&entry.chain).chain(&entry.crl_signers);
    let peer = PeerCertificates::new(names.map(|name| certificate(name)).collect()).expect("a small chain");
    validator(entry).judge(&peer, then()).map(drop)
}

#[test]
fn every_entry_has_the_expected_verdict() {
    let entries = entries();
    assert_eq!(entries.len(), 249);
    let mut wrong = Vec::new();
    for entry in &entries {
        let outcome = judge(entry);
        let right = match entry.expect.as_str() {
            "valid" => outcome.is_ok() || DSA.contains(&entry.id.as_str()),
            "invalid" => outcome.is_err(),
            other => panic!("{other} is no verdict"),
        };
        if !right {
            wrong.push(format!("{} should be {}: {outcome:?}", entry.id, entry.expect));
        }
    }
    assert!(wrong.is_empty(), "{} of 249 wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The words of the table for a refusal.
fn checks(refusal: &IdentityError) -> &'static [&'static str] {
    match refusal {
        IdentityError::Untrusted(Untrusted::NoPath { .. }) => &["signature", "name-chaining"],
        IdentityError::NotYetValid { .. } => &["not-yet-valid"],
        IdentityError::Expired { .. } => &["expired"],
        IdentityError::Untrusted(Untrusted::Rule { rule, .. }) => match rule {
            PathRule::BasicConstraints => &["not-a-ca"],
            PathRule::PathLength => &["path-length"],
            PathRule::KeyCertSign => &["key-usage"],
            PathRule::NameConstraints => &["name-constraints"],
            PathRule::Policy => &["policy", "policy-mapping-any"],
            PathRule::UnknownCriticalExtension { .. } => &["unknown-critical-extension"],
            _ => &[],
        },
        IdentityError::Revoked { .. } => &["revoked"],
        IdentityError::RevocationUnknown { .. } => &[
            "revocation-unknown",
            "crl-signature",
            "crl-expired",
            "crl-critical-extension",
            "crl-issuer-key-usage",
            "crl-scope",
            "crl-path",
        ],
        _ => &[],
    }
}

/// Refused for another reason than the table's: before a DSA signature is looked at, DSA is refused; and the issuer of
/// 4.5.8, whose keyUsage lacks keyCertSign, is no CA in the first place.
const OTHER_REASONS: [&str; 2] = ["4.1.6", "4.5.8"];

#[test]
fn every_refusal_is_for_the_expected_reason() {
    let mut other = Vec::new();
    let mut words = Vec::new();
    for entry in entries().into_iter().filter(|entry| entry.expect == "invalid") {
        let Err(refusal) = judge(&entry) else { continue };
        if !checks(&refusal).contains(&entry.check.as_str()) {
            words.push(format!("{} should be {}: {refusal}", entry.id, entry.check));
            other.push(entry.id);
        }
    }
    assert_eq!(other, OTHER_REASONS, "{}", words.join("\n"));
}

#[test]
fn without_the_list_of_the_trust_anchor_no_entry_is_accepted() {
    for mut entry in entries() {
        entry.crls.retain(|name| name != "TrustAnchorRootCRL");
        if entry.crls.is_empty() {
            entry.crls.push("GoodCACRL".to_owned());
        }
        assert!(judge(&entry).is_err(), "{}", entry.id);
    }
}
