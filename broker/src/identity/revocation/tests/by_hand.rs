//! Lists that no ordinary issuer writes, and what the reader makes of them.

use der::Encode as _;
use rcgen::SigningKey as _;

use super::{Line, gap};
use crate::identity::certificate::ParsedCertificate;
use crate::identity::revocation::{Crl, CrlError, CrlScope, GapCause, Revocation};
use crate::identity::testing::{Authority, now, tlv, trusting};
use crate::identity::{SettingsProblem, Validator};

/// A CRL written by hand, for what no ordinary issuer writes.
#[derive(Default)]
struct Raw {
    version: Vec<u8>,
    without_next_update: bool,
    entries: Vec<u8>,
    entry_extensions: Vec<u8>,
    extensions: Vec<u8>,
    another_algorithm_inside: bool,
}

const ECDSA_WITH_SHA256: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_WITH_SHA384: [u8; 12] = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

impl Raw {
    /// Version 2, with extensions.
    fn extended(extensions: &[Vec<u8>]) -> Self {
        Self { version: vec![2, 1, 1], extensions: extensions.concat(), ..Self::default() }
    }

    fn sign(&self, issuer: &Authority) -> Vec<u8> {
        let certificate = ParsedCertificate::parse(&issuer.certificate).expect("a CA");
        let name = certificate.subject().to_der().expect("its name");
        let algorithm = if self.another_algorithm_inside { ECDSA_WITH_SHA384 } else { ECDSA_WITH_SHA256 };
        let mut fields =
            [self.version.clone(), algorithm.to_vec(), name, tlv(0x17, b"251225000000Z")].concat();
        if !self.without_next_update {
            fields.extend(tlv(0x17, b"260108000000Z"));
        }
        if !self.entries.is_empty() {
            fields.extend(tlv(0x30, &self.entries));
        }
        if !self.entry_extensions.is_empty() {
            let extensions = tlv(0x30, &self.entry_extensions);
            let entry = tlv(0x30, &[vec![2, 1, 9], tlv(0x17, b"251201000000Z"), extensions].concat());
            fields.extend(tlv(0x30, &entry));
        }
        if !self.extensions.is_empty() {
            fields.extend(tlv(0xa0, &tlv(0x30, &self.extensions)));
        }
        let signed = tlv(0x30, &fields);
        let signature = issuer.key.sign(&signed).expect("a signature");
        tlv(0x30, &[signed, ECDSA_WITH_SHA256.to_vec(), tlv(0x03, &[vec![0], signature].concat())].concat())
    }
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { vec![1, 1, 0xff] } else { Vec::new() };
    tlv(0x30, &[tlv(6, oid), critical, tlv(4, value)].concat())
}

/// 1.3.6.1.4.1.99999.1
const PRIVATE: [u8; 9] = [0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, 1];
const DELTA_CRL_INDICATOR: [u8; 3] = [0x55, 0x1d, 27];
const ISSUING_DISTRIBUTION_POINT: [u8; 3] = [0x55, 0x1d, 28];
const REASON_CODE: [u8; 3] = [0x55, 0x1d, 21];
const CERTIFICATE_ISSUER: [u8; 3] = [0x55, 0x1d, 29];

#[test]
fn a_list_written_by_hand_is_used() {
    let line = Line::new();
    assert!(line.with(Raw::extended(&[]).sign(&line.issuing)).is_ok());
}

#[test]
fn a_list_of_version_1_is_used() {
    let line = Line::new();
    assert!(line.with(Raw::default().sign(&line.issuing)).is_ok());
}

#[test]
fn a_list_without_next_update_is_not_used() {
    let line = Line::new();
    let crl = Raw { without_next_update: true, ..Raw::default() }.sign(&line.issuing);
    assert_eq!(gap(line.with(crl)), GapCause::NoNextUpdate);
}

#[test]
fn an_unknown_critical_extension_makes_a_list_unusable() {
    let line = Line::new();
    let crl = Raw::extended(&[extension(&PRIVATE, true, &[5, 0])]).sign(&line.issuing);
    let oid = "1.3.6.1.4.1.99999.1".to_owned();
    assert_eq!(gap(line.with(crl)), GapCause::Scope(CrlScope::UnknownCriticalExtension { oid }));
}

#[test]
fn an_unknown_extension_that_is_not_critical_is_passed_over() {
    let line = Line::new();
    assert!(line.with(Raw::extended(&[extension(&PRIVATE, false, &[5, 0])]).sign(&line.issuing)).is_ok());
}

fn with_entry_extension(extension: Vec<u8>) -> Raw {
    Raw { version: vec![2, 1, 1], entry_extensions: extension, ..Raw::default() }
}

#[test]
fn an_unknown_critical_extension_of_any_entry_makes_a_list_unusable() {
    let line = Line::new();
    let crl = with_entry_extension(extension(&PRIVATE, true, &[5, 0])).sign(&line.issuing);
    let oid = "1.3.6.1.4.1.99999.1".to_owned();
    assert_eq!(gap(line.with(crl)), GapCause::Scope(CrlScope::UnknownCriticalEntryExtension { oid }));
}

#[test]
fn an_entry_of_another_issuer_in_a_list_that_is_not_indirect_makes_it_unusable() {
    let line = Line::new();
    // directoryName [4] of an empty name
    let value = [0x30, 4, 0xa4, 2, 0x30, 0];
    let crl = with_entry_extension(extension(&CERTIFICATE_ISSUER, true, &value)).sign(&line.issuing);
    assert_eq!(gap(line.with(crl)), GapCause::Scope(CrlScope::ForeignEntry));
}

#[test]
fn a_reason_that_is_not_defined_leaves_the_list_usable() {
    let line = Line::new();
    let crl = with_entry_extension(extension(&REASON_CODE, false, &[10, 1, 99])).sign(&line.issuing);
    assert!(line.with(crl).is_ok());
}

#[test]
fn an_entry_with_a_hundred_extensions_is_not_read() {
    let root = Authority::root("Root");
    let many = (0..100).flat_map(|n| extension(&[0x2b, 6, 1, 4, 1, 0x86, 0x8d, 0x1f, n], false, &[5, 0]));
    let raw = with_entry_extension(many.collect());
    assert_eq!(
        problem(raw.sign(&root)),
        SettingsProblem::Crl { index: 0, error: CrlError::TooManyExtensions }
    );
}

#[test]
fn entries_too_short_to_be_any_are_not_given_room() {
    let root = Authority::root("Root");
    let entry = [2, 1, 5].into_iter().chain(tlv(0x17, b"251201000000Z")).collect::<Vec<_>>();
    let with = |entries: Vec<u8>| Raw { entries, version: vec![2, 1, 1], ..Raw::default() }.sign(&root);
    assert!(Crl::parse(&with(tlv(0x30, &entry))).is_ok());
    for short in [vec![5, 0], vec![0x30, 0], tlv(0x30, &entry[..17])] {
        let crl = with([tlv(0x30, &entry), short].concat());
        assert_eq!(Crl::parse(&crl).err(), Some(CrlError::Encoding));
    }
}

#[test]
fn a_list_whose_issuer_has_an_endless_name_is_not_read() {
    let part = tlv(0x31, &tlv(0x30, &[vec![6, 3, 0x55, 4, 3], tlv(0x0c, &[b'a'; 200])].concat()));
    let name = part.repeat(400);
    let length = u32::try_from(name.len()).expect("small").to_be_bytes();
    let name = [&[0x30, 0x83], &length[1..], &name].concat();
    let fields = [&ECDSA_WITH_SHA256, name.as_slice(), &tlv(0x17, b"251225000000Z")].concat();
    let length = u32::try_from(fields.len()).expect("small").to_be_bytes();
    let signed = [&[0x30, 0x83], &length[1..], &fields].concat();
    let list = [signed, ECDSA_WITH_SHA256.to_vec(), tlv(3, &[0, 1, 2])].concat();
    let length = u32::try_from(list.len()).expect("small").to_be_bytes();
    let crl = [&[0x30, 0x83], &length[1..], &list].concat();
    assert_eq!(problem(crl), SettingsProblem::Crl { index: 0, error: CrlError::Name });
}

#[test]
fn a_delta_list_without_its_complete_list_is_not_used() {
    let line = Line::new();
    let crl = Raw::extended(&[extension(&DELTA_CRL_INDICATOR, true, &[2, 1, 1])]).sign(&line.issuing);
    assert_eq!(gap(line.with(crl)), GapCause::Scope(CrlScope::Delta));
}

/// A list with an issuingDistributionPoint of these fields.
fn partitioned(fields: &[u8]) -> Raw {
    Raw::extended(&[extension(&ISSUING_DISTRIBUTION_POINT, true, &tlv(0x30, fields))])
}

#[test]
fn a_list_of_the_cards_kind_is_used_and_one_of_another_kind_is_not() {
    let line = Line::new();
    let (only_users, only_cas, only_attributes) = ([0x81, 1, 0xff], [0x82, 1, 0xff], [0x85, 1, 0xff]);
    assert!(line.with(partitioned(&only_users).sign(&line.issuing)).is_ok());
    for kind in [only_cas.to_vec(), only_attributes.to_vec(), [only_users, only_cas].concat()] {
        assert_eq!(gap(line.with(partitioned(&kind).sign(&line.issuing))), GapCause::OtherScope);
    }
}

#[test]
fn a_list_of_another_distribution_point_is_not_used() {
    let line = Line::new();
    // distributionPoint [0] fullName [0] uniformResourceIdentifier [6]
    let name = tlv(0xa0, &tlv(0xa0, &tlv(0x86, b"http://crl.corp.example/1")));
    assert_eq!(gap(line.with(partitioned(&name).sign(&line.issuing))), GapCause::OtherScope);
}

#[test]
fn a_list_for_some_reasons_is_not_enough() {
    let line = Line::new();
    // keyCompromise (1) alone
    assert_eq!(gap(line.with(partitioned(&[0x83, 2, 6, 0x40]).sign(&line.issuing))), GapCause::SomeReasons);
}

#[test]
fn lists_for_some_reasons_that_together_cover_all_are_enough() {
    let line = Line::new();
    // keyCompromise (1), and everything from cACompromise (2) to aACompromise (8)
    let lists = [partitioned(&[0x83, 2, 6, 0x40]), partitioned(&[0x83, 3, 7, 0x3f, 0x80])];
    let [one, other] = lists.map(|list| list.sign(&line.issuing));
    assert!(line.judge(vec![line.root.crl(), one, other]).is_ok());
}

#[test]
fn an_indirect_list_answers_for_its_own_issuer_too() {
    let line = Line::new();
    assert!(line.with(partitioned(&[0x84, 1, 0xff]).sign(&line.issuing)).is_ok());
}

fn problem(crl: Vec<u8>) -> SettingsProblem {
    let root = Authority::root("Root");
    let mut settings = trusting(&[&root]);
    settings.revocation = Revocation::Crls(vec![crl]);
    Validator::new(settings, now()).expect_err("a broken list").problems()[0].clone()
}

#[test]
fn a_list_with_extensions_must_be_version_2() {
    let root = Authority::root("Root");
    let raw = Raw { extensions: extension(&PRIVATE, false, &[5, 0]), ..Raw::default() };
    assert_eq!(problem(raw.sign(&root)), SettingsProblem::Crl { index: 0, error: CrlError::Encoding });
}

#[test]
fn an_extension_that_occurs_twice_is_refused() {
    let root = Authority::root("Root");
    let twice = extension(&PRIVATE, false, &[5, 0]);
    let error = CrlError::DuplicateExtension { oid: "1.3.6.1.4.1.99999.1".to_owned() };
    assert_eq!(
        problem(Raw::extended(&[twice.clone(), twice]).sign(&root)),
        SettingsProblem::Crl { index: 0, error }
    );
}

#[test]
fn two_different_signature_algorithms_are_refused() {
    let root = Authority::root("Root");
    let raw = Raw { another_algorithm_inside: true, ..Raw::default() };
    let error = CrlError::AlgorithmMismatch;
    assert_eq!(problem(raw.sign(&root)), SettingsProblem::Crl { index: 0, error });
}

#[test]
fn octets_behind_a_list_are_refused() {
    let mut crl = Authority::root("Root").crl();
    crl.push(0);
    assert_eq!(problem(crl), SettingsProblem::Crl { index: 0, error: CrlError::Encoding });
}
