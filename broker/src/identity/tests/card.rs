//! The rules for the card itself.

use std::time::UNIX_EPOCH;

use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, date_time_ymd};

use crate::identity::testing::{
    Authority, SMARTCARD_LOGON, card_params, days, now, peer, rsa_key, tlv, trusting,
    unknown_critical_extension, validator,
};
use crate::identity::{
    CheckName, IdentityError, KeyKind, PathRule, Policies, Revocation, Role, Settings, Slot, Untrusted,
    UsageError, ValidatedIdentity,
};

/// Validates a card that is alice's but for one change.
fn judge(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Result<ValidatedIdentity, IdentityError> {
    let root = Authority::root("Root");
    let card = root.card_with(change);
    validator(trusting(&[&root])).judge(&peer(&[&card]), now())
}

fn usage(error: IdentityError) -> UsageError {
    match error {
        IdentityError::Usage(usage) => usage,
        other => panic!("not about usage: {other}"),
    }
}

#[test]
fn a_good_card_is_accepted_with_all_checks() {
    let identity = judge(|_| ()).expect("a good card");
    let names: Vec<CheckName> = identity.checks().iter().map(super::super::Check::name).collect();
    let all = [
        CheckName::Path,
        CheckName::Validity,
        CheckName::KeyStrength,
        CheckName::EndEntity,
        CheckName::KeyUsage,
        CheckName::ExtendedKeyUsage,
        CheckName::Revocation,
    ];
    assert_eq!(names, all);
}

#[test]
fn an_accepted_card_gives_its_facts() {
    let identity = judge(|_| ()).expect("a good card");
    let upns: Vec<&str> = identity.facts().upns().iter().map(|upn| upn.as_str()).collect();
    assert_eq!(upns, ["alice@corp.example"]);
}

#[test]
fn the_fingerprint_is_the_sha256_of_the_card() {
    let root = Authority::root("Root");
    let card = root.card();
    let identity = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &card);
    assert_eq!(identity.fingerprint_sha256(), digest.as_ref());
}

#[test]
fn a_check_reads_as_one_line_with_its_evidence() {
    let identity = judge(|_| ()).expect("a good card");
    let lines: Vec<String> = identity.checks().iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], r#"path: "CN=Alice,O=Corp" issued by "CN=Root,O=Corp", 1 signatures verified"#);
    assert_eq!(lines[1], "validity: all certificates until 2027-01-01T00:00:00Z");
    assert_eq!(lines[5], "extended_key_usage: clientAuth, smartcardLogon");
}

#[test]
fn an_identity_ends_with_the_first_certificate_of_its_path() {
    let identity = judge(|_| ()).expect("a good card");
    assert_eq!(identity.not_after().to_string(), "2027-01-01T00:00:00Z");
}

#[test]
fn an_rsa_card_is_accepted() {
    let root = Authority::root("Root");
    let card = root.sign(&card_params(), &rsa_key());
    let identity = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card");
    assert_eq!(identity.checks()[2].evidence(), "RSA-2048");
}

#[test]
fn an_rsa_chain_is_accepted() {
    let root = Authority::root_with("Root", &rcgen::PKCS_RSA_SHA256, |_| ());
    let card = root.sign(&card_params(), &rsa_key());
    assert!(validator(trusting(&[&root])).judge(&peer(&[&card]), now()).is_ok());
}

#[test]
fn an_expired_card_of_the_right_ca_is_expired_and_not_untrusted() {
    let refused = judge(|params| params.not_after = date_time_ymd(2025, 12, 31)).expect_err("expired");
    let IdentityError::Expired { certificate, not_after, now } = refused else { panic!("{refused}") };
    assert_eq!(certificate.role, Role::Card);
    assert_eq!(not_after.to_string(), "2025-12-31T00:00:00Z");
    assert_eq!(now.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn the_last_second_of_a_card_counts() {
    let root = Authority::root("Root");
    let card = root.card_with(|params| params.not_after = date_time_ymd(2026, 1, 1));
    let validator = validator(trusting(&[&root]));
    assert!(validator.judge(&peer(&[&card]), now()).is_ok());
    let next = now() + std::time::Duration::from_secs(1);
    assert!(matches!(validator.judge(&peer(&[&card]), next), Err(IdentityError::Expired { .. })));
}

#[test]
fn a_card_of_the_future_is_not_yet_valid() {
    let refused = judge(|params| params.not_before = date_time_ymd(2026, 1, 2)).expect_err("not yet valid");
    assert!(
        matches!(refused, IdentityError::NotYetValid { not_before, .. } if not_before.to_string() == "2026-01-02T00:00:00Z")
    );
}

#[test]
fn a_card_without_extended_key_usage_is_refused() {
    let refused = judge(|params| params.extended_key_usages.clear()).expect_err("no usage");
    assert_eq!(usage(refused), UsageError::ExtendedKeyUsage { oid: "1.3.6.1.5.5.7.3.2".to_owned() });
}

#[test]
fn client_auth_alone_is_not_enough() {
    let refused = judge(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let missing = usage(refused.expect_err("no smartcardLogon"));
    assert_eq!(missing, UsageError::ExtendedKeyUsage { oid: "1.3.6.1.4.1.311.20.2.2".to_owned() });
}

#[test]
fn smartcard_logon_alone_is_not_enough() {
    let only = vec![ExtendedKeyUsagePurpose::Other(SMARTCARD_LOGON.to_vec())];
    let refused = judge(|params| params.extended_key_usages = only).expect_err("no clientAuth");
    assert_eq!(usage(refused), UsageError::ExtendedKeyUsage { oid: "1.3.6.1.5.5.7.3.2".to_owned() });
}

#[test]
fn any_extended_key_usage_is_not_enough() {
    let refused = judge(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    assert!(matches!(usage(refused.expect_err("any")), UsageError::ExtendedKeyUsage { .. }));
}

#[test]
fn the_required_purposes_can_be_configured() {
    let root = Authority::root("Root");
    let card =
        root.card_with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let mut settings = trusting(&[&root]);
    settings.extended_key_usage = vec!["1.3.6.1.5.5.7.3.2".to_owned()];
    assert!(validator(settings).judge(&peer(&[&card]), now()).is_ok());
}

#[test]
fn a_card_without_key_usage_is_refused() {
    let refused = judge(|params| params.key_usages.clear()).expect_err("no key usage");
    assert_eq!(usage(refused), UsageError::DigitalSignature);
}

#[test]
fn a_card_for_encryption_only_is_refused() {
    let refused =
        judge(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]).expect_err("encryption");
    assert_eq!(usage(refused), UsageError::OtherSlot { slot: Slot::KeyManagement });
}

#[test]
fn a_ca_certificate_does_not_log_in() {
    let refused = judge(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    assert_eq!(usage(refused.expect_err("a CA")), UsageError::CertificateAuthority);
}

#[test]
fn a_card_that_may_sign_certificates_does_not_log_in() {
    let both = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let refused = judge(|params| params.key_usages = both).expect_err("may sign");
    assert_eq!(usage(refused), UsageError::CertificateAuthority);
}

#[test]
fn a_root_does_not_log_in() {
    let root = Authority::root("Root");
    let refused = validator(trusting(&[&root])).judge(&peer(&[&root.certificate]), now());
    assert!(matches!(refused, Err(IdentityError::Usage(UsageError::CertificateAuthority))));
}

#[test]
fn an_unknown_critical_extension_is_refused() {
    let refused =
        judge(|params| params.custom_extensions.push(unknown_critical_extension())).expect_err("unknown");
    let oid = "1.3.6.1.4.1.99999.1".to_owned();
    assert!(
        matches!(&refused, IdentityError::Untrusted(Untrusted::Rule { rule, .. }) if *rule == PathRule::UnknownCriticalExtension { oid }),
        "{refused}"
    );
}

#[test]
fn an_unknown_extension_that_is_not_critical_is_accepted() {
    let mut extension = unknown_critical_extension();
    extension.set_criticality(false);
    assert!(judge(|params| params.custom_extensions.push(extension)).is_ok());
}

#[test]
fn a_small_rsa_key_on_a_card_is_refused_when_more_is_required() {
    let root = Authority::root("Root");
    let card = root.sign(&card_params(), &rsa_key());
    let mut settings = trusting(&[&root]);
    settings.minimum_rsa_bits = 3072;
    let refused = validator(settings).judge(&peer(&[&card]), now()).expect_err("small");
    let expected = UsageError::WeakKey { key: KeyKind::Rsa(2048), minimum_rsa_bits: 3072 };
    assert_eq!(usage(refused), expected);
}

#[test]
fn a_malformed_user_principal_name_is_refused_not_skipped() {
    let oid = vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
    let broken = rcgen::SanType::OtherName((oid, rcgen::OtherNameValue::Utf8String("no at sign".to_owned())));
    let refused = judge(|params| params.subject_alt_names = vec![broken]).expect_err("no UPN");
    assert!(matches!(refused, IdentityError::Malformed { which: Role::Card, .. }), "{refused}");
}

#[test]
fn without_a_revocation_setting_every_login_is_refused() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::NotConfigured;
    let refused = validator(settings).judge(&peer(&[&root.card()]), now());
    assert_eq!(refused.err(), Some(IdentityError::RevocationNotConfigured));
}

#[test]
fn revocation_that_is_off_says_so_in_the_evidence() {
    let identity = judge(|_| ()).expect("a good card");
    assert_eq!(identity.checks()[6].to_string(), "revocation: switched off by configuration");
}

#[test]
fn a_clock_before_1970_is_refused() {
    let root = Authority::root("Root");
    let refused = validator(trusting(&[&root])).judge(&peer(&[&root.card()]), UNIX_EPOCH - days(1));
    assert_eq!(refused.err(), Some(IdentityError::ClockUnusable));
}

/// Validates alice's card with a change of the settings.
fn judge_by(change: impl FnOnce(&mut Settings)) -> Result<ValidatedIdentity, IdentityError> {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    change(&mut settings);
    validator(settings).judge(&peer(&[&root.card()]), now())
}

#[test]
fn any_extended_key_usage_is_enough_where_the_configuration_says_so() {
    let root = Authority::root("Root");
    let card = root.card_with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    let mut settings = trusting(&[&root]);
    settings.accept_any_extended_key_usage = true;
    assert!(validator(settings).judge(&peer(&[&card]), now()).is_ok());
}

#[test]
fn a_card_of_an_authority_that_is_not_listed_is_refused() {
    let listed = |name: &str| judge_by(|settings| settings.issuers = vec![name.to_owned()]);
    let identity = listed("CN=root,O=CORP").expect("names are compared as RFC 5280 does");
    assert!(identity.checks().iter().any(|check| check.name() == CheckName::Issuer));
    let refused = listed("CN=Another,O=Corp").expect_err("not listed");
    assert_eq!(usage(refused), UsageError::Issuer { issuer: "CN=Root,O=Corp".to_owned() });
}

#[test]
fn a_card_that_is_valid_for_too_long_is_refused() {
    assert!(judge_by(|settings| settings.maximum_validity = Some(days(730))).is_ok());
    let refused = judge_by(|settings| settings.maximum_validity = Some(days(700))).expect_err("too long");
    assert_eq!(usage(refused), UsageError::Lifetime { days: 730, most: 700 });
}

#[test]
fn a_small_curve_or_a_short_hash_is_refused_where_more_is_required() {
    let refused = judge_by(|settings| settings.minimum_curve_bits = 384).expect_err("P-256");
    assert!(matches!(refused, IdentityError::Untrusted(Untrusted::WeakCurve { minimum_bits: 384, .. })));
    let refused = judge_by(|settings| settings.minimum_hash_bits = 384).expect_err("SHA-256");
    assert!(matches!(refused, IdentityError::Untrusted(Untrusted::SignatureAlgorithm { .. })));
}

#[test]
fn p384_with_sha384_is_strong_enough_for_384_bits() {
    let root = Authority::root_with("Root", &rcgen::PKCS_ECDSA_P384_SHA384, |_| ());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let card = root.sign(&card_params(), &key);
    let mut settings = trusting(&[&root]);
    (settings.minimum_curve_bits, settings.minimum_hash_bits) = (384, 384);
    assert!(validator(settings).judge(&peer(&[&card]), now()).is_ok());
}

/// certificatePolicies with these policies below 1.3.6.1.4.1.99999.
fn stating(policies: &[u8]) -> rcgen::CustomExtension {
    let one = |last: &u8| tlv(0x30, &tlv(6, &[0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, *last]));
    let list: Vec<u8> = policies.iter().flat_map(one).collect();
    rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], tlv(0x30, &list))
}

#[test]
fn the_policies_of_an_identity_are_those_that_hold_for_the_whole_path() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.custom_extensions.push(stating(&[1, 2])));
    let silent = root.below_with("Silent", |_| ());
    let policies = |issuer: &Authority, of_the_card: &[u8]| {
        let card = issuer.card_with(|params| params.custom_extensions.push(stating(of_the_card)));
        let mut settings = trusting(&[&root]);
        settings.intermediates = vec![issuer.certificate.clone()];
        let identity = validator(settings).judge(&peer(&[&card]), now()).expect("a good card");
        identity.policies().iter().cloned().collect::<Vec<_>>()
    };
    let oid = |last: u8| format!("1.3.6.1.4.1.99999.{last}");
    assert_eq!(policies(&issuing, &[1, 3]), [oid(1)], "3 is what the card alone claims");
    assert_eq!(policies(&issuing, &[2, 1]), [oid(1), oid(2)]);
    assert_eq!(policies(&issuing, &[3]), Vec::<String>::new());
    assert_eq!(policies(&silent, &[1]), Vec::<String>::new(), "its authority may state none");
}

#[test]
fn a_path_must_be_valid_for_one_or_for_each_of_the_configured_policies() {
    let root = Authority::root("Root");
    let issuing = root.below_with("Issuing", |params| params.custom_extensions.push(stating(&[1, 2])));
    let judge = |of_the_card: &[u8], accepted: &[u8], all: bool| {
        let card = issuing.card_with(|params| params.custom_extensions.push(stating(of_the_card)));
        let mut settings = trusting(&[&root]);
        settings.intermediates = vec![issuing.certificate.clone()];
        let accepted = accepted.iter().map(|last| format!("1.3.6.1.4.1.99999.{last}")).collect();
        settings.policies = Policies { accepted, all, explicit: true, ..Policies::default() };
        validator(settings).judge(&peer(&[&card]), now())
    };
    assert!(judge(&[1], &[1, 3], false).is_ok());
    assert!(judge(&[1, 2], &[1, 2], true).is_ok());
    for (of_the_card, accepted, all) in
        [(&[1][..], &[1, 2][..], true), (&[3], &[3], false), (&[2], &[1], false)]
    {
        let refused = judge(of_the_card, accepted, all).expect_err("another policy");
        assert!(
            matches!(&refused, IdentityError::Untrusted(Untrusted::Rule { rule: PathRule::Policy, .. })),
            "{refused}"
        );
    }
}

#[test]
fn a_card_signed_with_rsa_pss_is_accepted() {
    // Made with OpenSSL: rcgen signs with PKCS #1 v1.5 only. The root's key is RSA-2048, both with SHA-256 and PSS.
    let read = |octets: &[u8]| rustls_pki_types::CertificateDer::from(octets.to_vec());
    let mut settings = Settings::new(vec![read(include_bytes!("card/pss_root.der"))]);
    settings.revocation = Revocation::Off;
    let card = read(include_bytes!("card/pss_card.der"));
    let identity = validator(settings.clone()).judge(&peer(&[&card]), now()).expect("a good card");
    assert_eq!(identity.checks()[2].evidence(), "RSA-2048");
    settings.minimum_hash_bits = 384;
    assert!(validator(settings).judge(&peer(&[&card]), now()).is_err(), "SHA-256 is too short now");
}
