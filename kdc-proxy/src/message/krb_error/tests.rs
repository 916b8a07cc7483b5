use super::*;
use crate::message::types::encode;

const MIT: &str = "7e60305ea003020105a10302011ea305020301e240a411180f31393934303631303036303331375aa505020301e240a60302013ca9101b0e415448454e412e4d49542e454455aa1a3018a003020101a111300f1b066866747361691b056578747261";

fn realm() -> Realm {
    Realm::new("ATHENA.MIT.EDU").unwrap()
}

fn error_with(e_text: Option<&[u8]>, e_data: Option<&[u8]>) -> KrbError {
    let mut error = KrbError::parse(&hex::decode(MIT).unwrap()).unwrap();
    error.e_text = e_text.map(|text| KerberosString(OctetString::from_slice(text)));
    error.e_data = e_data.map(OctetString::from_slice);
    KrbError::parse(&encode(&error)).unwrap()
}

#[test]
fn the_reference_error_is_read_and_written_alike() {
    let octets = hex::decode(MIT).unwrap();
    let error = KrbError::parse(&octets).unwrap();
    assert_eq!(error.code(), ErrorCode::KRB_ERR_GENERIC);
    assert_eq!(error.stime.to_string(), "19940610060317Z");
    assert_eq!(error.susec, 123_456);
    assert_eq!(encode(&error), octets);
}

/// The forged datagram of the decision record: kerberos_asn1 panics on it, this crate refuses it.
#[test]
fn a_forged_krb_error_with_month_13_panics_kerberos_asn1_and_is_refused_here() {
    use kerberos_asn1::Asn1Object;

    let forged =
        hex::decode(MIT.replace("31393934303631303036303331375a", "31393934313331303036303331375a")).unwrap();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let theirs = std::panic::catch_unwind(|| kerberos_asn1::KrbError::parse(&forged).is_ok());
    std::panic::set_hook(quiet);
    assert!(theirs.is_err(), "kerberos_asn1 no longer panics: the decision record can be revisited");
    assert_eq!(KrbError::parse(&forged).err(), Some(Malformed));
}

#[test]
fn a_leap_second_is_refused() {
    let forged = MIT.replace("31393934303631303036303331375a", "31393934303631303036303336305a");
    assert_eq!(KrbError::parse(&hex::decode(forged).unwrap()).err(), Some(Malformed));
}

#[test]
fn microseconds_of_a_second_or_more_are_refused() {
    let forged = MIT.replace("a505020301e240", "a50502030f4240");
    assert_eq!(KrbError::parse(&hex::decode(forged).unwrap()).err(), Some(Malformed));
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let octets = hex::decode(MIT).unwrap();
    for length in 0..octets.len() {
        assert_eq!(KrbError::parse(&octets[..length]).err(), Some(Malformed), "{length} octets");
    }
    assert_eq!(KrbError::parse(&[octets.as_slice(), &[0]].concat()).err(), Some(Malformed));
}

#[test]
fn the_text_loses_what_could_forge_a_log_line() {
    let text = |octets: &[u8]| error_with(Some(octets), None).refusal(&realm()).text;
    assert_eq!(text(b"no\nsuch\r\x1b[31m user\0"), Some("nosuch[31m user".to_owned()));
    assert_eq!(text("a\u{202e}b\u{200b}c".as_bytes()), Some("abc".to_owned()));
    assert_eq!(text(b"\0"), None);
    assert_eq!(text(&[0xff, b'x']), Some("\u{fffd}x".to_owned()));
    assert_eq!(text(&[b'y'; 5000]).map(|text| text.len()), Some(MAX_TEXT));
}

#[test]
fn the_nt_status_of_kerb_error_data_is_read() {
    let data = hex::decode("3015a103020103a20e040cbb0000c00000000003000000").unwrap();
    assert_eq!(error_with(None, Some(&data)).refusal(&realm()).status, Some(NtStatus::STATUS_NOT_SUPPORTED));
}

#[test]
fn the_nt_status_of_a_method_data_element_is_read() {
    let data = hex::decode("30163014a103020103a20d040b").unwrap();
    assert_eq!(error_with(None, Some(&data)).refusal(&realm()).status, None, "broken element");
    let element = PaData {
        padata_type: kind::PW_SALT,
        padata_value: hex::decode("720200c00000000003000000").unwrap().into(),
    };
    let status = error_with(None, Some(&encode(&vec![element]))).refusal(&realm()).status;
    assert_eq!(status, Some(NtStatus::STATUS_NO_MATCH));
}

#[test]
fn error_data_of_another_kind_or_length_has_no_status() {
    for data in [
        "3005a103020102",
        "3015a103020102a20e040cbb0000c00000000003000000",
        "300fa103020103a2080406bb0000c00000",
        "00",
        "",
    ] {
        let data = hex::decode(data).unwrap();
        assert_eq!(error_with(None, Some(&data)).refusal(&realm()).status, None);
    }
}

#[test]
fn a_refusal_reads_as_one_line() {
    let data = hex::decode("3015a103020103a20e040cbb0000c00000000003000000").unwrap();
    assert_eq!(
        error_with(Some(b"no\nway"), Some(&data)).refusal(&realm()).to_string(),
        "KRB_ERR_GENERIC (60), STATUS_NOT_SUPPORTED, \"noway\""
    );
}
