//! Certificates made by an independent library, and changed ones.

use proptest::prelude::*;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, OtherNameValue, SanType, SerialNumber, string::Ia5String,
};

use super::*;
use crate::tlv::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, UTF8_STRING, element};

const PRINCIPAL_NAME: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 20, 2, 3];
const SECURITY_EXTENSION: &[u64] = &[1, 3, 6, 1, 4, 1, 311, 25, 2];
const SID: &str = "S-1-5-21-1004336348-1177238915-682003330-512";
/// The value of the security extension for [`SID`].
const SECURITY_VALUE: &str = "303ea03c060a2b060104018237190201a02e042c532d312d352d32312d313030343333363334382d\
                              313137373233383931352d3638323030333333302d353132";

fn card() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Corp, Inc.");
    params.distinguished_name.push(DnType::CommonName, "Alice Smith");
    params.serial_number = Some(SerialNumber::from_slice(&[0x10, 0xe8, 0xbd, 0x03]));
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 2]),
    ];
    params.subject_alt_names =
        vec![SanType::DnsName(Ia5String::try_from("card.corp.example").unwrap()), upn("alice@corp.example")];
    params.custom_extensions = vec![security(&hex::decode(SECURITY_VALUE).unwrap())];
    params
}

fn upn(name: &str) -> SanType {
    SanType::OtherName((PRINCIPAL_NAME.to_vec(), OtherNameValue::Utf8String(name.to_owned())))
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).unwrap())
}

fn security(value: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(SECURITY_EXTENSION, value.to_vec())
}

fn der(params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

#[expect(clippy::needless_pass_by_value, reason = "tests make their parameters in place")]
fn facts(params: CertificateParams) -> Result<CertificateFacts, CertificateError> {
    CertificateFacts::parse(&der(&params))
}

fn with_names(names: Vec<SanType>) -> CertificateParams {
    let mut params = card();
    params.subject_alt_names = names;
    params
}

fn with_extension(oid: &[u64], value: &[u8]) -> CertificateParams {
    let mut params = card();
    params.subject_alt_names.clear();
    params.key_usages.clear();
    params.extended_key_usages.clear();
    params.custom_extensions = vec![CustomExtension::from_oid_content(oid, value.to_vec())];
    params
}

#[test]
fn a_card_states_its_facts() {
    let facts = facts(card()).unwrap();
    assert_eq!("CN=Alice Smith,O=Corp\\, Inc.", facts.subject());
    assert_eq!(facts.subject(), facts.issuer());
    assert_eq!("10e8bd03", facts.serial());
    assert_eq!(UNIX_EPOCH + Duration::from_secs(1_767_225_600), facts.not_before());
    assert_eq!(UNIX_EPOCH + Duration::from_secs(2_524_608_000), facts.not_after());
    assert_eq!(vec!["1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"], facts.extended_key_usage());
    assert_eq!((true, false), facts.key_usage().map(|k| (k.digital_signature(), k.key_cert_sign())).unwrap());
    assert_eq!(0, facts.policies().len());
}

#[test]
fn the_upn_is_that_of_the_other_name_only() {
    let facts = facts(card()).unwrap();
    assert_eq!(&[Upn::parse("alice@corp.example").unwrap()], facts.upns());
}

#[test]
fn several_upns_are_all_kept() {
    let facts = facts(with_names(vec![upn("alice@corp.example"), upn("alice@corp.example")])).unwrap();
    assert_eq!(2, facts.upns().len());
}

#[test]
fn a_malformed_upn_is_not_skipped() {
    let error = facts(with_names(vec![upn("alice"), upn("alice@corp.example")])).unwrap_err();
    assert_eq!(CertificateError::Upn(Some(UpnError::NoSuffix)), error);
}

#[test]
fn a_upn_of_another_string_type_is_refused() {
    // otherName with an IA5String inside.
    let name = element(
        0xa0,
        &[
            element(OBJECT_IDENTIFIER, &[hex::decode("2b060104018237140203").unwrap()]),
            element(0xa0, &[element(0x16, &["alice@corp.example"])]),
        ],
    );
    let value = element(SEQUENCE, &[name]);
    let error = facts(with_extension(&[2, 5, 29, 17], &value)).unwrap_err();
    assert_eq!(CertificateError::Upn(None), error);
}

#[test]
fn an_other_name_of_another_type_is_not_a_upn() {
    let other =
        SanType::OtherName((vec![1, 2, 3, 4], OtherNameValue::Utf8String("bob@corp.example".to_owned())));
    assert_eq!(0, facts(with_names(vec![other])).unwrap().upns().len());
}

#[test]
fn an_e_mail_address_and_a_common_name_are_not_upns() {
    let mut params = with_names(vec![SanType::Rfc822Name(Ia5String::try_from("bob@corp.example").unwrap())]);
    params.distinguished_name.push(DnType::CommonName, "bob@corp.example");
    assert_eq!(0, facts(params).unwrap().upns().len());
}

#[test]
fn the_security_extension_gives_the_sid() {
    assert_eq!(Some(&SID.parse().unwrap()), facts(card()).unwrap().sid());
}

#[test]
fn the_tag_of_a_uri_gives_the_sid() {
    let mut params = with_names(vec![
        uri("https://corp.example/"),
        uri(&format!("tag:microsoft.com,2022-09-14:sid:{SID}")),
    ]);
    params.custom_extensions.clear();
    assert_eq!(Some(&SID.parse().unwrap()), facts(params).unwrap().sid());
}

#[test]
fn the_same_sid_in_both_places_is_one() {
    let params = with_names(vec![uri(&format!("tag:microsoft.com,2022-09-14:sid:{SID}"))]);
    assert_eq!(&[SID.parse::<Sid>().unwrap()], facts(params).unwrap().sids());
}

#[test]
fn two_sids_that_differ_are_both_kept_and_neither_is_the_one() {
    let params = with_names(vec![uri("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500")]);
    let facts = facts(params).unwrap();
    assert_eq!((2, None), (facts.sids().len(), facts.sid()));
}

#[test]
fn a_malformed_sid_is_not_skipped() {
    let params = with_names(vec![uri("tag:microsoft.com,2022-09-14:sid:S-1-5-")]);
    assert_eq!(CertificateError::Sid(Some(SidError::Text)), facts(params).unwrap_err());
}

#[test]
fn a_malformed_security_extension_is_refused() {
    let oid = hex::decode("2b060104018237190201").unwrap();
    let name = |oid: &[u8], inner: &[u8]| {
        element(0xa0, &[&element(OBJECT_IDENTIFIER, &[oid])[..], &element(0xa0, &[inner])[..]])
    };
    let text = element(OCTET_STRING, &[SID]);
    let malformed = CertificateError::Extension { extension: "szOID_NTDS_CA_SECURITY_EXT" };
    for (value, error) in [
        (element(SEQUENCE, &[name(&oid, &text), name(&oid, &text)]), malformed),
        (element(SEQUENCE, &[name(&[0x55, 0x1d, 0x11], &text)]), malformed),
        (element(SEQUENCE, &[name(&oid, &element(UTF8_STRING, &[SID]))]), malformed),
        (element(SEQUENCE, &[""]), malformed),
        (
            element(SEQUENCE, &[name(&oid, &element(OCTET_STRING, &["500"]))]),
            CertificateError::Sid(Some(SidError::Text)),
        ),
        (element(SEQUENCE, &[name(&oid, &element(OCTET_STRING, &[[0xff]]))]), CertificateError::Sid(None)),
    ] {
        assert_eq!(error, facts(with_extension(SECURITY_EXTENSION, &value)).unwrap_err());
    }
}

#[test]
fn an_extension_must_not_be_there_twice() {
    let mut params = card();
    let twice = params.custom_extensions.first().unwrap().clone();
    params.custom_extensions.push(twice);
    assert_eq!(CertificateError::ExtensionTwice, facts(params).unwrap_err());
}

#[test]
fn policies_are_read_with_and_without_qualifiers() {
    let value =
        hex::decode("301a 3006 0604 67810c01 3010 0604 67810c02 3008 3006 06022a03 0400".replace(' ', ""))
            .unwrap();
    assert_eq!(
        vec!["2.23.140.1", "2.23.140.2"],
        facts(with_extension(&[2, 5, 29, 32], &value)).unwrap().policies()
    );
}

#[test]
fn malformed_usages_are_refused() {
    for (oid, value, extension) in [
        (&[2_u64, 5, 29, 15], "030300", "keyUsage"),
        (&[2, 5, 29, 15], "03020880", "keyUsage"),
        (&[2, 5, 29, 15], "0300", "keyUsage"),
        (&[2, 5, 29, 37], "3000", "extKeyUsage"),
        (&[2, 5, 29, 37], "30030601 80", "extKeyUsage"),
        (&[2, 5, 29, 17], "3003820100 00", "subjectAltName"),
        (&[2, 5, 29, 17], "3002a005", "subjectAltName"),
        (&[2, 5, 29, 32], "30020600", "certificatePolicies"),
    ] {
        let value = hex::decode(value.replace(' ', "")).unwrap();
        let error = facts(with_extension(oid, &value)).unwrap_err();
        assert_eq!(CertificateError::Extension { extension }, error, "{extension}");
    }
}

#[test]
fn names_without_a_short_form_are_written_by_number() {
    let mut params = card();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]), "corp");
    params.distinguished_name.push(DnType::CountryName, "AT");
    params.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a");
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(" #A\u{7}\"\\ ".to_owned()));
    let facts = facts(params).unwrap();
    assert_eq!("CN=\\ #A\\07\\\"\\\\\\ ,1.2.840.113549.1.9.1=#0c0161,C=AT,DC=corp", facts.subject());
}

#[test]
fn a_two_octet_string_is_read_as_text() {
    let mut params = card();
    params.distinguished_name = DistinguishedName::new();
    let value = rcgen::string::BmpString::try_from("Zoë").unwrap();
    params.distinguished_name.push(DnType::CommonName, DnValue::BmpString(value));
    assert_eq!("CN=Zoë", facts(params).unwrap().subject());
}

#[test]
fn octets_after_the_certificate_are_refused() {
    let mut octets = der(&card());
    octets.push(0);
    assert_eq!(CertificateError::Certificate, CertificateFacts::parse(&octets).unwrap_err());
}

#[test]
fn what_is_no_certificate_is_refused() {
    for octets in [&[][..], b"-----BEGIN CERTIFICATE-----", &[0x30, 0x00]] {
        assert_eq!(CertificateError::Certificate, CertificateFacts::parse(octets).unwrap_err());
    }
    assert_eq!(
        CertificateError::TooLarge,
        CertificateFacts::parse(&vec![0x30; MAXIMUM_LENGTH + 1]).unwrap_err()
    );
}

#[test]
fn bounds_hold_for_names_and_serial_numbers() {
    let many = (0..=MAXIMUM_COUNT).map(|number| uri(&format!("urn:{number}"))).collect();
    assert_eq!(CertificateError::TooMany, facts(with_names(many)).unwrap_err());
    let mut params = card();
    params.serial_number = Some(SerialNumber::from_slice(&[0x11; 65]));
    assert_eq!(CertificateError::Serial, facts(params).unwrap_err());
}

proptest! {
    #[test]
    fn no_change_of_a_certificate_stops_the_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        static CARD: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&card()));
        let mut octets = CARD.clone();
        for (place, octet) in changes {
            let place = place.index(octets.len());
            octets[place] = octet;
        }
        if cuts {
            octets.truncate(cut.index(octets.len()));
        }
        crate::fuzzing::certificate(&octets);
    }

    #[test]
    fn no_octets_stop_the_reader(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::certificate(&octets);
    }
}
