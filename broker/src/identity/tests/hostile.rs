//! Chains that are made to be expensive: each ends in a typed refusal, after work that is counted.

use rcgen::{
    CertificateParams, CustomExtension, DnType, GeneralSubtree, Issuer, KeyPair, NameConstraints, SanType,
};
use rustls_pki_types::CertificateDer;

use crate::identity::testing::{
    Authority, ca_params, card_params, email, now, peer, tlv, trusting, validator,
};
use crate::identity::{IdentityError, PathRule, Policies, Untrusted};

fn untrusted(refused: IdentityError) -> Untrusted {
    match refused {
        IdentityError::Untrusted(untrusted) => untrusted,
        other => panic!("not untrusted: {other}"),
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

/// Certificates of all of these authorities by all of them, again and again with other serial numbers.
fn cross_certificates(
    authorities: &[(CertificateParams, KeyPair)],
    rounds: u64,
) -> Vec<CertificateDer<'static>> {
    let mut certificates = Vec::new();
    for round in 0..rounds {
        for (issuer, issuer_key) in authorities {
            let issuer = Issuer::from_params(issuer, issuer_key);
            for (subject, subject_key) in authorities {
                let mut params = subject.clone();
                params.serial_number = Some((0x10_0000 + round).into());
                let signed = params.signed_by(subject_key, &issuer).expect("a certificate");
                certificates.push(signed.der().clone());
            }
        }
    }
    certificates
}

#[test]
fn thousands_of_cross_certificates_end_at_the_bound_of_signatures() {
    let root = Authority::root("Root");
    let authorities: Vec<_> = (0..10).map(|n| (ca_params(&format!("CA {n}")), key())).collect();
    let (issuer, issuer_key) = &authorities[0];
    let card = card_params().signed_by(&key(), &Issuer::from_params(issuer, issuer_key)).expect("a card");
    let mut settings = trusting(&[&root]);
    settings.intermediates = cross_certificates(&authorities, 20);
    assert_eq!(settings.intermediates.len(), 2_000);
    let refused = validator(settings).judge(&peer(&[card.der()]), now()).expect_err("no root");
    assert_eq!(untrusted(refused), Untrusted::WorkLimit);
}

#[test]
fn thousands_of_other_authorities_do_not_hide_the_right_one() {
    let root = Authority::root("Root");
    let issuing = root.below("Issuing");
    let one = (ca_params("Other"), key());
    let mut settings = trusting(&[&root]);
    settings.intermediates = cross_certificates(std::slice::from_ref(&one), 2_000);
    settings.intermediates.push(issuing.certificate.clone());
    assert!(validator(settings).judge(&peer(&[&issuing.card()]), now()).is_ok());
}

/// 1.3.6.1.4.1.99999 and one arc more.
fn policy(last: u8) -> Vec<u8> {
    tlv(6, &[0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, last])
}

fn extension(oid: &[u64], value: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(oid, tlv(0x30, value))
}

/// An authority that states `count` policies and maps each to every other.
fn mapping(count: u8) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        let stated: Vec<u8> = (1..=count).flat_map(|one| tlv(0x30, &policy(one))).collect();
        let pairs = (1..=count).flat_map(|one| (1..=count).map(move |other| (one, other)));
        let mapped: Vec<u8> =
            pairs.flat_map(|(one, other)| tlv(0x30, &[policy(one), policy(other)].concat())).collect();
        params.custom_extensions.push(extension(&[2, 5, 29, 32], &stated));
        params.custom_extensions.push(extension(&[2, 5, 29, 33], &mapped));
    }
}

#[test]
fn a_policy_tree_that_multiplies_at_every_step_ends_at_the_bound_of_nodes() {
    let root = Authority::root("Root");
    let mut line = vec![root.below_with("CA 0", mapping(20))];
    for level in 1..8 {
        line.push(line[level - 1].below_with(&format!("CA {level}"), mapping(20)));
    }
    let card = line[7].card_with(|params| {
        let stated: Vec<u8> = (1..=20).flat_map(|one| tlv(0x30, &policy(one))).collect();
        params.custom_extensions.push(extension(&[2, 5, 29, 32], &stated));
    });
    let mut settings = trusting(&[&root]);
    settings.intermediates = line.iter().map(|authority| authority.certificate.clone()).collect();
    settings.policies =
        Policies { accepted: vec!["1.3.6.1.4.1.99999.1".to_owned()], explicit: true, ..Policies::default() };
    let refused = validator(settings).judge(&peer(&[&card]), now());
    let refused = untrusted(refused.expect_err("too costly"));
    assert!(matches!(refused, Untrusted::Rule { rule: PathRule::Cost | PathRule::Policy, .. }), "{refused}");
}

#[test]
fn a_thousand_name_constraints_on_a_hundred_names_are_held() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        let one = |n| GeneralSubtree::Rfc822Name(format!("{n}.evil.example"));
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::Rfc822Name("corp.example".to_owned())],
            excluded_subtrees: (0..500).map(one).collect(),
        });
    });
    let card = |last: &str| {
        issuing.card_with(|params| {
            let names = (0..100).map(|n| email(&format!("alice{n}@corp.example")));
            params.subject_alt_names.extend(names.chain([email(last)]));
        })
    };
    let mut settings = trusting(&[&root]);
    settings.intermediates = vec![issuing.certificate.clone()];
    let validator = validator(settings);
    assert!(validator.judge(&peer(&[&card("bob@corp.example")]), now()).is_ok());
    let refused = validator.judge(&peer(&[&card("bob@499.evil.example")]), now()).expect_err("excluded");
    let refused = untrusted(refused);
    assert!(matches!(refused, Untrusted::Rule { rule: PathRule::NameConstraints, .. }), "{refused}");
}

#[test]
fn names_of_thousands_of_octets_are_compared_and_cut_in_what_is_said() {
    let root = Authority::root("Root");
    let long = |last: char| {
        let mut params = card_params();
        params.distinguished_name.push(DnType::CommonName, format!("{}{last}", "a".repeat(6_000)));
        params
    };
    let issuer = Authority { params: long('b'), key: key(), certificate: root.certificate.clone() };
    let card = issuer.sign(&long('c'), &key());
    let refused = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect_err("unknown issuer");
    assert!(refused.to_string().len() < 1_000, "{}", refused.to_string().len());
    assert!(matches!(untrusted(refused), Untrusted::NoPath { .. }));
}

#[test]
fn hundreds_of_alternative_names_are_too_many() {
    let root = Authority::root("Root");
    let card = root.card_with(|params| {
        let names =
            (0..400).map(|n| SanType::DnsName(format!("h{n}.corp.example").try_into().expect("ASCII")));
        params.subject_alt_names.extend(names);
    });
    let refused = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect_err("too many");
    assert!(matches!(refused, IdentityError::Malformed { .. }), "{refused}");
}
