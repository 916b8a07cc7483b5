mod making;
mod messages;

use std::time::Duration;

use kerberos_asn1::Asn1Object;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::key::{Etype, Key, KeyUsage};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::types::{AuthorizationElement, decode};
use crate::principal::{Principal, Realm};
use crate::ticket::{TicketFlags, TicketTimes};
use crate::time::KerberosTime;

fn key() -> Key {
    Key::new(Etype::Aes256, &[7; 32]).unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456)
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn ticket_with(key: Key) -> ServiceTicket {
    let realm = Realm::new("CORP.EXAMPLE").unwrap();
    let time = KerberosTime::from_unix_seconds;
    let times = TicketTimes { authtime: time(1), starttime: time(2), endtime: time(3), renew_till: None };
    ServiceTicket::new(
        Principal::new("alice".parse().unwrap(), realm.clone()),
        Principal::new("HTTP/web.corp.example".parse().unwrap(), realm),
        key,
        TicketFlags::FORWARDABLE,
        times,
        crate::vectors::bytes(crate::vectors::TKT_2022),
    )
}

fn bindings() -> ChannelBindings {
    let hash = hex::decode("03f48c90a8e6886eab083a748a07cdbbae80c034c57ae76a11635ad852d913e3").unwrap();
    ChannelBindings::tls_server_end_point(&hash).unwrap()
}

fn token(bindings: Option<&ChannelBindings>, seed: u64) -> Zeroizing<Vec<u8>> {
    initial_token(&ticket_with(key()), bindings, now(), &mut rng(seed)).unwrap()
}

/// The AP-REQ of a token, whose framing is checked by the test of the capture.
fn ap_req_of(token: &[u8]) -> ApReq {
    let start = token.windows(2).position(|octets| octets == [0x6e, 0x82]).unwrap();
    decode(&token[start..]).unwrap()
}

fn authenticator_of(token: &[u8]) -> Authenticator {
    let cipher = ap_req_of(token).authenticator.cipher;
    decode(&key().decrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &cipher).unwrap()).unwrap()
}

#[test]
fn the_request_carries_the_ticket_unchanged_and_asks_for_mutual_authentication() {
    let request = ap_req_of(&token(None, 1));
    assert_eq!((request.pvno, request.msg_type), (5, 14));
    assert_eq!(request.ap_options.0, 0x2000_0000);
    assert_eq!(request.ticket.as_bytes(), ticket_with(key()).bytes());
}

#[test]
fn the_authenticator_names_user_and_time() {
    let authenticator = authenticator_of(&token(None, 1));
    assert_eq!(authenticator.cname.name_string.len(), 1);
    assert_eq!(&authenticator.cname.name_string[0].0[..], b"alice");
    assert_eq!(&authenticator.crealm.0[..], b"CORP.EXAMPLE");
    assert_eq!((authenticator.ctime.unix_seconds(), authenticator.cusec), (1_700_000_000, 123_456));
    assert!(authenticator.seq_number.unwrap() < 1 << 30);
}

#[test]
fn without_bindings_the_digest_is_zero_and_nothing_is_demanded() {
    let authenticator = authenticator_of(&token(None, 1));
    let checksum = authenticator.cksum.unwrap();
    assert_eq!(checksum.cksumtype, 32771);
    assert_eq!(hex::encode(&checksum.checksum), format!("10000000{}06000000", "00".repeat(16)));
    assert!(authenticator.authorization_data.is_none());
}

#[test]
fn with_bindings_the_digest_is_sent_and_the_acceptor_told_to_check() {
    let authenticator = authenticator_of(&token(Some(&bindings()), 1));
    let checksum = authenticator.cksum.unwrap().checksum;
    assert_eq!(hex::encode(&checksum), "10000000d1401a7a7d0c267ea5297c28066b250806000000");
    let data = authenticator.authorization_data.unwrap();
    assert_eq!((data.len(), data[0].ad_type), (1, 1));
    let inner: Vec<AuthorizationElement> = decode(&data[0].ad_data).unwrap();
    assert_eq!((inner.len(), inner[0].ad_type), (1, 143));
    assert_eq!(inner[0].ad_data[..], [0x00, 0x40, 0x00, 0x00]);
}

#[test]
fn the_checksum_of_all_services_is_as_computed_elsewhere() {
    let all =
        ContextFlags::MUTUAL.union(ContextFlags::SEQUENCE).union(ContextFlags::CONFIDENTIALITY).complete();
    let value = ap_req::checksum_value(Some(&bindings()), all);
    assert_eq!(hex::encode(value), "10000000d1401a7a7d0c267ea5297c28066b25083e000000");
}

#[test]
fn delegation_is_never_offered() {
    for bindings in [None, Some(&bindings())] {
        let checksum = authenticator_of(&token(bindings, 1)).cksum.unwrap().checksum;
        assert_eq!(checksum.len(), 24, "no room for a krb-cred");
        assert_eq!(checksum[20] & 0x01, 0);
    }
}

#[test]
fn every_token_has_a_fresh_subkey_of_the_session_keys_etype() {
    let subkeys = [1, 2].map(|seed| authenticator_of(&token(None, seed)).subkey.unwrap());
    assert!(subkeys.iter().all(|subkey| subkey.keytype == 18 && subkey.keyvalue.0.len() == 32));
    assert_ne!(subkeys[0].keyvalue.0, subkeys[1].keyvalue.0);
    assert_ne!(*subkeys[0].keyvalue.0, ticket_with(key()).session_key().octets());
}

#[test]
fn another_implementation_reads_the_request() {
    let token = token(None, 1);
    let start = token.windows(2).position(|octets| octets == [0x6e, 0x82]).unwrap();
    let (rest, request) = kerberos_asn1::ApReq::parse(&token[start..]).unwrap();
    assert!(rest.is_empty());
    let plain = key().decrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &request.authenticator.cipher).unwrap();
    let (rest, authenticator) = kerberos_asn1::Authenticator::parse(&plain).unwrap();
    assert!(rest.is_empty());
    assert_eq!(authenticator.cksum.unwrap().cksumtype, 0x8003);
    assert_eq!(authenticator.subkey.unwrap().keyvalue.len(), 32);
}
