//! What is inside: messages that are forwarded, and those that are not.

use super::{Material, Named, framed, kerb_message, post, proxy_message, proxy_message_for, target_domain};
use crate::kdc_proxy::der::{
    body_changed, changed, element, fields, indefinite, long_form, members, sequence, split,
};

/// A name in a KDC-REQ-BODY.
fn principal(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = parts.iter().map(|part| element(0x1b, part.as_bytes())).collect();
    let names = element(0x30, &parts.concat());
    sequence(&[(0xa0, element(0x02, &[1])), (0xa1, names)])
}

/// Pre-authentication data.
fn padata(kind: u8, value: &[u8]) -> Vec<u8> {
    sequence(&[(0xa1, element(0x02, &[kind])), (0xa2, element(0x04, value))])
}

fn field(message: &[u8], wanted: u8) -> Vec<u8> {
    fields(message).into_iter().find(|(tag, _)| *tag == wanted).unwrap().1
}

/// The AP-REQ that a TGS-REQ rests on.
fn ap_req(tgs_req: &[u8]) -> Vec<u8> {
    let elements = members(&field(tgs_req, 0xa3));
    let mut read = elements.iter().map(|(tag, content)| members(&element(*tag, content)));
    let proof = read.find(|data| data[0].1 == [0x02, 0x01, 0x01]).unwrap();
    split(&proof[1].1).unwrap().1.to_vec()
}

/// The two messages in a password change.
fn parts(change: &[u8]) -> (&[u8], &[u8]) {
    let length = u16::from_be_bytes([change[4], change[5]]);
    change[6..].split_at(length.into())
}

/// The password protocol's frame (RFC 3244 section 2).
fn password_frame(version: u16, ap_req: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(6 + ap_req.len() + rest.len()).unwrap();
    let first = u16::try_from(ap_req.len()).unwrap();
    [&length.to_be_bytes(), &version.to_be_bytes(), &first.to_be_bytes(), ap_req, rest].concat()
}

pub(super) fn good(material: &Material) -> Vec<Named> {
    let as_req = &material.as_req;
    let hinted = |hint: &[u8]| {
        let fields =
            [kerb_message(&framed(as_req)), target_domain(super::REALM), element(0xa2, &element(0x02, hint))];
        post(element(0x30, &fields.concat()))
    };
    vec![
        ("AS-REQ", post(proxy_message(as_req))),
        ("AS-REQ with a proof", post(proxy_message(&material.as_req_with_proof))),
        ("AS-REQ with a wrong proof", post(proxy_message(&material.as_req_with_wrong_proof))),
        ("AS-REQ of nobody", post(proxy_message(&body_changed(as_req, 0xa1, Some(principal(&["nobody"])))))),
        (
            "AS-REQ of a barred account",
            post(proxy_message(&body_changed(as_req, 0xa1, Some(principal(&["svc-edge"]))))),
        ),
        (
            "AS-REQ for kadmin/changepw",
            post(proxy_message(&body_changed(as_req, 0xa3, Some(principal(&["kadmin", "changepw"]))))),
        ),
        ("AS-REQ in armor", post(proxy_message(&material.as_req_in_armor))),
        ("TGS-REQ", post(proxy_message(&material.tgs_req))),
        ("password change", post(proxy_message(&material.change))),
        ("password set", post(proxy_message(&material.set))),
        ("AS-REQ, target-domain in small letters", post(proxy_message_for(b"corp.example", as_req))),
        ("AS-REQ, dclocator-hint", hinted(&[0x00, 0x80, 0x00, 0x00, 0x00])),
        ("AS-REQ, dclocator-hint below zero", hinted(&[0x80])),
        ("AS-REQ, dclocator-hint of 20 octets", hinted(&[0x11; 20])),
    ]
}

pub(super) fn of_other_kinds(material: &Material) -> Vec<Named> {
    let (ap_req, krb_priv) = parts(&material.change);
    let inner = &material.as_req[1..];
    let as_kind = |tag: u8| post(proxy_message(&[&[tag], inner].concat()));
    vec![
        ("AP-REQ as the message", post(proxy_message(ap_req))),
        ("KRB-PRIV as the message", post(proxy_message(krb_priv))),
        ("KRB-ERROR as the message", post(proxy_message(&material.krb_error))),
        ("AS-REP as the message", post(proxy_message(&material.as_rep))),
        ("TGS-REP as the message", post(proxy_message(&material.tgs_rep))),
        ("KRB-SAFE as the message", as_kind(0x74)),
        ("KRB-CRED as the message", as_kind(0x76)),
        ("AP-REP as the message", as_kind(0x6f)),
        ("a bare SEQUENCE as the message", as_kind(0x30)),
        ("letters as the message", post(proxy_message(b"GET / HTTP/1.0\r\n\r\n"))),
        ("one octet as the message", post(proxy_message(&[0x6a]))),
        (
            "two messages in one frame",
            post(proxy_message(&[material.as_req.clone(), material.as_req.clone()].concat())),
        ),
    ]
}

pub(super) fn kdc_requests_gone_wrong(material: &Material) -> Vec<Named> {
    let (as_req, tgs_req) = (&material.as_req, &material.tgs_req);
    let sent = |message: &[u8]| post(proxy_message(message));
    let number = |number: u8| Some(element(0x02, &[number]));
    let realm = |realm: &[u8]| Some(element(0x1b, realm));
    let (_, content, _) = split(as_req).unwrap();
    let proof = padata(1, &ap_req(tgs_req));
    vec![
        ("AS-REQ with pvno 4", sent(&changed(as_req, 0xa1, number(4)))),
        ("AS-REQ with the msg-type of a TGS-REQ", sent(&changed(as_req, 0xa2, number(12)))),
        ("AS-REQ in the tag of a TGS-REQ", sent(&[&[0x6c], &as_req[1..]].concat())),
        ("AS-REQ without req-body", sent(&changed(as_req, 0xa4, None))),
        ("AS-REQ without cname", sent(&body_changed(as_req, 0xa1, None))),
        ("AS-REQ without sname", sent(&body_changed(as_req, 0xa3, None))),
        ("AS-REQ without etype", sent(&body_changed(as_req, 0xa8, None))),
        (
            "AS-REQ for another realm than target-domain",
            sent(&body_changed(as_req, 0xa2, realm(b"EVIL.EXAMPLE"))),
        ),
        (
            "AS-REQ for a realm that is not configured",
            post(proxy_message_for(b"EVIL.EXAMPLE", &body_changed(as_req, 0xa2, realm(b"EVIL.EXAMPLE")))),
        ),
        ("AS-REQ for the realm in small letters", sent(&body_changed(as_req, 0xa2, realm(b"corp.example")))),
        ("AS-REQ whose padata is no list", sent(&changed(as_req, 0xa3, Some(element(0x04, b"x"))))),
        (
            "AS-REQ of a name with a line feed",
            sent(&body_changed(as_req, 0xa1, Some(principal(&["al\nice"])))),
        ),
        ("AS-REQ in indefinite length", sent(&indefinite(0x6a, content))),
        ("AS-REQ in a needlessly long length", sent(&long_form(0x6a, content))),
        ("AS-REQ with an empty content", sent(&[0x6a, 0x00])),
        ("AS-REQ with an octet after its SEQUENCE", sent(&element(0x6a, &[content, &[0]].concat()))),
        ("AS-REQ cut short, length put right", sent(&element(0x6a, &content[..content.len() - 9]))),
        ("TGS-REQ without padata", sent(&changed(tgs_req, 0xa3, None))),
        (
            "TGS-REQ with another proof than an AP-REQ",
            sent(&changed(tgs_req, 0xa3, Some(element(0x30, &padata(1, b"no"))))),
        ),
        (
            "TGS-REQ with two AP-REQs",
            sent(&changed(tgs_req, 0xa3, Some(element(0x30, &[proof.clone(), proof].concat())))),
        ),
        ("TGS-REQ changed on its way", sent(&body_changed(tgs_req, 0xa7, Some(element(0x02, &[7]))))),
        (
            "TGS-REQ for another realm than target-domain",
            sent(&body_changed(tgs_req, 0xa2, realm(b"EVIL.EXAMPLE"))),
        ),
    ]
}

pub(super) fn password_changes_gone_wrong(material: &Material) -> Vec<Named> {
    let (ap, private) = parts(&material.change);
    let frame = |version, ap: &[u8], rest: &[u8]| post(proxy_message(&password_frame(version, ap, rest)));
    let with_octets = |at: usize, octets: [u8; 2]| {
        let mut message = material.change.clone();
        message[at..at + 2].copy_from_slice(&octets);
        post(proxy_message(&message))
    };
    vec![
        ("password change of an unknown version", frame(2, ap, private)),
        ("password change with a ticket for krbtgt", frame(1, &ap_req(&material.tgs_req), private)),
        (
            "password change whose length is short by one",
            with_octets(0, u16::try_from(material.change.len() - 1).unwrap().to_be_bytes()),
        ),
        ("password change whose AP-REQ is said to be longer than all", with_octets(4, [0xff, 0xff])),
        ("password change whose AP-REQ is said to be empty", with_octets(4, [0, 0])),
        ("password change without KRB-PRIV", frame(1, ap, &[])),
        ("password change with a KRB-ERROR for a KRB-PRIV", frame(1, ap, &material.krb_error)),
        ("password change with an octet after KRB-PRIV", frame(1, ap, &[private, &[0]].concat())),
        ("password change with a KRB-PRIV of nothing", frame(1, ap, &element(0x75, &element(0x30, &[])))),
        ("password change whose AP-REQ has no ticket", frame(1, &changed(ap, 0xa3, None), private)),
        ("head of a password change alone", post(proxy_message(&[0, 6, 0, 1, 0, 0]))),
    ]
}
