//! Values as administrators write them, held against certificates.

use proptest::prelude::*;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, Issuer, KeyPair, SanType, SerialNumber, string::Ia5String,
};

use super::*;

const ISSUER: &str = "DC=local,DC=dod,CN=SpatDoD Root CA";
const SERIAL: &[u8] = &[0x10, 0xe8, 0xbd, 0x03, 0, 0, 0, 0, 0, 0x32];
const SID: &str = "S-1-5-21-1004336348-1177238915-682003330-1103";

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.iter().for_each(|(kind, value)| name.push(kind.clone(), *value));
    name
}

/// A card of the authority of the samples (protocol reference: `<SR>32000000000003bde810`).
fn card(change: impl FnOnce(&mut CertificateParams)) -> CertificateFacts {
    let dc = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]);
    let mut issuer = CertificateParams::default();
    // rcgen keeps one value of a type, so that the second part is no DC.
    issuer.distinguished_name =
        name(&[(dc, "local"), (DnType::OrganizationName, "dod"), (DnType::CommonName, "SpatDoD Root CA")]);
    let issuer_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name =
        name(&[(DnType::OrganizationName, "Corp"), (DnType::CommonName, "Alice Smith")]);
    params.serial_number = Some(SerialNumber::from_slice(SERIAL));
    params.subject_alt_names = vec![
        SanType::Rfc822Name(Ia5String::try_from("alice@corp.example").unwrap()),
        SanType::URI(Ia5String::try_from(format!("tag:microsoft.com,2022-09-14:sid:{SID}")).unwrap()),
    ];
    params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![0xdd, 0xde, 0x2c]);
    params.is_ca = rcgen::IsCa::ExplicitNoCa;
    change(&mut params);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = params.signed_by(&key, &Issuer::from_params(&issuer, &issuer_key)).unwrap();
    CertificateFacts::parse(certificate.der()).unwrap()
}

fn fit(text: &str, facts: &CertificateFacts) -> Fit {
    AltSecurityIdentity::parse(text).unwrap().fit(facts, &[Sha1Reading::Certificate])
}

const OWN_ISSUER: &str = "DC=local,O=dod,CN=SpatDoD Root CA";

#[test]
fn every_form_is_written_as_domain_controllers_want_it() {
    let facts = card(|_| ());
    let values = AltSecurityIdentity::all_of(&facts, &[Sha1Reading::Certificate]);
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    let digest = hexadecimal(&facts.sha1().certificate);
    assert_eq!(
        vec![
            format!("X509:<I>{OWN_ISSUER}<SR>32000000000003bde810"),
            "X509:<SKI>ddde2c".to_owned(),
            format!("X509:<SHA1-PUKEY>{digest}"),
            format!("X509:<I>{OWN_ISSUER}<SID>{SID}"),
            format!("X509:<I>{OWN_ISSUER}<S>O=Corp,CN=Alice Smith"),
            "X509:<S>O=Corp,CN=Alice Smith".to_owned(),
            "X509:<RFC822>alice@corp.example".to_owned(),
        ],
        texts
    );
    assert_eq!(Form::ALL.to_vec(), values.iter().map(AltSecurityIdentity::form).collect::<Vec<_>>());
}

#[test]
fn every_form_reads_back_and_names_its_certificate_only() {
    let (facts, other) = (
        card(|_| ()),
        card(|params| {
            params.serial_number = Some(SerialNumber::from(7_u64));
            params.distinguished_name = name(&[(DnType::CommonName, "Bob")]);
            params.subject_alt_names.clear();
            params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![1]);
        }),
    );
    for value in AltSecurityIdentity::all_of(&facts, &Sha1Reading::ALL) {
        let read = AltSecurityIdentity::parse(&value.to_string()).unwrap();
        assert_eq!(value, read);
        assert_eq!(Fit::Fits, read.fit(&facts, &Sha1Reading::ALL), "{value}");
        assert_eq!(Fit::Other, read.fit(&other, &Sha1Reading::ALL), "{value}");
    }
}

#[test]
fn four_forms_are_strong() {
    let strong: Vec<&str> =
        Form::ALL.iter().filter(|form| form.strength() == Strength::Strong).map(|form| form.tags()).collect();
    assert_eq!(["<I><SR>", "<SKI>", "<SHA1-PUKEY>", "<I><SID>"], strong.as_slice());
}

#[test]
fn a_value_written_in_another_order_is_recognised_and_ignored() {
    let facts = card(|_| ());
    let backwards = "CN=SpatDoD Root CA,O=dod,DC=local";
    let serial = "32000000000003bde810";
    for (text, found) in [
        (format!("X509:<I>{backwards}<SR>{serial}"), vec![Misspelling::IssuerReversed]),
        (format!("X509:<I>{OWN_ISSUER}<SR>10e8bd03000000000032"), vec![Misspelling::SerialNotReversed]),
        (
            format!("X509:<I>{backwards}<SR>10e8bd03000000000032"),
            vec![Misspelling::IssuerReversed, Misspelling::SerialNotReversed],
        ),
        (format!("X509:<I>{OWN_ISSUER}<SR>{serial}00"), vec![Misspelling::SerialPadded]),
        (
            format!("X509:<I>{OWN_ISSUER}<SR>0010e8bd03000000000032"),
            vec![Misspelling::SerialNotReversed, Misspelling::SerialPadded],
        ),
        (format!("X509:<I>{}<SR>{serial}", OWN_ISSUER.to_lowercase()), vec![Misspelling::IssuerRespelt]),
        (format!("X509: <I>{OWN_ISSUER}<SR>{serial}"), vec![Misspelling::Layout]),
        (format!("X509:<SR>{serial}<I>{OWN_ISSUER}"), vec![Misspelling::Layout]),
        (format!("X509:<I>{OWN_ISSUER}<S>CN=Alice Smith,O=Corp"), vec![Misspelling::SubjectReversed]),
        ("X509:<S>O=corp, CN=Alice Smith".to_owned(), vec![Misspelling::SubjectRespelt]),
        ("X509:<RFC822>Alice@Corp.Example".to_owned(), vec![Misspelling::AddressRespelt]),
        (
            format!("X509:<SHA1-PUKEY>{}", hexadecimal(&facts.sha1().public_key)),
            vec![Misspelling::Sha1Reading(Sha1Reading::PublicKey)],
        ),
    ] {
        assert_eq!(Fit::Ignored(found), fit(&text, &facts), "{text}");
    }
    assert_eq!(Fit::Fits, fit(&format!("X509:<I>{OWN_ISSUER}<SR>{}", serial.to_uppercase()), &facts));
}

#[test]
fn another_issuer_or_serial_is_another_certificate() {
    let facts = card(|_| ());
    for text in [
        format!("X509:<I>{ISSUER}<SR>32000000000003bde810"),
        format!("X509:<I>{OWN_ISSUER}<SR>32000000000003bde811"),
        "X509:<SKI>ddde".to_owned(),
        "X509:<RFC822>bob@corp.example".to_owned(),
        format!("X509:<I>{OWN_ISSUER}<SID>{SID}1"),
    ] {
        assert_eq!(Fit::Other, fit(&text, &facts), "{text}");
    }
}

#[test]
fn a_certificate_without_a_name_or_with_one_that_cannot_be_written_has_fewer_values() {
    let forms = |facts: &CertificateFacts| -> Vec<Form> {
        AltSecurityIdentity::all_of(facts, &[]).iter().map(AltSecurityIdentity::form).collect()
    };
    let nameless = card(|params| params.distinguished_name = DistinguishedName::new());
    assert_eq!(
        vec![Form::IssuerSerial, Form::SubjectKeyIdentifier, Form::IssuerSid, Form::Rfc822],
        forms(&nameless)
    );
    let forged = card(|params| params.distinguished_name = name(&[(DnType::CommonName, "x,CN=Alice Smith")]));
    assert!(!forms(&forged).contains(&Form::Subject));
}

#[test]
fn what_is_no_value_is_refused() {
    let tags = |tags: &str| AltSecurityIdentityError::UnknownForm { tags: tags.to_owned() };
    for (text, error) in [
        ("", AltSecurityIdentityError::NotX509),
        ("Kerberos:alice@CORP.EXAMPLE", AltSecurityIdentityError::NotX509),
        ("x509:<SKI>00", AltSecurityIdentityError::NotX509),
        ("X509:", AltSecurityIdentityError::Syntax),
        ("X509:<SKI", AltSecurityIdentityError::Syntax),
        ("X509:<PN>alice@corp.example", tags("<PN>")),
        ("X509:<I>CN=CA", tags("<I>")),
        ("X509:<SKI>00<SKI>00", tags("<SKI><SKI>")),
        ("X509:<SKI>0", AltSecurityIdentityError::Hexadecimal { tag: "<SKI>" }),
        ("X509:<SKI>0g", AltSecurityIdentityError::Hexadecimal { tag: "<SKI>" }),
        ("X509:<I>CN=CA<SR>+1", AltSecurityIdentityError::Hexadecimal { tag: "<SR>" }),
        ("X509:<I>CN=CA<SID>S-1", AltSecurityIdentityError::Sid),
        ("X509:<S>", AltSecurityIdentityError::Name { tag: "<S>", error: X500NameError::Text }),
    ] {
        assert_eq!(Err(error), AltSecurityIdentity::parse(text).map(|_| ()), "{text:?}");
    }
    let long = format!("X509:<RFC822>{}", "a".repeat(MAXIMUM_LENGTH));
    assert_eq!(Err(AltSecurityIdentityError::TooLong), AltSecurityIdentity::parse(&long).map(|_| ()));
}

proptest! {
    #[test]
    fn every_value_survives_its_text(
        issuer in "(CN|O|DC)=[A-Za-z0-9 .]{0,8}[a-z]",
        octets in prop::collection::vec(any::<u8>(), 1..20),
    ) {
        let digits = hexadecimal(&octets);
        for text in [
            format!("X509:<I>{issuer}<SR>{digits}"),
            format!("X509:<SKI>{digits}"),
            format!("X509:<SHA1-PUKEY>{digits}"),
            format!("X509:<I>{issuer}<S>{issuer}"),
            format!("X509:<S>{issuer}"),
        ] {
            prop_assert_eq!(AltSecurityIdentity::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn no_text_stops_the_reader(text in "(X509:)?[ ]?(<[ISRKU]{1,3}>[ -~ü]{0,12}){0,3}") {
        if let Ok(value) = AltSecurityIdentity::parse(&text) {
            prop_assert_eq!(&value, &AltSecurityIdentity::parse(&value.to_string()).unwrap());
        }
    }
}
