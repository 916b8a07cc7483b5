//! MIT's reference encodings, a Windows ticket, an independent encoder, and mutations of all of them.

use proptest::prelude::*;
use rasn::prelude::{Decode, Encode};

use super::ap_rep::{ApRep, EncApRepPart};
use super::ap_req::{ApReq, Authenticator};
use super::kdc_rep::{AsRep, EncAsRepPart, TgsRep};
use super::kdc_req::{AsReq, KdcReqBody, TgsReq};
use super::krb_error::{KerbErrorData, KrbError};
use super::krb_priv::{EncKrbPrivPart, KrbPriv};
use super::padata::{EtypeInfo2Entry, PaEncTsEnc, PaForUser, PaS4uX509User, S4uUserId};
use super::types::*;
use crate::key::{Etype, Key, KeyUsage};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::time::KerberosTime;

fn references() -> Vec<(&'static str, Vec<u8>)> {
    include_str!("../../tests/vectors/mit_reference_encode.txt")
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, octets)| (name, hex::decode(octets.replace(' ', "")).unwrap()))
        .collect()
}

fn reference(name: &str) -> Vec<u8> {
    references().into_iter().find(|(found, _)| *found == name).unwrap().1
}

/// Reads the reference of this name and expects the same octets when it is written again.
fn round_trip<T: Decode + Encode>(name: &str) -> T {
    let octets = reference(name);
    let value: T = decode(&octets).unwrap_or_else(|_| panic!("{name} is not read"));
    assert_eq!(hex::encode(encode(&value)), hex::encode(&octets), "{name}");
    value
}

#[test]
fn the_reference_encodings_are_read_and_written_alike() {
    for suffix in ["", "(optionals empty)", "(optionals NULL)"] {
        round_trip::<Authenticator>(&format!("encode_krb5_authenticator{suffix}"));
    }
    for suffix in ["", "(optionals NULL)"] {
        round_trip::<AsRep>(&format!("encode_krb5_as_rep{suffix}"));
        round_trip::<TgsRep>(&format!("encode_krb5_tgs_rep{suffix}"));
        round_trip::<EncTicketPart>(&format!("encode_krb5_enc_tkt_part{suffix}"));
        round_trip::<EncAsRepPart>(&format!("encode_krb5_enc_kdc_rep_part{suffix}"));
        round_trip::<KrbError>(&format!("encode_krb5_error{suffix}"));
    }
    for suffix in ["", "(optionals NULL except second_ticket)", "(optionals NULL except server)"] {
        round_trip::<AsReq>(&format!("encode_krb5_as_req{suffix}"));
        round_trip::<TgsReq>(&format!("encode_krb5_tgs_req{suffix}"));
        round_trip::<KdcReqBody>(&format!("encode_krb5_kdc_req_body{suffix}"));
    }
    round_trip::<Ticket>("encode_krb5_ticket");
    round_trip::<EncryptionKey>("encode_krb5_keyblock");
    round_trip::<ApReq>("encode_krb5_ap_req");
    round_trip::<ApRep>("encode_krb5_ap_rep");
    for suffix in ["", "(optionals NULL)"] {
        round_trip::<EncApRepPart>(&format!("encode_krb5_ap_rep_enc_part{suffix}"));
        round_trip::<EncKrbPrivPart>(&format!("encode_krb5_enc_priv_part{suffix}"));
    }
    round_trip::<KrbPriv>("encode_krb5_priv");
    round_trip::<EncryptedData>("encode_krb5_enc_data");
    round_trip::<Vec<PaData>>("encode_krb5_padata_sequence");
    round_trip::<Vec<PaData>>("encode_krb5_padata_sequence(empty)");
    round_trip::<Vec<AuthorizationElement>>("encode_krb5_authorization_data");
    round_trip::<Vec<EtypeInfo2Entry>>("encode_krb5_etype_info2");
    round_trip::<Vec<EtypeInfo2Entry>>("encode_krb5_etype_info2(only 1)");
    round_trip::<PaEncTsEnc>("encode_krb5_pa_enc_ts");
    round_trip::<PaEncTsEnc>("encode_krb5_pa_enc_ts (no usec)");
    round_trip::<PaForUser>("encode_krb5_pa_for_user");
    round_trip::<PaS4uX509User>("encode_krb5_pa_s4u_x509_user");
}

#[test]
fn a_key_version_written_as_a_negative_number_is_read() {
    let data = round_trip::<EncryptedData>("encode_krb5_enc_data(MSB-set kvno)");
    assert_eq!(data.kvno, Some(Kvno(0xff00_0000)));
    let data = round_trip::<EncryptedData>("encode_krb5_enc_data(kvno=-1)");
    assert_eq!(data.kvno, Some(Kvno(u32::MAX)));
}

#[test]
fn the_encrypted_part_is_read_under_either_application_number() {
    let mut octets = reference("encode_krb5_enc_kdc_rep_part");
    assert!(matches!(decode(&octets), Ok(EncAsRepPart::Tgs(_))));
    octets[0] = 0x79;
    assert!(matches!(decode(&octets), Ok(EncAsRepPart::As(_))));
    octets[0] = 0x7b;
    assert!(decode::<EncAsRepPart>(&octets).is_err());
}

#[test]
fn a_windows_ticket_decrypts_to_what_is_known_of_it() {
    let octets = hex::decode(include_str!("../../tests/vectors/tkt2022.hex").replace('\n', "")).unwrap();
    let ticket: Ticket = decode(&octets).unwrap();
    assert_eq!(encode(&ticket), octets);
    assert_eq!(ticket.enc_part.kvno, Some(Kvno(5)));
    let unsafe_key = "114a84e3148faab1fa7b5351b28ac2f1fd196d61e0f3f23e1fdbd3c1797dc1ee";
    let key = Key::new(Etype::Aes256, &hex::decode(unsafe_key).unwrap()).unwrap();
    let plain = key.decrypt(KeyUsage::TICKET, &ticket.enc_part.cipher).unwrap();
    assert_eq!(plain.len(), 1179);
    let part: EncTicketPart = decode(&plain).unwrap();
    assert_eq!(part.flags, Flags(0x00a5_0000));
    assert_eq!(principal(&part.cname, &part.crealm).unwrap().to_string(), "administrator@W2022-L7.BASE");
    assert_eq!(part.authtime.to_string(), "20221123160159Z");
    assert_eq!(part.starttime.unwrap().to_string(), "20221123160215Z");
    assert_eq!(part.endtime.to_string(), "20221124020159Z");
    assert_eq!(part.renew_till.unwrap().to_string(), "20221124160155Z");
    let session = Key::try_from(&part.key).unwrap();
    assert_eq!(
        hex::encode(session.octets()),
        "dde6e8d1cc641fe1fc3ceeddf3b1b60ac41fcf06e363c6295d91d5ec01a8f1a2"
    );
    assert_eq!(encode(&part), *plain);
}

fn user(name: PrincipalName) -> Principal {
    Principal::new(name, Realm::new("CORP.EXAMPLE").unwrap())
}

fn counting_key(etype: Etype) -> Key {
    let octets: Vec<u8> = (0..).take(etype.key_length()).collect();
    Key::new(etype, &octets).unwrap()
}

#[test]
fn pa_for_user_of_an_enterprise_name_has_the_known_octets() {
    let alice = user(PrincipalName::enterprise("alice@corp.example").unwrap());
    let element = super::padata::for_user(&alice, &counting_key(Etype::Aes256));
    assert_eq!(element.padata_type, 129);
    assert_eq!(
        hex::encode(&element.padata_value),
        "305ba01f301da00302010aa11630141b12616c69636540636f72702e6578616d706c65a10e1b0c434f52502e4558414d504c45a21c301aa0040202ff76a1120410488658a0f22fd48729b7831b2d691681a30a1b084b65726265726f73"
    );
}

#[test]
fn the_checksum_of_pa_for_user_is_the_known_one_for_both_key_lengths() {
    let alice = user(PrincipalName::principal("alice").unwrap());
    for (etype, expected) in [
        (Etype::Aes256, "1f74d4b90654daf01629a831a28f0e4d"),
        (Etype::Aes128, "94a00f1560a4920e037cce376f99e92e"),
    ] {
        let element = super::padata::for_user(&alice, &counting_key(etype));
        let value: PaForUser = decode(&element.padata_value).unwrap();
        assert_eq!(value.cksum.cksumtype, -138);
        assert_eq!(hex::encode(&value.cksum.checksum), expected);
    }
}

#[test]
fn the_s4u_byte_array_is_the_known_one() {
    let array = super::padata::for_user_octets(1, b"administradorkingdom.hearts", "Kerberos");
    assert_eq!(
        hex::encode(&array),
        "0100000061646d696e6973747261646f726b696e67646f6d2e6865617274734b65726265726f73"
    );
    let key = "72c390c65d7189ab9a39c3fbfcba41b85a5f726ed64c0c8a5cab5beb648cb874";
    let key = Key::new(Etype::Aes256, &hex::decode(key).unwrap()).unwrap();
    let checksum = key.hmac_md5_checksum(KeyUsage::NON_KERBEROS_CHECKSUM, &array);
    assert_eq!(hex::encode(checksum.octets), "85bfbd75ee4a87929c28bc0724952f8d");
}

#[test]
fn pa_s4u_x509_user_has_the_known_octets_and_checksums() {
    let alice = user(PrincipalName::enterprise("alice@corp.example").unwrap());
    let user_id = encode(&S4uUserId {
        nonce: 0x1234_5678,
        cname: Some(alice.name().into()),
        crealm: alice.realm().into(),
        subject_certificate: None,
        options: Some(Flags(0x2000_0000)),
    });
    assert_eq!(
        hex::encode(&user_id),
        "3042a006020412345678a11f301da00302010aa11630141b12616c69636540636f72702e6578616d706c65a20e1b0c434f52502e4558414d504c45a40703050020000000"
    );
    let key = counting_key(Etype::Aes256);
    let request = key.checksum(KeyUsage::S4U_X509_USER_REQUEST, &user_id);
    assert_eq!(hex::encode(&request.octets), "8f687e45883d01433bef16c1");
    let reply = key.checksum(KeyUsage::S4U_X509_USER_REPLY, &user_id);
    assert_eq!(hex::encode(&reply.octets), "6b0da1895447a25730cf6e73");
    let element = super::padata::s4u_x509_user(&user_id, request.into());
    assert_eq!(
        hex::encode(&element.padata_value),
        "305fa0443042a006020412345678a11f301da00302010aa11630141b12616c69636540636f72702e6578616d706c65a20e1b0c434f52502e4558414d504c45a40703050020000000a1173015a003020110a10e040c8f687e45883d01433bef16c1"
    );
}

#[test]
fn a_user_id_with_a_field_of_the_future_is_read() {
    let known = hex::decode("3042a006020412345678a11f301da00302010aa11630141b12616c69636540636f72702e6578616d706c65a20e1b0c434f52502e4558414d504c45a40703050020000000").unwrap();
    let mut extended = known.clone();
    extended[1] += 5;
    extended.extend_from_slice(&[0xa5, 3, 2, 1, 1]);
    assert!(decode::<S4uUserId>(&extended).is_err());
    assert_eq!(encode(&S4uUserId::decode_extensible(&extended).unwrap()), known);
    assert!(S4uUserId::decode_extensible(&extended[..extended.len() - 1]).is_err());
}

#[test]
fn the_fixed_padata_have_the_known_octets() {
    assert_eq!(hex::encode(&super::padata::pac_request().padata_value), "3005a0030101ff");
    assert_eq!(hex::encode(&super::padata::pac_options(0x9000_0000).padata_value), "3009a00703050090000000");
    assert_eq!(hex::encode(&super::padata::pac_options(0x1000_0000).padata_value), "3009a00703050010000000");
    assert!(super::padata::req_enc_pa_rep().padata_value.is_empty());
}

#[test]
fn of_two_elements_of_one_type_neither_is_taken() {
    let twice = vec![super::padata::pac_request(), super::padata::pac_request()];
    assert_eq!(super::padata::only(&twice, 128), None);
    assert!(super::padata::only(&twice[..1], 128).is_some());
}

#[test]
fn flags_shorter_or_longer_than_32_bits_are_read_when_they_say_the_same() {
    assert_eq!(decode::<Flags>(&[3, 2, 0, 0x40]), Ok(Flags(0x4000_0000)));
    assert_eq!(decode::<Flags>(&[3, 6, 0, 0x40, 0, 0, 0x10, 0]), Ok(Flags(0x4000_0010)));
    assert_eq!(decode::<Flags>(&[3, 6, 0, 0x40, 0, 0, 0, 0x80]), Err(Malformed));
    assert_eq!(encode(&Flags(0)), [3, 5, 0, 0, 0, 0, 0]);
}

#[test]
fn a_name_that_is_not_utf8_is_a_typed_refusal() {
    let name = WireName { name_type: 1, name_string: vec![KerberosString(vec![0xc3].into())] };
    assert_eq!(PrincipalName::try_from(&name).err(), Some(crate::principal::NameError::NotUtf8));
    let cyrillic = WireName::from(&PrincipalName::principal("маша").unwrap());
    assert_eq!(PrincipalName::try_from(&cyrillic).unwrap().to_string(), "маша");
}

#[test]
fn a_message_beyond_the_bound_is_refused_before_it_is_read() {
    let long = KerberosString(vec![b'a'; super::MAX_MESSAGE_LENGTH].into());
    assert_eq!(decode::<KerberosString>(&encode(&long)), Err(Malformed));
}

#[test]
fn an_independent_reader_reads_what_this_crate_writes() {
    use kerberos_asn1::Asn1Object;

    for name in ["encode_krb5_as_rep", "encode_krb5_tgs_rep"] {
        let octets = reference(name);
        let theirs = match name {
            "encode_krb5_as_rep" => kerberos_asn1::AsRep::parse(&octets).unwrap().1.build(),
            _ => kerberos_asn1::TgsRep::parse(&octets).unwrap().1.build(),
        };
        assert_eq!(hex::encode(theirs), hex::encode(octets), "{name}");
    }
    let alice = user(PrincipalName::principal("alice").unwrap());
    let element = super::padata::for_user(&alice, &counting_key(Etype::Aes256));
    let (rest, theirs) = kerberos_asn1::PaForUser::parse(&element.padata_value).unwrap();
    assert!(rest.is_empty());
    assert_eq!(theirs.username.name_string, ["alice"]);
    assert_eq!(theirs.build(), element.padata_value.to_vec());
}

/// Every reader of the crate on the same octets; what counts is that each returns.
fn read_as_everything(octets: &[u8]) {
    macro_rules! each {
        ($($type:ty),* $(,)?) => { $(if let Ok(value) = decode::<$type>(octets) { encode(&value); })* };
    }
    each!(
        AsReq,
        TgsReq,
        KdcReqBody,
        AsRep,
        TgsRep,
        EncAsRepPart,
        EncTicketPart,
        Ticket,
        ApReq,
        Authenticator,
        KrbError,
        KerbErrorData,
        PaEncTsEnc,
        PaForUser,
        PaS4uX509User,
        S4uUserId,
        EncryptedData,
        EncryptionKey,
        WireName,
        KerberosTime,
        Flags,
        Kvno,
        Vec<PaData>,
        Vec<AuthorizationElement>,
        Vec<EtypeInfo2Entry>,
    );
    if let Ok(error) = KrbError::parse(octets) {
        let _refusal = error.refusal(&Realm::new("CORP.EXAMPLE").unwrap());
    }
    let _user_id = S4uUserId::decode_extensible(octets);
}

#[test]
fn no_changed_octet_of_a_reference_makes_a_reader_panic() {
    for (_, octets) in references() {
        for index in 0..octets.len() {
            for value in [0, 0x7f, 0x80, 0xff, octets[index] ^ 1, octets[index].wrapping_add(1)] {
                let mut changed = octets.clone();
                changed[index] = value;
                read_as_everything(&changed);
            }
            read_as_everything(&octets[..index]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_octets_make_a_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_as_everything(&octets);
    }

    #[test]
    fn no_splice_of_two_references_makes_a_reader_panic(a in 0_usize..80, b in 0_usize..80, cut in 0_usize..400) {
        let all = references();
        let (first, second) = (&all[a % all.len()].1, &all[b % all.len()].1);
        let head = &first[..cut.min(first.len())];
        let tail = &second[cut.min(second.len())..];
        read_as_everything(&[head, tail].concat());
    }
}
