//! Messages against bytes that another client or a real server made, and against octets that are no messages.

use ldap3::asn1::parse_tag;
use proptest::prelude::*;

use super::request::{Request, Scope, SearchRequest};
use super::response::{LdapResult, Message, MessageError, Response, ResultCode};
use crate::filter::Filter;
use crate::schema::Attribute;

fn octets(hex: &str) -> Vec<u8> {
    hex::decode(hex.replace(' ', "")).unwrap()
}

#[test]
fn a_simple_bind_is_version_3_with_name_and_password() {
    let request = Request::SimpleBind { name: "svc", password: "pw" };
    assert_eq!(octets("3011 020101 600c 020103 0403737663 80027077"), request.encode(1).to_vec());
}

#[test]
fn an_external_bind_names_the_mechanism_and_sends_empty_credentials() {
    let expected = octets("3018 020101 6013 020103 0400 a30c 040845585445524e414c 0400");
    assert_eq!(expected, Request::ExternalBind.encode(1).to_vec());
}

#[test]
fn an_unbind_is_empty() {
    assert_eq!(octets("3005 020103 4200"), Request::Unbind.encode(3).to_vec());
}

#[test]
fn a_search_carries_its_limits() {
    let filter = Filter::present(Attribute::OBJECT_CLASS);
    let request = SearchRequest {
        base: "DC=a",
        scope: Scope::Subtree,
        filter: &filter,
        attributes: &[Attribute::OBJECT_SID],
        chosen: &[],
        size_limit: 2,
        time_limit: 300,
    };
    let expected = octets(
        "3036 020200c8 6330 040444433d61 0a0102 0a0100 020102 0202012c 010100 \
         870b6f626a656374436c617373 300b 04096f626a656374536964",
    );
    assert_eq!(expected, Request::Search(&request).encode(200).to_vec());
    assert!(parse_tag(&expected).unwrap().0.is_empty());
}

#[test]
fn a_request_does_not_print_its_password() {
    let request = Request::SimpleBind { name: "svc", password: "geheim" };
    assert_eq!("SimpleBind", format!("{request:?}"));
}

#[test]
fn an_entry_is_read_with_padded_lengths() {
    let message = octets(
        "3084 0000002d 020102 6484 00000024 040444433d61 3084 00000018 3084 00000012 04026f63 3184 00000008 \
         0403746f70 0401ff",
    );
    let Response::Entry(entry) = Message::decode(&message).unwrap().response else { panic!("not an entry") };
    assert_eq!("DC=a", entry.dn());
    let mut expected = crate::entry::Entry::new("DC=a");
    assert!(expected.add("oc", vec![b"top".to_vec(), vec![0xff]]));
    assert_eq!(expected, entry);
}

#[test]
fn the_result_of_a_search_ends_it() {
    let result = LdapResult { code: ResultCode::SIZE_LIMIT_EXCEEDED, diagnostic: String::new() };
    assert_eq!(
        Ok(Message { id: 2, response: Response::Done(result) }),
        Message::decode(&octets("300c 020102 6507 0a0104 0400 0400"))
    );
}

#[test]
fn a_refused_bind_keeps_the_words_of_the_server_without_controls() {
    let message = octets("3018 020101 6113 0a0131 0400 040c 64617461203532652c2000 0a");
    let result = LdapResult { code: ResultCode::INVALID_CREDENTIALS, diagnostic: "data 52e, ".to_owned() };
    assert_eq!(Ok(Message { id: 1, response: Response::Bind(result) }), Message::decode(&message));
}

#[test]
fn a_notice_of_disconnection_may_have_its_name_outside() {
    let message = octets("3012 020100 7807 0a0134 0400 0400 8a04 312e3333");
    let Ok(Message { id: 0, response: Response::Extended(result) }) = Message::decode(&message) else {
        panic!("not a notice")
    };
    assert_eq!(ResultCode::UNAVAILABLE, result.code);
}

#[test]
fn a_reference_is_recognised_and_not_read() {
    let message = Message::decode(&octets("300c 020102 7307 04056c646170 3a"));
    assert_eq!(Ok(Message { id: 2, response: Response::Reference }), message);
}

#[test]
fn messages_that_have_no_place_are_refused() {
    for (hex, error) in [
        ("", MessageError::Encoding),
        ("3000", MessageError::Encoding),
        ("3005 0201ff 4200", MessageError::Encoding),
        ("3005 020101 4200", MessageError::Operation(0x42)),
        ("300c 020102 7907 0a0104 0400 0400", MessageError::Operation(0x79)),
        ("3005 020102 6500", MessageError::Encoding),
        ("300b 020102 6406 0402ffff 3000", MessageError::Text),
        ("3017 020102 6412 0400 300e 3005 040161 3100 3005 040141 3100", MessageError::AttributeTwice),
    ] {
        assert_eq!(Err(error), Message::decode(&octets(hex)), "{hex}");
    }
}

#[test]
fn the_length_of_a_message_is_known_from_its_head() {
    assert_eq!(Ok(None), Message::length(&[]));
    assert_eq!(Ok(None), Message::length(&octets("3084 0000")));
    assert_eq!(Ok(Some(0x106)), Message::length(&octets("3084 00000100 02")));
    assert_eq!(Err(MessageError::Encoding), Message::length(&octets("16")));
    assert_eq!(Err(MessageError::Encoding), Message::length(&octets("3080")));
    assert_eq!(Err(MessageError::TooLong), Message::length(&octets("3084 00100000")));
}

#[test]
fn nesting_without_end_costs_nothing() {
    let mut message = octets("3082ffff 020101 6482fff8");
    message.extend(std::iter::repeat_n([0x30, 0x80], 0x7ffc).flatten());
    assert_eq!(Err(MessageError::Encoding), Message::decode(&message));
}

#[test]
fn more_attributes_than_were_asked_for_are_refused() {
    use crate::tlv::{INTEGER, OCTET_STRING, SEQUENCE, SET, element};
    let attribute =
        |name: usize| element(SEQUENCE, &[element(OCTET_STRING, &[name.to_string()]), element(SET, &[""])]);
    let attributes: Vec<_> = (0..65).map(attribute).collect();
    let entry = element(0x64, &[element(OCTET_STRING, &["DC=a"]), element(SEQUENCE, &attributes)]);
    let message = element(SEQUENCE, &[element(INTEGER, &[[1]]), entry]);
    assert_eq!(Err(MessageError::TooMany), Message::decode(&message));
}

proptest! {
    #[test]
    fn no_octets_stop_the_reader(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::message(&octets);
    }

    #[test]
    fn no_change_of_a_message_stops_the_reader(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut message = octets(
            "3084 0000002d 020102 6484 00000024 040444433d61 3084 00000018 3084 00000012 04026f63 3184 \
             00000008 0403746f70 0401ff",
        );
        for (place, octet) in changes {
            let place = place.index(message.len());
            message[place] = octet;
        }
        crate::fuzzing::message(&message);
    }
}
