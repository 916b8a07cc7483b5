use super::*;
use crate::message::ap_rep::ApRep;
use crate::message::ap_req::ApReq;
use crate::message::krb_priv::KrbPriv;
use crate::message::types::{Ticket, decode, encode};
use crate::principal::{PrincipalName, Realm};
use crate::vectors::{KPASSWD_REP, KPASSWD_REQ, bytes};

#[test]
fn a_recorded_reply_comes_apart_into_its_messages() {
    let octets = bytes(KPASSWD_REP);
    let Reply::Result { ap_rep, krb_priv } = Reply::parse(&octets).unwrap() else { panic!("an error") };
    assert_eq!((ap_rep.len(), krb_priv.len()), (140, 90));
    let ap_rep: ApRep = decode(ap_rep).unwrap();
    let krb_priv: KrbPriv = decode(krb_priv).unwrap();
    assert_eq!((ap_rep.enc_part.etype, krb_priv.enc_part.etype), (18, 18));
}

#[test]
fn a_recorded_request_is_written_as_it_was() {
    let octets = bytes(KPASSWD_REQ);
    let (ap_req, krb_priv) = octets[6..].split_at(usize::from(u16::from_be_bytes([octets[4], octets[5]])));
    let asked: ApReq = decode(ap_req).unwrap();
    let ticket: Ticket = decode(asked.ticket.as_bytes()).unwrap();
    let server = PrincipalName::try_from(&ticket.sname).unwrap();
    assert!(server.eq_ignoring_type(&PrincipalName::change_password()), "{server}");
    decode::<KrbPriv>(krb_priv).unwrap();
    assert_eq!(request(SET, ap_req, krb_priv).unwrap(), octets);
}

#[test]
fn the_data_of_a_set_request_is_der() {
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    let data = ChangePasswdData {
        newpasswd: b"new".as_slice().into(),
        targname: Some((&PrincipalName::principal("alice").unwrap()).into()),
        targrealm: Some((&realm).into()),
    };
    let parts = [
        "302b",
        "a0050403",
        "6e6577",
        "a1123010",
        "a003020101",
        "a10930071b05",
        "616c696365",
        "a20e1b0c",
        "434f52502e4558414d504c45",
    ];
    assert_eq!(hex::encode(encode(&data)), parts.concat());
    let own = ChangePasswdData { targname: None, targrealm: None, ..data };
    assert_eq!(hex::encode(encode(&own)), "3007a00504036e6577");
}

#[test]
fn a_frame_that_contradicts_itself_is_refused() {
    let good = bytes(KPASSWD_REP);
    let changed = |at: usize, octet: u8| {
        let mut octets = good.clone();
        octets[at] = octet;
        Reply::parse(&octets).err()
    };
    assert_eq!(changed(1, 0xed), Some(KpasswdReplyError::Malformed));
    assert_eq!(changed(3, 2), Some(KpasswdReplyError::Version(2)));
    assert_eq!(changed(4, 0xff), Some(KpasswdReplyError::Malformed));
    for length in 0..good.len() {
        assert_eq!(Reply::parse(&good[..length]).err(), Some(KpasswdReplyError::Malformed), "{length}");
    }
}

#[test]
fn an_error_is_read_with_its_frame_and_without() {
    let error = crate::vectors::mit_reference("encode_krb5_error");
    assert!(matches!(Reply::parse(&error), Ok(Reply::Error(_))));
    let framed = request(CHANGE, &[], &error).unwrap();
    assert!(matches!(Reply::parse(&framed), Ok(Reply::Error(_))));
    let empty = request(CHANGE, &[], &[]).unwrap();
    assert_eq!(Reply::parse(&empty).err(), Some(KpasswdReplyError::Malformed));
}

#[test]
fn a_request_longer_than_its_length_field_is_not_written() {
    assert_eq!(request(CHANGE, &vec![0; 60_000], &[0; 5529]).unwrap().len(), 65_535);
    assert_eq!(request(CHANGE, &vec![0; 60_000], &[0; 5530]), Err(TooLong));
    assert_eq!(request(CHANGE, &vec![0; 70_000], &[]), Err(TooLong));
}

#[test]
fn every_result_is_typed_and_its_text_made_fit_for_a_log() {
    assert_eq!(result(&[0, 0, b'x']), Ok(Ok(())));
    let refused = result(b"\0\x04too \x1b[31mshort\n").unwrap().unwrap_err();
    assert_eq!(refused.result, KpasswdResult::SoftError);
    assert_eq!(refused.to_string(), "the password policy refused (KRB5_KPASSWD_SOFTERROR): too [31mshort");
    assert_eq!(result(&[0xff, 0xff]).unwrap().unwrap_err().result, KpasswdResult::Other(0xffff));
    assert_eq!(result(&[0]), Err(KpasswdReplyError::Malformed));
    let long = [&[0, 2][..], &[b'a'; 70_000]].concat();
    assert!(result(&long).unwrap().unwrap_err().to_string().len() < 300);
}

#[test]
fn the_policy_of_active_directory_is_told_in_words() {
    let mut data = vec![0, 4, 0, 0];
    data.extend(14_u32.to_be_bytes());
    data.extend(24_u32.to_be_bytes());
    data.extend(1_u32.to_be_bytes());
    data.extend((42 * TICKS_OF_A_DAY).to_be_bytes());
    data.extend(TICKS_OF_A_DAY.to_be_bytes());
    let refused = result(&data).unwrap().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the password policy refused (KRB5_KPASSWD_SOFTERROR): at least 14 characters of three kinds, none of the last \
         24 passwords, not within 1 day(s) of the last change"
    );
}
