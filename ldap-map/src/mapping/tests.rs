//! Cards and accounts that belong together, and that do not.

use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, KeyPair, OtherNameValue, SanType, string::Ia5String};

use super::{MappingError, Strength, candidates, confirm, confirm_weak};
use crate::certificate::CertificateFacts;
use crate::testing::{DOMAIN_SID, Person};
use crate::tlv::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element};
use crate::upn::Upn;

fn card(upns: &[&str], sids: &[&str]) -> CertificateFacts {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    for upn in upns {
        let name = OtherNameValue::Utf8String((*upn).to_owned());
        params.subject_alt_names.push(SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], name)));
    }
    for sid in sids {
        let text = format!("tag:microsoft.com,2022-09-14:sid:{sid}");
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from(text).unwrap()));
    }
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateFacts::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

fn card_with_extension(upn: &str, sid: &str) -> CertificateFacts {
    let mut params = CertificateParams::default();
    let name = OtherNameValue::Utf8String(upn.to_owned());
    params.subject_alt_names.push(SanType::OtherName((vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3], name)));
    let oid = element(OBJECT_IDENTIFIER, &[hex::decode("2b060104018237190201").unwrap()]);
    let value = element(0xa0, &[element(OCTET_STRING, &[sid])]);
    let value = element(SEQUENCE, &[element(0xa0, &[oid, value])]).to_vec();
    params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 311, 25, 2], value));
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateFacts::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

fn own_sid() -> String {
    format!("{DOMAIN_SID}-1103")
}

#[test]
fn one_name_is_the_candidate() {
    let facts = card(&["alice@corp.example"], &[]);
    assert_eq!(Ok(Upn::parse("alice@corp.example").unwrap()), candidates(&facts));
}

#[test]
fn no_name_is_refused() {
    assert_eq!(Err(MappingError::UpnMissing), candidates(&card(&[], &[&own_sid()])));
}

#[test]
fn two_names_are_refused_even_when_equal() {
    let error = Err(MappingError::SeveralUpns { count: 2 });
    assert_eq!(error, candidates(&card(&["alice@corp.example", "bob@corp.example"], &[])));
    assert_eq!(error, candidates(&card(&["alice@corp.example", "alice@corp.example"], &[])));
}

#[test]
fn an_equal_sid_is_strong() {
    let account = Person::new("alice").account();
    assert_eq!(Ok(Strength::Strong), confirm(&card(&["alice@corp.example"], &[&own_sid()]), &account));
    assert_eq!(
        Ok(Strength::Strong),
        confirm(&card_with_extension("alice@corp.example", &own_sid()), &account)
    );
}

#[test]
fn no_sid_is_weak() {
    let account = Person::new("alice").account();
    assert_eq!(Ok(Strength::Weak), confirm(&card(&["alice@corp.example"], &[]), &account));
}

#[test]
fn another_sid_is_refused() {
    let account = Person::new("alice").account();
    let other = format!("{DOMAIN_SID}-1104");
    let refusal = confirm(&card_with_extension("alice@corp.example", &other), &account).unwrap_err();
    assert_eq!(
        MappingError::SidDiffers { certificate: other.parse().unwrap(), account: own_sid().parse().unwrap() },
        refusal
    );
}

#[test]
fn two_sids_are_refused_even_when_one_is_the_accounts() {
    let facts = card(&["alice@corp.example"], &[&own_sid(), &format!("{DOMAIN_SID}-500")]);
    let error = MappingError::SeveralSids { count: 2 };
    assert_eq!(Err(error.clone()), candidates(&facts));
    assert_eq!(Err(error), confirm(&facts, &Person::new("alice").account()));
}

#[test]
fn an_account_of_another_name_is_refused_though_the_sid_is_equal() {
    let facts = card(&["alice@corp.example"], &[&own_sid()]);
    let refusal = confirm(&facts, &Person::new("bob").account()).unwrap_err();
    assert_eq!(MappingError::NameDiffers { upn: Upn::parse("alice@corp.example").unwrap() }, refusal);
}

#[test]
fn a_weak_mapping_needs_a_card_that_is_not_older_than_the_account() {
    let facts = card(&["alice@corp.example"], &[]);
    assert_eq!(Ok(()), confirm_weak(&facts, &Person::new("alice").account()));
    let younger = Person::new("alice").with("whenCreated", &["20240101000001.0Z"]).account();
    let refusal = confirm_weak(&facts, &younger).unwrap_err();
    let not_before = facts.not_before();
    let when_created = not_before + Duration::from_secs(1);
    assert_eq!(MappingError::OlderThanAccount { not_before, when_created }, refusal);
}
