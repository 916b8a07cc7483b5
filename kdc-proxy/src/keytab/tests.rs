use super::*;
use crate::principal::{PrincipalName, Realm};
use crate::vectors;

fn principal(name: &str, realm: &str) -> Principal {
    Principal::new(name.parse().unwrap(), Realm::new(realm).unwrap())
}

fn testuser1() -> Principal {
    principal("testuser1", "TEST.GOKRB5")
}

const AES256: &str = "bbdc430aab7e2d4622a0b6951481453b0962e9db8e2f168942ad175cda6d9de9";
const AES128: &str = "698c4df8e9f60e7eea5a21bf4526ad25";

/// A record with this content behind its length.
fn file(records: &[(i32, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![5, 2];
    for (length, content) in records {
        bytes.extend(length.to_be_bytes());
        bytes.extend(*content);
    }
    bytes
}

/// The content of the one record of the sample without a 32-bit kvno.
fn record() -> Vec<u8> {
    vectors::bytes(vectors::KEYTAB_NO_TRAILER).split_off(6)
}

fn length(content: &[u8]) -> i32 {
    i32::try_from(content.len()).unwrap()
}

#[test]
fn keys_are_selected_by_principal_etype_and_kvno() {
    let keytab = Keytab::parse(&vectors::bytes(vectors::KEYTAB)).unwrap();
    assert_eq!(keytab.entries().len(), 12);
    assert_eq!(keytab.principals(), [&testuser1()]);
    for kvno in [1, 2] {
        let aes256 = keytab.key(&testuser1(), Etype::Aes256, Some(kvno)).unwrap();
        assert_eq!(hex::encode(aes256.octets()), AES256);
        let aes128 = keytab.key(&testuser1(), Etype::Aes128, Some(kvno)).unwrap();
        assert_eq!(hex::encode(aes128.octets()), AES128);
    }
    assert!(keytab.key(&testuser1(), Etype::Aes256, Some(3)).is_none());
    assert!(keytab.key(&principal("testuser2", "TEST.GOKRB5"), Etype::Aes256, None).is_none());
    assert!(keytab.key(&principal("testuser1", "test.gokrb5"), Etype::Aes256, None).is_none());
}

#[test]
fn a_name_in_another_case_serves_only_where_the_exact_one_is_absent() {
    let key = |octet| Key::new(Etype::Aes256, &[octet; 32]).unwrap();
    let mut keytab = Keytab::default();
    keytab.push(principal("Svc-Broker", "CORP.EXAMPLE"), 7, 0, key(7));
    let asked = principal("svc-broker", "CORP.EXAMPLE");
    assert!(keytab.key(&asked, Etype::Aes256, None).unwrap().is_same(&key(7)));
    assert_eq!(keytab.decryption_keys(&asked, Etype::Aes256, None).len(), 1);
    keytab.push(asked.clone(), 1, 0, key(1));
    assert!(keytab.key(&asked, Etype::Aes256, None).unwrap().is_same(&key(1)));
    assert_eq!(keytab.decryption_keys(&asked, Etype::Aes256, None).len(), 1);
}

#[test]
fn etypes_this_crate_cannot_use_are_kept_but_have_no_key() {
    let keytab = Keytab::parse(&vectors::bytes(vectors::KEYTAB)).unwrap();
    let etypes: Vec<(i32, bool)> =
        keytab.entries().iter().map(|entry| (entry.etype_number(), entry.key().is_some())).collect();
    assert_eq!(etypes[..4], [(17, true), (18, true), (17, true), (18, true)]);
    assert_eq!(etypes[4..10], [(19, false), (19, false), (20, false), (20, false), (16, false), (16, false)]);
    assert_eq!(etypes[10..], [(23, true), (23, true)]);
}

#[test]
fn a_keytab_is_written_as_it_was_read() {
    let bytes = vectors::bytes(vectors::KEYTAB);
    assert_eq!(*Keytab::parse(&bytes).unwrap().to_bytes(), bytes);
}

#[test]
fn an_entry_without_the_32_bit_kvno_has_its_low_8_bits() {
    let keytab = Keytab::parse(&vectors::bytes(vectors::KEYTAB_NO_TRAILER)).unwrap();
    let http = principal("sysHTTP", "TEST.GOKRB5");
    assert_eq!(keytab.entries()[0].kvno(), 2);
    let key = keytab.key(&http, Etype::Aes256, Some(0x0102)).unwrap();
    assert_eq!(hex::encode(key.octets()), vectors::keys::SERVICE_GOKRB5);
    assert!(keytab.key(&http, Etype::Aes256, Some(3)).is_none());
}

#[test]
fn a_32_bit_kvno_of_zero_is_absent() {
    let mut content = record();
    content.extend([0, 0, 0, 0]);
    let keytab = Keytab::parse(&file(&[(length(&content), &content)])).unwrap();
    assert_eq!(keytab.entries()[0].kvno(), 2);
}

#[test]
fn a_32_bit_kvno_overrides_the_8_bits_and_what_follows_is_ignored() {
    let mut content = record();
    content.extend([0, 0, 1, 44, 9, 9, 9]);
    let keytab = Keytab::parse(&file(&[(length(&content), &content)])).unwrap();
    assert_eq!(keytab.entries()[0].kvno(), 300);
}

#[test]
fn one_to_three_trailing_bytes_of_a_record_do_not_hide_the_next() {
    for extra in 1..4 {
        let mut content = record();
        content.resize(content.len() + extra, 7);
        let keytab = Keytab::parse(&file(&[(length(&content), &content), (length(&record()), &record())]));
        assert_eq!(keytab.unwrap().entries().len(), 2);
    }
}

#[test]
fn holes_are_stepped_over() {
    let hole = [0xaa; 40];
    let content = record();
    let keytab = Keytab::parse(&file(&[(-40, &hole), (length(&content), &content)])).unwrap();
    assert_eq!(keytab.entries().len(), 1);
}

#[test]
fn a_length_of_zero_ends_the_file() {
    let content = record();
    let keytab = Keytab::parse(&file(&[(length(&content), &content), (0, &[1, 2, 3])])).unwrap();
    assert_eq!(keytab.entries().len(), 1);
}

#[test]
fn the_most_negative_length_is_refused() {
    assert_eq!(Keytab::parse(&file(&[(i32::MIN, &[])])).unwrap_err(), KeytabError::Length { entry: 0 });
}

#[test]
fn lengths_beyond_the_file_are_refused() {
    for bad in [i32::MAX, -i32::MAX, 100, -100] {
        let error = Keytab::parse(&file(&[(bad, &[0; 99])])).unwrap_err();
        assert_eq!(error, KeytabError::Truncated { entry: 0 });
    }
}

#[test]
fn a_file_cut_off_inside_a_record_is_refused() {
    let bytes = vectors::bytes(vectors::KEYTAB_NO_TRAILER);
    for end in 3..bytes.len() {
        assert_eq!(Keytab::parse(&bytes[..end]).unwrap_err(), KeytabError::Truncated { entry: 0 }, "{end}");
    }
}

#[test]
fn version_1_and_other_files_are_refused() {
    for bytes in [&[5, 1][..], &[5], &[], b"[libdefaults]"] {
        assert_eq!(Keytab::parse(bytes).unwrap_err(), KeytabError::Version);
    }
}

#[test]
fn a_key_of_the_wrong_length_is_refused() {
    let mut content = record();
    let etype = content.len() - 32 - 4;
    for (number, known) in [(17_u8, true), (19, true), (23, true), (16, false)] {
        content[etype + 1] = number;
        let result = Keytab::parse(&file(&[(length(&content), &content)]));
        assert_eq!(result.is_err(), known, "etype {number}");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    let mut content = record();
    let name = content.windows(7).position(|window| window == b"sysHTTP").unwrap();
    content[name] = 0xff;
    let error = Keytab::parse(&file(&[(length(&content), &content)])).unwrap_err();
    assert_eq!(error, KeytabError::Name { entry: 0, source: NameError::NotUtf8 });
}

#[test]
fn a_file_of_endless_holes_is_refused() {
    let records = vec![(-1, &[0_u8][..]); Keytab::MAX_ENTRIES + 1];
    assert_eq!(Keytab::parse(&file(&records)).unwrap_err(), KeytabError::TooMany);
}

fn rotated() -> Keytab {
    let mut keytab = Keytab::default();
    let broker = principal("svc-broker", "CORP.EXAMPLE");
    for (kvno, octet) in [(3, 3), (5, 5), (4, 4)] {
        keytab.push(broker.clone(), kvno, 0, Key::new(Etype::Aes256, &[octet; 32]).unwrap());
    }
    keytab
}

#[test]
fn without_a_kvno_the_newest_key_is_taken() {
    let key = rotated().key(&principal("svc-broker", "CORP.EXAMPLE"), Etype::Aes256, None).cloned();
    assert_eq!(key.unwrap().octets(), [5; 32]);
}

#[test]
fn decryption_keys_come_with_the_fitting_kvno_first_and_then_the_newest() {
    let keytab = rotated();
    let keys = keytab.decryption_keys(&principal("svc-broker", "CORP.EXAMPLE"), Etype::Aes256, Some(4));
    assert_eq!(keys.iter().map(|key| key.octets()[0]).collect::<Vec<_>>(), [4, 5, 3]);
}

#[test]
fn the_upper_half_of_a_kvno_names_a_read_only_controller_and_is_not_compared() {
    let keytab = rotated();
    let broker = principal("svc-broker", "CORP.EXAMPLE");
    assert_eq!(keytab.key(&broker, Etype::Aes256, Some(0xff00_0004)).unwrap().octets()[0], 4);
}

#[test]
fn the_name_type_does_not_matter() {
    let mut keytab = Keytab::default();
    let spn = principal("HTTP/broker.corp.example", "CORP.EXAMPLE");
    keytab.push(spn, 1, 0, Key::new(Etype::Aes128, &[1; 16]).unwrap());
    let written = Keytab::parse(&keytab.to_bytes()).unwrap();
    let components = ["HTTP", "broker.corp.example"].map(str::to_owned).to_vec();
    let other = PrincipalName::new(crate::principal::NameType::Principal, components).unwrap();
    let other = Principal::new(other, Realm::new("CORP.EXAMPLE").unwrap());
    assert!(written.key(&other, Etype::Aes128, Some(1)).is_some());
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", rotated());
    assert!(shown.contains("svc-broker") && shown.contains("kvno: 5"), "{shown}");
    assert!(!shown.contains("5, 5"), "{shown}");
}
