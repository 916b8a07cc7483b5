//! Extensions that cannot be read, and names of forms that nobody compares: none counts as absent.

use rcgen::{CertificateParams, CustomExtension, GeneralSubtree, NameConstraints, SigningKey as _};
use rustls_pki_types::CertificateDer;

use crate::identity::testing::{Authority, now, peer, tlv, trusting, validator};
use crate::identity::{IdentityError, Malformed, PathRule, Untrusted};

/// 1.3.6.1.4.1.311.20.2.3, userPrincipalName.
const UPN: [u8; 12] = [6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 20, 2, 3];

fn extension(oid: &[u64], critical: bool, value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(critical);
    extension
}

fn judge(root: &Authority, issuing: &Authority, card: &CertificateDer<'static>) -> Result<(), IdentityError> {
    validator(trusting(&[root])).judge(&peer(&[card, &issuing.certificate]), now()).map(drop)
}

fn below(root: &Authority, extension: CustomExtension) -> Authority {
    root.below_with("Issuing", |params| {
        params.custom_extensions.push(extension);
    })
}

#[test]
fn an_extension_that_cannot_be_read_does_not_count_as_absent() {
    let root = Authority::root("Root");
    // subjectAltName, nameConstraints, certificatePolicies, policyMappings, policyConstraints, extendedKeyUsage,
    // inhibitAnyPolicy
    for last in [17, 30, 32, 33, 36, 37, 54] {
        for critical in [false, true] {
            for value in [[5, 0].as_slice(), &[], &[0x30, 0x80, 0, 0], &[0x30, 1]] {
                let issuing = below(&root, extension(&[2, 5, 29, last], critical, value));
                assert!(
                    judge(&root, &issuing, &issuing.card()).is_err(),
                    "2.5.29.{last} {critical} {value:?}"
                );
            }
        }
    }
}

#[test]
fn basic_constraints_and_key_usage_that_cannot_be_read_do_not_count_as_absent() {
    let root = Authority::root("Root");
    for last in [15, 19] {
        let card = root.card_with(|params| {
            params.key_usages.clear();
            params.custom_extensions.push(extension(&[2, 5, 29, last], false, &[5, 0]));
        });
        let refused = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect_err("unreadable");
        assert!(matches!(refused, IdentityError::Malformed { .. }), "2.5.29.{last}: {refused}");
    }
}

fn upn(name: &str) -> Vec<u8> {
    tlv(0xa0, &[UPN.to_vec(), tlv(0xa0, &tlv(0x0c, name.as_bytes()))].concat())
}

fn names(card: &mut CertificateParams, names: &[Vec<u8>]) {
    card.subject_alt_names.clear();
    card.custom_extensions.push(extension(&[2, 5, 29, 17], false, &tlv(0x30, &names.concat())));
}

#[test]
fn a_name_of_an_old_form_does_not_hide_the_others_from_the_constraints_of_the_issuer() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::Rfc822Name("corp.example".to_owned())],
            excluded_subtrees: Vec::new(),
        });
    });
    let mail = |address: &str| tlv(0x81, address.as_bytes());
    // x400Address, which the reader of names does not know.
    let old = tlv(0xa3, &tlv(0x30, &[]));
    let card = |all: &[Vec<u8>]| issuing.card_with(|params| names(params, all));
    let alice = upn("alice@corp.example");
    assert_eq!(judge(&root, &issuing, &card(&[alice.clone(), mail("alice@corp.example")])), Ok(()));
    assert!(judge(&root, &issuing, &card(&[alice.clone(), mail("alice@evil.example")])).is_err());
    for order in
        [[alice.clone(), mail("alice@evil.example"), old.clone()], [old, mail("alice@evil.example"), alice]]
    {
        assert!(judge(&root, &issuing, &card(&order)).is_err());
    }
}

#[test]
fn a_constraint_on_user_principal_names_refuses_them_all_for_nobody_compares_them() {
    let root = Authority::root("Root");
    // permittedSubtrees [0] and excludedSubtrees [1], of one GeneralSubtree with an otherName.
    for subtrees in [0xa0, 0xa1] {
        for critical in [false, true] {
            let value = tlv(0x30, &tlv(subtrees, &tlv(0x30, &upn("@corp.example"))));
            let issuing = below(&root, extension(&[2, 5, 29, 30], critical, &value));
            let refused = judge(&root, &issuing, &issuing.card()).expect_err("a UPN");
            let IdentityError::Untrusted(Untrusted::Rule { rule, .. }) = refused else { panic!("{refused}") };
            assert_eq!(rule, PathRule::NameConstraints);
        }
    }
}

#[test]
fn a_certificate_that_names_two_signature_algorithms_is_refused() {
    const SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const SHA384: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
    let root = Authority::root("Root");
    let card = root.card();
    // Both headers have four octets: 0x30, 0x82, and a length.
    let length = usize::from(u16::from_be_bytes([card[6], card[7]]));
    let mut signed = card[4..8 + length].to_vec();
    let resigned = |signed: &[u8]| {
        let signature = root.key.sign(signed).expect("a signature");
        let signature = tlv(3, &[&[0], signature.as_slice()].concat());
        CertificateDer::from(tlv(0x30, &[signed, &SHA256, &signature].concat()))
    };
    let judge = |card| validator(trusting(&[&root])).judge(&peer(&[&card]), now()).map(drop);
    assert_eq!(judge(resigned(&signed)), Ok(()));
    let inside = signed.windows(SHA256.len()).position(|window| window == SHA256).expect("the algorithm");
    signed[inside..inside + SHA384.len()].copy_from_slice(&SHA384);
    let refused = judge(resigned(&signed)).expect_err("two algorithms");
    assert!(
        matches!(&refused, IdentityError::Malformed { problem: Malformed::AlgorithmMismatch, .. }),
        "{refused}"
    );
}
