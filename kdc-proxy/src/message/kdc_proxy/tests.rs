//! Requests and replies of other implementations, and what must not get through.

use super::*;
use crate::message::ap_req::ApReq;
use crate::message::kdc_req::{AsReq, KdcReq, KdcReqBody, RequestKind, TgsReq, kdc_req};
use crate::message::padata::kind;
use crate::message::types::{PaData, Ticket, WireName, decode as read};
use crate::principal::PrincipalName;
use crate::vectors::{self, bytes, mit_reference};

fn realm(name: &str) -> Realm {
    Realm::new(name).unwrap()
}

fn wrapped(message: &[u8]) -> Vec<u8> {
    encode_request(&realm("CORP.EXAMPLE"), message).unwrap()
}

/// The recorded login: requests and replies, without frames.
fn samba() -> Vec<(Vec<u8>, Vec<u8>)> {
    let rounds = vectors::SAMBA_LOGIN.lines().skip(1).map(|line| line.split_once(' ').unwrap());
    rounds.map(|(request, reply)| (bytes(request), bytes(reply))).collect()
}

fn refused(bytes: &[u8]) -> ProxyRequestError {
    ProxyRequest::parse(bytes).unwrap_err()
}

/// The recorded AS-REQ, changed.
fn changed_as_req(change: impl FnOnce(&mut KdcReq)) -> Vec<u8> {
    let AsReq(mut request) = read(&samba()[0].0).unwrap();
    change(&mut request);
    encode(&AsReq(request))
}

fn changed_body(change: impl FnOnce(&mut KdcReqBody)) -> Vec<u8> {
    changed_as_req(|request| {
        let mut body: KdcReqBody = read(request.req_body.as_bytes()).unwrap();
        change(&mut body);
        request.req_body = Any::new(encode(&body));
    })
}

#[test]
fn the_published_requests_are_read_and_written_alike() {
    let all = vectors::KKDCP_AS.iter().chain([&vectors::KKDCP_TGS, &vectors::KKDCP_KPASSWD]);
    for sample in all {
        let octets = bytes(sample);
        let request = ProxyRequest::parse(&octets).unwrap();
        assert_eq!(request.target_domain().as_str(), "FREEIPA.LOCAL");
        assert_eq!(encode_request(request.target_domain(), request.message()).unwrap(), octets);
    }
}

#[test]
fn a_request_says_who_wants_what() {
    let client = |sample| ProxyRequest::parse(&bytes(sample)).unwrap().content().clone();
    let Content::AsReq { client: name, server, armored, proving, .. } = client(vectors::KKDCP_AS[0]) else {
        panic!("an as-req")
    };
    assert_eq!((name.to_string().as_str(), armored, proving), ("admin", false, false));
    assert!(matches!(client(vectors::KKDCP_AS[1]), Content::AsReq { proving: true, .. }));
    assert_eq!(server.unwrap().to_string(), "krbtgt/FREEIPA.LOCAL");
    let Content::TgsReq { realm, server, ticket, .. } = client(vectors::KKDCP_TGS) else {
        panic!("a tgs-req")
    };
    assert_eq!(realm.as_str(), "FREEIPA.LOCAL");
    assert!(server.unwrap().to_string().contains('/'));
    assert!(ticket.len() > 100);
    let Content::Kpasswd { realm, ticket } = client(vectors::KKDCP_KPASSWD) else { panic!("a password") };
    assert_eq!((realm.as_str(), ticket.len()), ("FREEIPA.LOCAL", 237));
}

#[test]
fn a_service_that_asks_in_somebody_else_s_name_is_known_and_armor_may_hide_one() {
    let rounds = samba();
    let octets = |place: usize| rounds[place].0.clone();
    let for_another = |message: &[u8]| match ProxyRequest::parse(&wrapped(message)).unwrap().content {
        Content::TgsReq { for_another, .. } => for_another,
        other => panic!("{other:?}"),
    };
    assert!(for_another(&octets(2)), "S4U2Self");
    assert!(for_another(&octets(3)), "S4U2Proxy");
    let mut kinds = octets(2);
    for octet in [129, 130] {
        while let Some(at) = kinds.windows(4).position(|octets| octets == [0x02, 0x02, 0x00, octet]) {
            kinds[at + 3] = 149;
        }
    }
    assert!(!for_another(&kinds), "nothing is asked in another's name");
    let at = kinds.windows(4).position(|octets| octets == [0x02, 0x02, 0x00, 149]).unwrap();
    kinds[at + 3] = 136;
    assert!(for_another(&kinds), "armor");
}

#[test]
fn the_ticket_of_a_reply_is_known_again_in_the_request_that_rests_on_it() {
    let rounds = samba();
    let contents: Vec<Content> =
        rounds.iter().map(|(request, _)| ProxyRequest::parse(&wrapped(request)).unwrap().content).collect();
    let answer = KdcAnswer::read(&rounds[0].1, &contents[0]).unwrap();
    let salts = vec!["CORP.EXAMPLEsvc-broker".to_owned(); 2];
    let KdcAnswer::Error { code, salts: found } = answer else { panic!("asks for a proof") };
    assert_eq!(code, crate::error::ErrorCode::KDC_ERR_PREAUTH_REQUIRED);
    assert!(!found.is_empty() && found.iter().all(|salt| salt.eq_ignore_ascii_case(&salts[0])), "{found:?}");
    let KdcAnswer::Ticket { client, server, ticket, .. } =
        KdcAnswer::read(&rounds[1].1, &contents[1]).unwrap()
    else {
        panic!("a ticket")
    };
    assert_eq!(client.to_string().to_lowercase(), "svc-broker@corp.example");
    assert!(server.is_krbtgt());
    for content in &contents[2..] {
        assert_eq!(content.ticket(), Some(ticket.as_slice()));
    }
    assert_eq!(contents[0].ticket(), None);
}

#[test]
fn a_reply_is_an_answer_to_its_own_kind_of_request_only() {
    let rounds = samba();
    let content = |request: &[u8]| ProxyRequest::parse(&wrapped(request)).unwrap().content;
    let [as_req, tgs_req] = [content(&rounds[1].0), content(&rounds[2].0)];
    assert_eq!(KdcAnswer::read(&rounds[1].1, &tgs_req), Err(ProxyReplyError::Answer));
    assert_eq!(KdcAnswer::read(&rounds[2].1, &as_req), Err(ProxyReplyError::Answer));
    assert_eq!(KdcAnswer::read(b"HTTP/1.1 200 OK\r\n\r\n", &as_req), Err(ProxyReplyError::Answer));
    let kpasswd = ProxyRequest::parse(&bytes(vectors::KKDCP_KPASSWD)).unwrap().content;
    let reply = bytes(vectors::KPASSWD_REP);
    assert_eq!(KdcAnswer::read(&reply, &kpasswd), Ok(KdcAnswer::Kpasswd));
    assert_eq!(KdcAnswer::read(&reply, &as_req), Err(ProxyReplyError::Answer));
    assert_eq!(KdcAnswer::read(&reply[..reply.len() - 1], &kpasswd), Err(ProxyReplyError::Answer));
}

#[test]
fn a_reply_is_written_as_other_implementations_expect_it() {
    let written = encode_reply(b"RESPONSE").unwrap();
    assert_eq!(hex::encode(&written), "3010a00e040c00000008524553504f4e5345");
    assert_eq!(decode_reply(&written).unwrap(), b"RESPONSE");
    // With a realm, as some proxies send it.
    assert_eq!(decode_reply(&wrapped(b"RESPONSE")).unwrap(), b"RESPONSE");
}

#[test]
fn the_reference_encoding_of_the_message_is_read() {
    // Only its ASN.1: the message in it has no frame.
    let message = decode(&mit_reference("encode_krb5_kkdcp_message"), MAX_MESSAGE_LENGTH).unwrap();
    assert_eq!(message.target_domain.unwrap().0.as_ref(), b"krb5data");
    assert_eq!(message.kerb_message.first(), Some(&0x6a));
    assert_eq!(refused(&mit_reference("encode_krb5_kkdcp_message")), ProxyRequestError::Frame);
}

#[test]
fn octets_around_a_request_are_refused() {
    let good = bytes(vectors::KKDCP_AS[0]);
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(refused(&longer), ProxyRequestError::Malformed);
    assert_eq!(refused(&good[..good.len() - 1]), ProxyRequestError::Malformed);
    assert_eq!(refused(b""), ProxyRequestError::Malformed);
    let huge = wrapped(&vec![0x6a; MAX_MESSAGE_LENGTH]);
    assert_eq!(refused(&huge), ProxyRequestError::Malformed);
}

#[test]
fn a_frame_that_announces_another_length_is_refused() {
    let whole = |kerb_message: &[u8]| {
        let target_domain = Some(KerberosString::from("CORP.EXAMPLE"));
        let kerb_message = OctetString::from_slice(kerb_message);
        encode(&KdcProxyMessage { kerb_message, target_domain, dclocator_hint: None })
    };
    let message = &samba()[0].0;
    let length = u32::try_from(message.len()).unwrap();
    for announced in [length - 1, length + 1, 0, u32::MAX, length | 0x8000_0000] {
        let frame = [&announced.to_be_bytes()[..], message].concat();
        assert_eq!(refused(&whole(&frame)), ProxyRequestError::Frame, "{announced}");
        assert_eq!(decode_reply(&whole(&frame)), Err(ProxyReplyError::Frame), "{announced}");
    }
    assert_eq!(refused(&whole(message)), ProxyRequestError::Frame);
    assert_eq!(refused(&whole(&[0, 0, 0])), ProxyRequestError::Frame);
    assert_eq!(refused(&whole(&[0; 4])), ProxyRequestError::Frame);
}

#[test]
fn a_request_without_a_target_domain_is_refused() {
    for (request, _) in samba() {
        assert_eq!(refused(&encode_reply(&request).unwrap()), ProxyRequestError::NoTargetDomain);
    }
}

#[test]
fn a_target_domain_must_be_a_realm() {
    for (name, error) in [
        (&b""[..], NameError::Empty),
        (b"a/b", NameError::Character),
        (b"host:88", NameError::Character),
        (b"A\0B", NameError::Character),
        (b"\xff", NameError::NotUtf8),
        (&[b'a'; 256], NameError::TooLong),
    ] {
        let target_domain = Some(KerberosString(OctetString::from_slice(name)));
        let kerb_message = framed(&samba()[0].0).unwrap();
        let octets = encode(&KdcProxyMessage { kerb_message, target_domain, dclocator_hint: None });
        assert_eq!(refused(&octets), ProxyRequestError::TargetDomain(error));
    }
}

#[test]
fn what_is_no_request_to_a_kdc_is_not_forwarded() {
    let ap_req = mit_reference("encode_krb5_ap_req");
    let others = [
        ("an AP-REQ", ap_req.as_slice()),
        ("a KRB-CRED", &mit_reference("encode_krb5_cred")),
        ("a KRB-PRIV", &mit_reference("encode_krb5_priv")),
        ("an AS-REP", &samba()[1].1),
        ("an LDAP bind", &[0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]),
        ("an SMB2 negotiation", b"\xfeSMB\x40\0\0\0"),
        ("an HTTP request", b"GET / HTTP/1.0\r\n\r\n"),
        ("a query to a DNS server", &[0, 12, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (name, message) in others {
        assert_eq!(refused(&wrapped(message)), ProxyRequestError::Kind, "{name}");
    }
}

#[test]
fn a_password_frame_holds_an_ap_req_for_the_password_service_and_a_krb_priv() {
    let good = ProxyRequest::parse(&bytes(vectors::KKDCP_KPASSWD)).unwrap().message;
    let kpasswd = |version: u16, proof: &[u8], private: &[u8]| {
        let length = |octets: usize| u16::try_from(octets).unwrap().to_be_bytes();
        let whole = length(6 + proof.len() + private.len());
        let message = [&whole[..], &version.to_be_bytes(), &length(proof.len()), proof, private].concat();
        encode_request(&realm("FREEIPA.LOCAL"), &message).unwrap()
    };
    let (proof, private) = kpasswd_parts(&good).unwrap();
    assert!(ProxyRequest::parse(&kpasswd(0xff80, proof, private)).is_ok());
    assert_eq!(refused(&kpasswd(2, proof, private)), ProxyRequestError::Kind);
    assert_eq!(refused(&kpasswd(1, private, proof)), ProxyRequestError::Kind);
    assert_eq!(refused(&kpasswd(1, proof, b"")), ProxyRequestError::Kind);
    assert_eq!(refused(&kpasswd(1, proof, &[private, &[0]].concat())), ProxyRequestError::Content);
    let request: ApReq = read(proof).unwrap();
    let mut ticket: Ticket = read(request.ticket.as_bytes()).unwrap();
    ticket.sname = WireName::from(&PrincipalName::service("cifs", "dc1").unwrap());
    let other = ApReq { ticket: Any::new(encode(&ticket)), ..request };
    assert_eq!(refused(&kpasswd(1, &encode(&other), private)), ProxyRequestError::Service);
}

#[test]
fn a_message_for_another_realm_than_its_envelope_is_refused() {
    let elsewhere = |message: &[u8]| encode_request(&realm("OTHER.EXAMPLE"), message).unwrap();
    let kpasswd = ProxyRequest::parse(&bytes(vectors::KKDCP_KPASSWD)).unwrap().message;
    for message in [&samba()[0].0, &samba()[2].0, &kpasswd] {
        assert_eq!(refused(&elsewhere(message)), ProxyRequestError::RealmDiffers);
    }
    let message = changed_body(|body| body.realm = "OTHER.EXAMPLE".into());
    assert_eq!(refused(&wrapped(&message)), ProxyRequestError::RealmDiffers);
    let message = changed_body(|body| body.realm = "corp.EXAMPLE".into());
    assert!(ProxyRequest::parse(&wrapped(&message)).is_ok());
}

#[test]
fn an_as_req_names_its_client_in_a_way_that_can_be_compared() {
    let nobody = changed_body(|body| body.cname = None);
    assert_eq!(refused(&wrapped(&nobody)), ProxyRequestError::Content);
    for (name, error) in
        [(&b"a\xff"[..], NameError::NotUtf8), (b"", NameError::Empty), (b"a\nb", NameError::Character)]
    {
        let message = changed_body(|body| {
            let name_string = vec![KerberosString(OctetString::from_slice(name))];
            body.cname = Some(WireName { name_type: 1, name_string });
        });
        assert_eq!(refused(&wrapped(&message)), ProxyRequestError::Name(error));
    }
}

#[test]
fn an_armored_request_is_told_as_such() {
    let message = changed_as_req(|request| {
        let fast = PaData { padata_type: kind::FX_FAST, padata_value: OctetString::from_slice(&[0x30, 0]) };
        request.padata.get_or_insert_default().push(fast);
    });
    let request = ProxyRequest::parse(&wrapped(&message)).unwrap();
    assert!(matches!(request.content(), Content::AsReq { armored: true, .. }));
}

#[test]
fn a_tgs_req_rests_on_one_ticket() {
    let TgsReq(request) = read(&samba()[2].0).unwrap();
    let body = request.req_body.as_bytes();
    let padata = request.padata.clone().unwrap();
    let without: Vec<PaData> =
        padata.iter().filter(|element| element.padata_type != kind::TGS_REQ).cloned().collect();
    let twice = [padata.clone(), padata].concat();
    for wrong in [without, twice] {
        let message = kdc_req(RequestKind::Tgs, body, wrong);
        assert_eq!(refused(&wrapped(&message)), ProxyRequestError::Content);
    }
}

#[test]
fn neither_request_nor_answer_prints_what_it_carries() {
    let rounds = samba();
    let request = ProxyRequest::parse(&wrapped(&rounds[2].0)).unwrap();
    let shown = format!("{request:?} {:?}", KdcAnswer::read(&rounds[2].1, request.content()).unwrap());
    assert!(shown.len() < 400, "{shown}");
}
