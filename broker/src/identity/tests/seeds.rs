//! The saved inputs of the fuzz targets, replayed. `broker/fuzz/README.md` says where they come from.

use std::path::Path;

use rcgen::{
    CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, OtherNameValue, RevocationReason, SanType,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use crate::identity::fuzzing;
use crate::identity::testing::{Authority, card_params, revoked, rsa_key, unknown_critical_extension};

/// Runs a target over its seeds; gives the names of those it took for good, sorted.
#[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
fn replay(target: &str, oracle: impl Fn(&[u8]) -> bool) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut good = Vec::new();
    for file in std::fs::read_dir(folder).expect("the folder of seeds") {
        let file = file.expect("a seed");
        if oracle(&std::fs::read(file.path()).expect("a readable seed")) {
            good.push(file.file_name().into_string().expect("an ASCII name"));
        }
    }
    good.sort();
    good
}

#[test]
fn of_the_chain_seeds_only_the_good_ones_are_accepted() {
    let good = replay("peer_certificates", fuzzing::peer_certificates);
    assert_eq!(good, ["good-p256", "good-rsa", "good-with-intermediate"]);
}

#[test]
fn of_the_crl_seeds_only_the_well_formed_ones_are_read() {
    let good = replay("crl", fuzzing::crl);
    assert_eq!(good, ["empty", "entries", "partitioned", "pkits-delta", "pkits-indirect"]);
}

#[test]
fn of_the_ocsp_seeds_only_the_answers_are_read() {
    let good = replay("ocsp", fuzzing::ocsp);
    assert_eq!(good, ["direct-good", "good", "revoked", "unknown"]);
}

#[test]
fn of_the_certificate_seeds_only_the_well_formed_ones_are_read() {
    let good = replay("certificate_facts", fuzzing::certificate_facts);
    assert_eq!(good, ["card", "issuing", "rsa"]);
}

/// Every seed, by its path below `fuzz/seeds`.
fn fresh_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let root = Authority::root("Seed Root");
    let issuing = root.below("Seed Issuing");
    let rogue = Authority::root("Seed Root");
    let rsa = root.sign(&card_params(), &rsa_key());
    let expired = root.card_with(|params| params.not_after = date_time_ymd(2025, 6, 1));
    let unusable = root.card_with(|params| params.extended_key_usages.clear());
    let upn = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    let broken = SanType::OtherName((upn, OtherNameValue::Utf8String("no at sign".to_owned())));
    let odd = root.card_with(|params| params.custom_extensions.push(unknown_critical_extension()));
    let entries = root.crl_with(|crl| crl.revoked_certs = vec![revoked(5, RevocationReason::Superseded)]);
    let partitioned = root.crl_with(|crl| {
        crl.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec!["http://crl.corp.example/1".to_owned()] },
            scope: Some(CrlScope::UserCertsOnly),
        });
    });
    vec![
        ("root.der", root.certificate.to_vec()),
        ("peer_certificates/good-p256", chain(&[&long_lived(&root)])),
        ("peer_certificates/good-rsa", chain(&[&rsa])),
        ("peer_certificates/good-with-intermediate", chain(&[&issuing.card(), &issuing.certificate])),
        ("peer_certificates/expired", chain(&[&expired])),
        ("peer_certificates/other-root", chain(&[&rogue.card(), &rogue.certificate])),
        ("peer_certificates/no-usage", chain(&[&unusable])),
        ("peer_certificates/unknown-critical-extension", chain(&[&odd])),
        ("peer_certificates/nothing", Vec::new()),
        ("peer_certificates/cut-off", chain(&[&issuing.certificate])[..200].to_vec()),
        ("crl/empty", root.crl()),
        ("crl/entries", entries.clone()),
        ("crl/partitioned", partitioned),
        ("crl/cut-off", entries[..entries.len() - 1].to_vec()),
        ("certificate_facts/card", root.card().to_vec()),
        ("certificate_facts/rsa", rsa.to_vec()),
        ("certificate_facts/issuing", issuing.certificate.to_vec()),
        (
            "certificate_facts/no-upn",
            root.card_with(|params| params.subject_alt_names = vec![broken]).to_vec(),
        ),
        ("certificate_facts/cut-off", issuing.certificate[..100].to_vec()),
        ("crl/not-a-list", vec![0x30, 0x00]),
    ]
}

fn long_lived(root: &Authority) -> CertificateDer<'static> {
    root.card_with(|params| params.not_after = date_time_ymd(2039, 1, 1))
}

/// The form the target takes: each certificate behind its length in two octets.
fn chain(certificates: &[&CertificateDer<'static>]) -> Vec<u8> {
    let mut octets = Vec::new();
    for certificate in certificates {
        octets.extend(u16::try_from(certificate.len()).expect("a small certificate").to_be_bytes());
        octets.extend(certificate.as_ref());
    }
    octets
}

/// `KERBRIDGE_WRITE_SEEDS=1` writes all seeds anew, with new keys.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
fn every_seed_is_in_the_repository() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, fresh) in fresh_seeds() {
        let file = folder.join(name);
        if std::env::var_os("KERBRIDGE_WRITE_SEEDS").is_some() {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(&file, fresh).expect("a seed written");
        } else {
            let saved = std::fs::read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(saved.is_empty(), fresh.is_empty(), "{name}");
        }
    }
}
