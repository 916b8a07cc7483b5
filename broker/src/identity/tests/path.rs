//! Paths: what is found, what is refused, and how much work a hostile chain may cause.

use rcgen::{
    BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use crate::identity::testing::{
    Authority, ca_params, email, now, peer, rsa_key, subject, trusting, unknown_critical_extension, validator,
};
use crate::identity::{IdentityError, PathRule, PeerCertificates, Role, Untrusted, ValidatedIdentity};

fn judge(root: &Authority, chain: &[&CertificateDer<'static>]) -> Result<ValidatedIdentity, IdentityError> {
    validator(trusting(&[root])).judge(&peer(chain), now())
}

fn untrusted(outcome: Result<ValidatedIdentity, IdentityError>) -> Untrusted {
    match outcome {
        Err(IdentityError::Untrusted(untrusted)) => untrusted,
        Err(other) => panic!("not untrusted: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

fn rule(outcome: Result<ValidatedIdentity, IdentityError>) -> (Role, PathRule) {
    match untrusted(outcome) {
        Untrusted::Rule { certificate, rule } => (certificate.role, rule),
        other => panic!("not a rule: {other}"),
    }
}

#[test]
fn an_intermediate_the_peer_sends_completes_the_path() {
    let root = Authority::root("Root");
    let issuing = root.below("Issuing");
    assert!(judge(&root, &[&issuing.card(), &issuing.certificate]).is_ok());
}

#[test]
fn an_intermediate_of_the_configuration_completes_the_path() {
    let root = Authority::root("Root");
    let issuing = root.below("Issuing");
    let mut settings = trusting(&[&root]);
    settings.intermediates = vec![issuing.certificate.clone()];
    assert!(validator(settings).judge(&peer(&[&issuing.card()]), now()).is_ok());
}

#[test]
fn a_missing_intermediate_names_the_issuer_that_is_not_known() {
    let root = Authority::root("Root");
    let refused = untrusted(judge(&root, &[&root.below("Issuing").card()]));
    assert!(matches!(refused, Untrusted::NoPath { issuer, .. } if issuer == "CN=Issuing,O=Corp"));
}

#[test]
fn the_order_in_which_a_peer_sends_issuers_does_not_matter() {
    let root = Authority::root("Root");
    let policy = root.below("Policy");
    let issuing = policy.below("Issuing");
    let chain = [&issuing.card(), &root.certificate, &policy.certificate, &issuing.certificate];
    assert!(judge(&root, &chain).is_ok());
}

#[test]
fn an_unreadable_hint_of_the_peer_is_passed_over() {
    let root = Authority::root("Root");
    let rubbish = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
    assert!(judge(&root, &[&root.card(), &rubbish]).is_ok());
}

#[test]
fn another_ca_with_the_same_name_is_untrusted() {
    let root = Authority::root("Root");
    let rogue = Authority::root("Root");
    let refused = untrusted(judge(&root, &[&rogue.card(), &rogue.certificate]));
    assert!(matches!(refused, Untrusted::NoPath { .. }));
}

#[test]
fn another_ca_with_the_same_name_and_another_kind_of_key_is_untrusted() {
    let root = Authority::root("Root");
    let rogue = Authority::root_with("Root", &rcgen::PKCS_RSA_SHA256, |_| ());
    assert!(matches!(untrusted(judge(&root, &[&rogue.card()])), Untrusted::NoPath { .. }));
}

#[test]
fn an_expired_card_of_the_wrong_ca_is_untrusted_and_not_expired() {
    let root = Authority::root("Root");
    let rogue = Authority::root("Root");
    let card = rogue.card_with(|params| params.not_after = date_time_ymd(2025, 12, 31));
    assert!(matches!(untrusted(judge(&root, &[&card])), Untrusted::NoPath { .. }));
}

#[test]
fn a_configured_intermediate_is_not_a_trust_anchor() {
    let root = Authority::root("Root");
    let foreign = Authority::root("Foreign");
    let mut settings = trusting(&[&root]);
    settings.intermediates = vec![foreign.certificate.clone()];
    let refused = validator(settings).judge(&peer(&[&foreign.card()]), now());
    assert!(matches!(untrusted(refused), Untrusted::NoPath { .. }));
}

#[test]
fn an_expired_intermediate_is_named() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.not_after = date_time_ymd(2025, 1, 1));
    let refused = judge(&root, &[&issuing.card(), &issuing.certificate]).expect_err("expired");
    assert!(
        matches!(refused, IdentityError::Expired { certificate, .. } if certificate.role == Role::Intermediate)
    );
}

#[test]
fn an_expired_root_is_named() {
    let root = Authority::root_with("Root", &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = date_time_ymd(2025, 1, 1);
    });
    let other = Authority::root("Other");
    let refused =
        validator(trusting(&[&root, &other])).judge(&peer(&[&root.card()]), now()).expect_err("expired");
    assert!(matches!(refused, IdentityError::Expired { certificate, .. } if certificate.role == Role::Root));
}

#[test]
fn an_issuer_that_is_not_a_ca_is_refused() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.is_ca = IsCa::ExplicitNoCa);
    let refused = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(refused, (Role::Intermediate, PathRule::BasicConstraints));
}

#[test]
fn an_issuer_that_may_not_sign_certificates_is_refused() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    let refused = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(refused, (Role::Intermediate, PathRule::KeyCertSign));
}

#[test]
fn a_path_longer_than_an_issuer_allows_is_refused() {
    let root = Authority::root("Root");
    let policy =
        root.below_with("Policy", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let issuing = policy.below("Issuing");
    let refused = rule(judge(&root, &[&issuing.card(), &issuing.certificate, &policy.certificate]));
    assert_eq!(refused.1, PathRule::PathLength);
}

#[test]
fn the_path_length_of_the_root_counts() {
    let root = Authority::root_with("Root", &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let issuing = root.below("Issuing");
    let refused = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(refused.1, PathRule::PathLength);
}

fn permits(subtrees: Vec<GeneralSubtree>) -> Option<NameConstraints> {
    Some(NameConstraints { permitted_subtrees: subtrees, excluded_subtrees: Vec::new() })
}

#[test]
fn a_name_outside_the_permitted_directory_names_is_refused() {
    let root = Authority::root("Root");
    let mut elsewhere = rcgen::DistinguishedName::new();
    elsewhere.push(rcgen::DnType::OrganizationName, "Elsewhere");
    let issuing = root.below_with("Issuing", |params| {
        params.name_constraints = permits(vec![GeneralSubtree::DirectoryName(elsewhere)]);
    });
    let refused = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(refused, (Role::Card, PathRule::NameConstraints));
}

#[test]
fn a_name_inside_the_permitted_directory_names_is_accepted() {
    let root = Authority::root("Root");
    let mut corp = rcgen::DistinguishedName::new();
    corp.push(rcgen::DnType::OrganizationName, "Corp");
    let issuing = root.below_with("Issuing", |params| {
        params.name_constraints = permits(vec![GeneralSubtree::DirectoryName(corp)]);
    });
    assert!(judge(&root, &[&issuing.card(), &issuing.certificate]).is_ok());
}

#[test]
fn a_mail_address_outside_the_permitted_ones_is_refused() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        params.name_constraints = permits(vec![GeneralSubtree::Rfc822Name("corp.example".to_owned())]);
    });
    let card = issuing.card_with(|params| params.subject_alt_names.push(email("alice@evil.example")));
    let refused = rule(judge(&root, &[&card, &issuing.certificate]));
    assert_eq!(refused, (Role::Card, PathRule::NameConstraints));
}

#[test]
fn an_unknown_critical_extension_of_an_issuer_is_refused() {
    let root = Authority::root("Root");
    let issuing =
        root.below_with("Issuing", |params| params.custom_extensions.push(unknown_critical_extension()));
    let (role, broken) = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(role, Role::Intermediate);
    assert_eq!(broken, PathRule::UnknownCriticalExtension { oid: "1.3.6.1.4.1.99999.1".to_owned() });
}

#[test]
fn an_issuer_limited_to_servers_issues_no_cards() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    let (role, broken) = rule(judge(&root, &[&issuing.card(), &issuing.certificate]));
    assert_eq!(role, Role::Intermediate);
    assert_eq!(broken, PathRule::IssuerExtendedKeyUsage { oid: "1.3.6.1.5.5.7.3.2".to_owned() });
}

#[test]
fn a_weak_issuer_is_named() {
    let root = Authority::root("Root");
    let key = rsa_key();
    let params = ca_params("Issuing");
    let issuing = Authority { certificate: root.sign(&params, &key), params, key };
    let mut settings = trusting(&[&root]);
    settings.minimum_rsa_bits = 3072;
    let refused = validator(settings).judge(&peer(&[&issuing.card(), &issuing.certificate]), now());
    assert!(matches!(untrusted(refused), Untrusted::WeakKey { minimum_rsa_bits: 3072, .. }));
}

#[test]
fn a_signature_with_sha1_is_refused_by_name() {
    // The algorithm is not looked up in the certificate's bytes but refused before any arithmetic, so the
    // signature itself need not be one: ecdsa-with-SHA256 (1.2.840.10045.4.3.2) becomes ecdsa-with-SHA1 (..4.1).
    let root = Authority::root("Root");
    let card = root.card();
    let sha256 = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    // Same length, so that no length field changes: 1.2.840.10045.4.1.0 is in no table either.
    let weak = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01, 0x00];
    let mut octets = card.to_vec();
    while let Some(at) = octets.windows(sha256.len()).position(|window| window == sha256) {
        octets[at..at + weak.len()].copy_from_slice(&weak);
    }
    let refused = untrusted(judge(&root, &[&CertificateDer::from(octets)]));
    assert!(
        matches!(refused, Untrusted::SignatureAlgorithm { algorithm, .. } if algorithm == "1.2.840.10045.4.1.0")
    );
}

/// `count` CAs, one below the other; returns all of them, the root first.
fn tower(count: usize) -> Vec<Authority> {
    let mut tower = vec![Authority::root("CA 0")];
    for level in 1..count {
        let next = tower[level - 1].below(&format!("CA {level}"));
        tower.push(next);
    }
    tower
}

#[test]
fn ten_certificates_below_the_root_are_a_path() {
    let tower = tower(10);
    let card = tower[9].card();
    let mut chain = vec![&card];
    chain.extend(tower[1..].iter().map(|authority| &authority.certificate));
    assert!(judge(&tower[0], &chain).is_ok());
}

#[test]
fn eleven_certificates_below_the_root_are_too_many() {
    let tower = tower(11);
    let card = tower[10].card();
    let mut settings = trusting(&[&tower[0]]);
    settings.intermediates = tower[1..].iter().map(|authority| authority.certificate.clone()).collect();
    let refused = validator(settings).judge(&peer(&[&card]), now());
    assert!(matches!(untrusted(refused), Untrusted::NoPath { .. }));
}

#[test]
fn a_circle_of_cross_certificates_ends() {
    let root = Authority::root("Root");
    let one = Authority::root("One");
    let two = Authority::root("Two");
    let card = one.card();
    let refused =
        judge(&root, &[&card, &one.cross(&two), &two.cross(&one), &one.certificate, &two.certificate]);
    assert!(matches!(untrusted(refused), Untrusted::NoPath { .. }));
}

#[test]
fn a_cross_certificate_leads_to_the_other_root() {
    let root = Authority::root("Root");
    let foreign = Authority::root("Foreign");
    assert!(judge(&root, &[&foreign.card(), &foreign.certificate, &root.cross(&foreign)]).is_ok());
}

#[test]
fn a_second_path_is_tried_when_the_first_has_ended() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.not_after = date_time_ymd(2025, 1, 1));
    let mut renewed = issuing.params.clone();
    renewed.not_after = date_time_ymd(2030, 1, 1);
    let renewed = root.sign(&renewed, &issuing.key);
    assert!(judge(&root, &[&issuing.card(), &issuing.certificate, &renewed]).is_ok());
}

/// Many CAs that certify each other in all directions, none of them trusted.
fn thicket(count: usize) -> (Authority, Vec<CertificateDer<'static>>) {
    let mut authorities: Vec<Authority> = (0..count).map(|n| Authority::root(&format!("CA {n}"))).collect();
    let mut certificates = Vec::new();
    for one in &authorities {
        for other in &authorities {
            certificates.push(one.cross(other));
        }
    }
    (authorities.swap_remove(0), certificates)
}

#[test]
fn the_work_on_a_thicket_of_cross_certificates_is_bounded() {
    let root = Authority::root("Root");
    let (issuing, certificates) = thicket(12);
    let mut settings = trusting(&[&root]);
    settings.intermediates = certificates;
    let refused = validator(settings).judge(&peer(&[&issuing.card()]), now());
    assert_eq!(untrusted(refused), Untrusted::WorkLimit);
}

#[test]
fn many_cas_of_one_name_cost_a_bounded_number_of_signatures() {
    let root = Authority::root("Root");
    let same_name: Vec<Authority> = (0..100).map(|_| Authority::root("Issuing")).collect();
    let mut settings = trusting(&[&root]);
    settings.intermediates = same_name.iter().map(|authority| authority.certificate.clone()).collect();
    let other = Authority::root("Issuing");
    let refused = validator(settings).judge(&peer(&[&other.card()]), now());
    assert_eq!(untrusted(refused), Untrusted::WorkLimit);
}

#[test]
fn a_certificate_that_is_not_der_is_malformed() {
    let root = Authority::root("Root");
    let rubbish =
        PeerCertificates::new(vec![CertificateDer::from(vec![0x30, 0x80])]).expect("one certificate");
    let refused = validator(trusting(&[&root])).judge(&rubbish, now());
    assert!(matches!(refused, Err(IdentityError::Malformed { which: Role::Card, .. })));
}

#[test]
fn control_characters_of_a_name_do_not_reach_a_log() {
    let root = Authority::root("Root");
    let card = Authority::root("Rogue").card_with(|params| {
        params.distinguished_name = subject("eve\u{202e}\n{\"level\":\"info\"}");
    });
    let refused = judge(&root, &[&card]).expect_err("untrusted").to_string();
    assert!(!refused.contains('\n') && !refused.contains('\u{202e}'), "{refused:?}");
}
