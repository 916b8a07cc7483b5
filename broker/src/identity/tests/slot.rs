//! A card's other certificates, shown in the place of the one for logging in.

use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use crate::identity::testing::{Authority, SMARTCARD_LOGON, now, peer, tlv, trusting, validator};
use crate::identity::{IdentityError, Policies, Settings, Slot, UsageError};

const CARD_AUTHENTICATION: [u64; 8] = [2, 16, 840, 1, 101, 3, 6, 8];
/// 2.16.840.1.101.3.2.1.3.17, encoded.
const CARD_AUTHENTICATION_POLICY: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x02, 0x01, 0x03, 0x11];
const PIV_AUTHENTICATION_POLICY: &str = "2.16.840.1.101.3.2.1.3.13";

fn card_authentication() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(CARD_AUTHENTICATION.to_vec())
}

fn policy(params: &mut CertificateParams, oid: &[u8]) {
    let value = tlv(0x30, &tlv(0x30, &tlv(0x06, oid)));
    params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 32], value));
}

fn refused(change: impl FnOnce(&mut CertificateParams)) -> Option<Slot> {
    refused_by(|_| (), change)
}

/// Which slot is named; `None` where the card is accepted, or refused for another reason.
fn refused_by(
    settle: impl FnOnce(&mut Settings),
    change: impl FnOnce(&mut CertificateParams),
) -> Option<Slot> {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settle(&mut settings);
    match validator(settings).judge(&peer(&[&root.card_with(change)]), now()) {
        Err(IdentityError::Usage(UsageError::OtherSlot { slot })) => Some(slot),
        _ => None,
    }
}

#[test]
fn a_certificate_that_signs_mail_is_known_as_the_one_for_signatures() {
    let mail = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    };
    assert_eq!(refused(mail), Some(Slot::Signature));
    let without_purpose = |params: &mut CertificateParams| {
        params.extended_key_usages.clear();
        params.key_usages = vec![KeyUsagePurpose::ContentCommitment];
    };
    assert_eq!(refused(without_purpose), Some(Slot::Signature));
}

#[test]
fn a_certificate_that_decrypts_is_known_as_the_one_for_key_management() {
    for usage in [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::KeyAgreement] {
        let change = |params: &mut CertificateParams| {
            params.key_usages = vec![usage];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
        };
        assert_eq!(refused(change), Some(Slot::KeyManagement));
    }
}

#[test]
fn a_certificate_whose_key_needs_no_pin_does_not_log_in_however_well_the_rest_fits() {
    assert_eq!(
        refused(|params| params.extended_key_usages = vec![card_authentication()]),
        Some(Slot::CardAuthentication)
    );
    let with_all = |params: &mut CertificateParams| params.extended_key_usages.push(card_authentication());
    assert_eq!(refused(with_all), Some(Slot::CardAuthentication));
    let by_policy = |params: &mut CertificateParams| policy(params, CARD_AUTHENTICATION_POLICY);
    assert_eq!(refused(by_policy), Some(Slot::CardAuthentication));
}

#[test]
fn card_authentication_logs_in_where_it_is_configured_as_a_purpose() {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.extended_key_usage = vec!["2.16.840.1.101.3.6.8".to_owned()];
    let card = root.card_with(|params| params.extended_key_usages = vec![card_authentication()]);
    assert!(validator(settings).judge(&peer(&[&card]), now()).is_ok());
}

#[test]
fn a_certificate_for_mail_that_is_also_for_logging_in_logs_in() {
    let both = |params: &mut CertificateParams| {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::EmailProtection);
        params.key_usages.push(KeyUsagePurpose::ContentCommitment);
    };
    let root = Authority::root("Root");
    assert!(validator(trusting(&[&root])).judge(&peer(&[&root.card_with(both)]), now()).is_ok());
}

#[test]
fn a_certificate_without_the_policy_of_the_login_is_known_by_its_purpose() {
    let demanding = |settings: &mut Settings| {
        settings.policies = Policies {
            accepted: vec![PIV_AUTHENTICATION_POLICY.to_owned()],
            explicit: true,
            ..Policies::default()
        };
    };
    let mail = |params: &mut CertificateParams| {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::EmailProtection);
    };
    assert_eq!(refused_by(demanding, mail), Some(Slot::Signature));
    assert_eq!(refused_by(demanding, |_| ()), None);
}

#[test]
fn a_certificate_that_is_no_other_of_the_card_is_refused_for_what_it_lacks() {
    let web = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    assert_eq!(refused(web), None);
    let logon_only = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(SMARTCARD_LOGON.to_vec())];
    };
    assert_eq!(refused(logon_only), None);
}
