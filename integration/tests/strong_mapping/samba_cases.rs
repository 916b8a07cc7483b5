//! Samba's own list: the tests of its `pkinit_certificate_mapping_tests.py`, by their names, and the values that the tests of its
//! reader (`db-glue-test.c`) hold, with the names of a real card in them.

use std::time::Duration;

use integration::pki::CardRequest;
use ldap_map::alt_security_identities::{Form, Sha1Reading};
use ldap_map::certificate::CertificateFacts;
use rcgen::{CertificateParams, DistinguishedName, DnType};

use super::cases::{Case, Mode, Sids, USUAL, digest, issuer_serial, nameless, of, ski};

const DAY: Duration = Duration::from_secs(86_400);

/// Those tests run in a domain that compensates for more than the day by which their cards are older than their accounts.
const SAMBA: Case = Case {
    change: since_yesterday,
    modes: &[Mode::None, Mode::Compatibility, Mode::Compensated, Mode::Full],
    ..USUAL
};

/// The reader's values are asked in the mode in which all count, of cards that nothing else ties to their accounts.
const READER: Case = Case { card: nameless, modes: &[Mode::Compatibility], ..USUAL };

/// The subject that Samba's tests give their cards.
fn samba_subject(params: &mut CertificateParams, name: &str) {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "US");
    subject.push(DnType::StateOrProvinceName, "SambaState");
    subject.push(DnType::OrganizationName, "SambaSelfTesting");
    subject.push(DnType::OrganizationalUnitName, "Users");
    subject.push(DnType::CommonName, format!("{name}@corp.example"));
    params.distinguished_name = subject;
}

fn since_yesterday(params: &mut CertificateParams, name: &str) {
    samba_subject(params, name);
    params.not_before -= DAY;
}

/// Before the compensation begins.
fn since_long(params: &mut CertificateParams, name: &str) {
    samba_subject(params, name);
    params.not_before -= 3 * DAY;
}

fn mail<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card.email("testad@test.samba.org")
}

fn another_mail<'a>(card: CardRequest<'a>, _: &Sids) -> CardRequest<'a> {
    card.email("testad2@test.samba.org")
}

fn one(facts: &CertificateFacts, form: Form) -> String {
    let [value] = of(facts, form).try_into().unwrap();
    value
}

/// What stands behind the tags of a form's value.
fn parts(facts: &CertificateFacts, form: Form) -> Vec<String> {
    let value = one(facts, form);
    value.split('<').skip(1).map(|pair| pair.split_once('>').unwrap().1.to_owned()).collect()
}

fn issuer_and_serial(facts: &CertificateFacts) -> [String; 2] {
    parts(facts, Form::IssuerSerial).try_into().unwrap()
}

fn issuer_and_subject(facts: &CertificateFacts) -> [String; 2] {
    parts(facts, Form::IssuerSubject).try_into().unwrap()
}

pub(super) const SAMBA_TESTS: &[Case] = &[
    Case { name: "Samba: test_no_mapping", ..SAMBA },
    Case { name: "Samba: test_computer_account_no_mapping", is_computer: true, ..SAMBA },
    Case { name: "Samba: test_subject_name", values: |facts| of(facts, Form::Subject), ..SAMBA },
    Case {
        name: "Samba: test_subject_name_before",
        change: since_long,
        values: |facts| of(facts, Form::Subject),
        ..SAMBA
    },
    Case {
        name: "Samba: test_subject_name_not_reversed",
        values: |facts| {
            let [subject] = parts(facts, Form::Subject).try_into().unwrap();
            let backwards: Vec<&str> = subject.rsplit(',').collect();
            vec![format!("X509:<S>{}", backwards.join(","))]
        },
        ..SAMBA
    },
    Case { name: "Samba: test_issuer_subject", values: |facts| of(facts, Form::IssuerSubject), ..SAMBA },
    Case {
        name: "Samba: test_issuer_subject_before",
        change: since_long,
        values: |facts| of(facts, Form::IssuerSubject),
        ..SAMBA
    },
    Case { name: "Samba: test_rfc822", card: mail, values: |facts| of(facts, Form::Rfc822), ..SAMBA },
    Case {
        name: "Samba: test_rfc822_before",
        card: another_mail,
        change: since_long,
        values: |facts| of(facts, Form::Rfc822),
        ..SAMBA
    },
    Case { name: "Samba: test_issuer_serial_number", values: issuer_serial, ..SAMBA },
    Case { name: "Samba: test_subject_key_identifier", values: ski, ..SAMBA },
    Case { name: "Samba: test_public_key", values: |facts| digest(facts, Sha1Reading::Certificate), ..SAMBA },
    Case { name: "Samba: test_object_sid", card: |card, sids| card.sid(&sids.own), ..SAMBA },
    Case { name: "Samba: test_mismatched_object_sid", card: |card, sids| card.sid(&sids.other), ..SAMBA },
];

pub(super) const SAMBA_VALUES: &[Case] = &[
    Case { name: "reader: header_only", values: |_| vec!["X509:".to_owned()], ..READER },
    Case { name: "reader: not_x509", values: |_| vec!["KERBEROS:".to_owned()], ..READER },
    Case { name: "reader: no_tag", values: |_| vec!["X509:No tag here".to_owned()], ..READER },
    Case { name: "reader: no_tag_close", values: |_| vec!["X509:<No tag close".to_owned()], ..READER },
    Case { name: "reader: empty_tag", values: |_| vec!["X509:<>Empty tag".to_owned()], ..READER },
    Case { name: "reader: no_value", values: |_| vec!["X509:<I>".to_owned()], ..READER },
    Case {
        name: "reader: issuer_name",
        values: |facts| vec![format!("X509:<I>{}", issuer_and_serial(facts)[0])],
        ..READER
    },
    Case {
        name: "reader: duplicate_issuer_name",
        values: |facts| vec![format!("X509:<I>CN=Duplicate<I>{}", issuer_and_serial(facts)[0])],
        ..READER
    },
    Case { name: "reader: subject_name", values: |facts| of(facts, Form::Subject), ..READER },
    Case {
        name: "reader: duplicate_subject_name",
        values: |facts| vec![format!("X509:<S>CN=Subject<S>{}", issuer_and_subject(facts)[1])],
        ..READER
    },
    Case {
        name: "reader: issuer_and_subject_name",
        values: |facts| {
            let [issuer, subject] = issuer_and_subject(facts);
            vec![format!("X509:<S>{subject}<I>{issuer}")]
        },
        ..READER
    },
    Case {
        name: "reader: serial_number",
        values: |facts| vec![format!("X509:<SR>{}", issuer_and_serial(facts)[1])],
        ..READER
    },
    Case {
        name: "reader: duplicate_serial_number",
        values: |facts| vec![format!("X509:<SR>fedcba98765410<SR>{}", issuer_and_serial(facts)[1])],
        ..READER
    },
    Case {
        name: "reader: serial_number_and_issuer_name",
        values: |facts| {
            let [issuer, serial] = issuer_and_serial(facts);
            vec![format!("X509:<SR>{serial}<I>{issuer}")]
        },
        modes: &[Mode::Compatibility, Mode::Full],
        ..READER
    },
    Case { name: "reader: ski", values: ski, modes: &[Mode::Compatibility, Mode::Full], ..READER },
    Case {
        name: "reader: duplicate_ski",
        values: |facts| {
            vec![one(facts, Form::SubjectKeyIdentifier).replace("<SKI>", "<SKI>010203040506<SKI>")]
        },
        ..READER
    },
    Case { name: "reader: public_key", values: |facts| digest(facts, Sha1Reading::Certificate), ..READER },
    Case {
        name: "reader: duplicate_public_key",
        values: |facts| {
            let value = digest(facts, Sha1Reading::Certificate).concat();
            vec![value.replace("<SHA1-PUKEY>", "<SHA1-PUKEY>adcdefabcdefabcdef<SHA1-PUKEY>")]
        },
        ..READER
    },
    Case {
        name: "reader: public_key, not hex",
        values: |_| vec!["X509:<SHA1-PUKEY>This is not a hex string".to_owned()],
        ..READER
    },
    Case {
        name: "reader: public_key, odd hex",
        values: |_| vec!["X509:<SHA1-PUKEY>abcde".to_owned()],
        ..READER
    },
    Case {
        name: "reader: rfc822",
        card: |card, _| card.without_upn().email("test@example.com"),
        values: |facts| of(facts, Form::Rfc822),
        ..READER
    },
    Case {
        name: "reader: multiple_cert_mappings",
        values: |facts| {
            let others = ["X509:<SKI>0123456789abcdef", "KERBEROS:", "X509:<RFC822>other@example.com"];
            others.map(str::to_owned).into_iter().chain(of(facts, Form::SubjectKeyIdentifier)).collect()
        },
        ..READER
    },
    Case {
        name: "reader: ski and rfc822 in one value",
        card: |card, _| card.without_upn().email("both@example.com"),
        values: |facts| vec![format!("{}<RFC822>both@example.com", one(facts, Form::SubjectKeyIdentifier))],
        ..READER
    },
    Case {
        name: "reader: ski behind a blank",
        values: |facts| vec![one(facts, Form::SubjectKeyIdentifier).replace("X509:", "X509: ")],
        ..READER
    },
];
