//! KDC-PROXY-MESSAGE itself, and the frame in it.

use super::{
    Material, Named, REALM, framed, kerb_message, post, proxy_message, proxy_message_for, target_domain,
};
use crate::kdc_proxy::der::{element, indefinite, long_form};

pub(super) fn frames(material: &Material) -> Vec<Named> {
    let message = &material.as_req;
    let length = u32::try_from(message.len()).unwrap();
    let announced = |length: u32| {
        let frame = [&length.to_be_bytes(), message.as_slice()].concat();
        post(element(0x30, &[kerb_message(&frame), target_domain(REALM)].concat()))
    };
    let frame = |frame: &[u8]| post(element(0x30, &[kerb_message(frame), target_domain(REALM)].concat()));
    vec![
        ("frame that announces nothing", announced(0)),
        ("frame short by one", announced(length - 1)),
        ("frame long by one", announced(length + 1)),
        ("frame with the top bit", announced(length | 1 << 31)),
        ("frame with the length's octets turned round", announced(length.swap_bytes())),
        ("no frame, as over UDP", frame(message)),
        ("frame of nothing", frame(&[0; 4])),
        ("frame cut off", frame(&[0, 0])),
        ("no octet in kerb-message", frame(&[])),
    ]
}

pub(super) fn fields(material: &Material) -> Vec<Named> {
    let message = kerb_message(&framed(&material.as_req));
    let of = |parts: &[Vec<u8>]| post(element(0x30, &parts.concat()));
    let domain = |octets: &[u8]| post(proxy_message_for(octets, &material.as_req));
    let realm = || target_domain(REALM);
    let text = |tag: u8| element(0xa1, &element(tag, REALM));
    vec![
        ("target-domain missing", of(std::slice::from_ref(&message))),
        ("target-domain empty", domain(b"")),
        ("target-domain unknown", domain(b"EVIL.EXAMPLE")),
        ("target-domain that is a host's address", domain(b"127.0.0.1")),
        ("target-domain with a point at its end", domain(b"CORP.EXAMPLE.")),
        ("target-domain global", domain(b"global")),
        ("target-domain with a NUL", domain(b"CORP.EXAMPLE\0")),
        ("target-domain with a line feed", domain(b"CORP.EXAMPLE\n")),
        ("target-domain with a slash", domain(b"CORP/EXAMPLE")),
        ("target-domain that is no UTF-8", domain(b"CORP\xff\xfe")),
        ("target-domain of 2000 letters", domain(&[b'A'; 2000])),
        ("target-domain as UTF8String", of(&[message.clone(), text(0x0c)])),
        ("target-domain as IA5String", of(&[message.clone(), text(0x16)])),
        ("target-domain twice", of(&[message.clone(), realm(), realm()])),
        ("kerb-message missing", of(&[realm()])),
        ("kerb-message twice", of(&[message.clone(), message.clone(), realm()])),
        ("fields in another order", of(&[realm(), message.clone()])),
        ("a field beyond those known", of(&[message.clone(), realm(), element(0xa3, &element(0x02, &[1]))])),
        (
            "dclocator-hint that is no number",
            of(&[message.clone(), realm(), element(0xa2, &element(0x04, &[1]))]),
        ),
        ("dclocator-hint of no octets", of(&[message, realm(), element(0xa2, &element(0x02, &[]))])),
    ]
}

pub(super) fn encodings(material: &Material) -> Vec<Named> {
    let frame = framed(&material.as_req);
    let (message, realm) = (kerb_message(&frame), target_domain(REALM));
    let content = [message.clone(), realm.clone()].concat();
    let right = element(0x30, &content);
    let inside = |message: Vec<u8>| post(element(0x30, &[message, realm.clone()].concat()));
    let (first, second) = frame.split_at(20);
    let pieces = [element(0x04, first), element(0x04, second)].concat();
    vec![
        ("body empty", post(Vec::new())),
        ("body of one octet", post(vec![0x30])),
        ("body of zeros", post(vec![0; 64])),
        ("body of letters", post(b"hello, proxy".to_vec())),
        ("body cut in half", post(right[..right.len() / 2].to_vec())),
        ("body cut by one octet", post(right[..right.len() - 1].to_vec())),
        ("an octet after the body", post([right.clone(), vec![0]].concat())),
        ("a second KDC-PROXY-MESSAGE after the first", post([right.clone(), right].concat())),
        ("SET in the place of SEQUENCE", post(element(0x31, &content))),
        ("context tag in the place of SEQUENCE", post(element(0xb0, &content))),
        ("SEQUENCE of nothing", post(element(0x30, &[]))),
        ("KDC-PROXY-MESSAGE in indefinite length", post(indefinite(0x30, &content))),
        ("KDC-PROXY-MESSAGE in a needlessly long length", post(long_form(0x30, &content))),
        ("kerb-message in indefinite length", inside(indefinite(0xa0, &element(0x04, &frame)))),
        ("kerb-message in a needlessly long length", inside(element(0xa0, &long_form(0x04, &frame)))),
        ("kerb-message in pieces", inside(element(0xa0, &element(0x24, &pieces)))),
        ("kerb-message in an implicit tag", inside(element(0x80, &frame))),
        ("kerb-message in an application tag", inside(element(0x60, &element(0x04, &frame)))),
        ("kerb-message as BIT STRING", inside(element(0xa0, &element(0x03, &frame)))),
        (
            "an octet after kerb-message in its tag",
            inside(element(0xa0, &[element(0x04, &frame), vec![0]].concat())),
        ),
        ("length beyond the body", post([vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], content].concat())),
        ("a thousand SEQUENCEs in each other", post([0x30, 0x80].repeat(1000))),
        ("Kerberos message without KDC-PROXY-MESSAGE", post(material.as_req.clone())),
        ("framed Kerberos message without KDC-PROXY-MESSAGE", post(frame)),
        ("KDC-PROXY-MESSAGE of a KDC-PROXY-MESSAGE", post(proxy_message(&proxy_message(&material.as_req)))),
    ]
}
