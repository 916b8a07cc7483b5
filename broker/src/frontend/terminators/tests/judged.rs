//! Who may send headers of certificates, and what becomes of the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};

use crate::error::Refusal;
use crate::frontend::gateways::{CertificateNames, GatewayCertificate};
use crate::frontend::listener::Peer;
use crate::frontend::terminators::{Form, HeaderRefused, Presented, Terminator, Terminators};
use crate::frontend::testing::{Ca, Leaf};
use crate::frontend::tls::{Asked, clients_of};
use crate::policy::{Channel, Origin};

/// A terminator `edge` in 192.0.2.0/28, with a certificate of the CA of machines; a card of another CA.
struct Scene {
    machines: Ca,
    edge: Leaf,
    card: Leaf,
    terminators: Terminators,
}

impl Scene {
    fn new(form: Form, forwarded_for: bool) -> Self {
        let (machines, cards) = (Ca::new("machines"), Ca::new("cards"));
        let ca = std::slice::from_ref(&machines.certificate);
        let verifier = clients_of(ca, &[], Asked::Required).unwrap();
        let networks = vec!["192.0.2.0/28".parse().unwrap(), "2001:db8::5/128".parse().unwrap()];
        let edge = Terminator { networks, form, forwarded_for };
        let known = GatewayCertificate::DnsName("edge.corp.example".to_owned());
        Self {
            edge: machines.leaf("edge.corp.example"),
            card: cards.leaf("alice"),
            terminators: Terminators::new(verifier, [(known, "edge".to_owned(), edge)]),
            machines,
        }
    }

    fn ask(&self, shown: Option<&Leaf>, from: &str, headers: &HeaderMap) -> Result<Presented, HeaderRefused> {
        let address: SocketAddr = from.parse().unwrap();
        let certificates = shown.map(|leaf| Arc::from([leaf.certificate.clone()]));
        self.terminators.presented(&Peer { address, certificates }, headers, crate::clock::now())
    }

    /// The headers of RFC 9440 with the card in them.
    fn headers(&self) -> HeaderMap {
        let value = format!(":{}:", STANDARD.encode(&self.card.certificate));
        HeaderMap::from_iter([("client-cert".parse().unwrap(), HeaderValue::from_str(&value).unwrap())])
    }
}

const INSIDE: &str = "192.0.2.5:4711";

#[test]
fn a_terminators_header_is_the_card_and_its_own_certificate_never_is() {
    let scene = Scene::new(Form::Rfc9440, false);
    for from in [INSIDE, "[::ffff:192.0.2.5]:4711", "[2001:db8::5]:4711"] {
        let presented = scene.ask(Some(&scene.edge), from, &scene.headers()).unwrap();
        assert_eq!(presented.certificates.unwrap().card(), &scene.card.certificate);
        assert_eq!(presented.origin, Origin { channel: Channel::Terminator, client_address: None });
        let without = scene.ask(Some(&scene.edge), from, &HeaderMap::new()).unwrap();
        assert_eq!(without.certificates, None, "the terminator is nobody's card");
    }
}

#[test]
fn a_header_from_anybody_else_is_refused_and_a_security_event() {
    let scene = Scene::new(Form::Rfc9440, false);
    let other = scene.machines.leaf("other.corp.example");
    let namesake = Ca::new("machines").leaf("edge.corp.example");
    for shown in [None, Some(&scene.card), Some(&other), Some(&namesake)] {
        let refused = scene.ask(shown, INSIDE, &scene.headers()).unwrap_err();
        assert_eq!(refused, HeaderRefused::Stranger { header: "client-cert".to_owned() });
        let refusal = Refusal::from(refused);
        assert_eq!(refusal.code(), "certificate_header_untrusted");
        assert!(refusal.logged_code().is_security_event());
    }
    let refused = scene.ask(Some(&scene.edge), "192.0.2.16:4711", &scene.headers()).unwrap_err();
    assert!(matches!(&refused, HeaderRefused::OtherAddress { terminator, .. } if terminator == "edge"));
    assert_eq!(Refusal::from(refused).code(), "certificate_header_untrusted");
    let outside = scene.ask(Some(&scene.edge), "192.0.2.16:4711", &HeaderMap::new()).unwrap_err();
    assert!(matches!(outside, HeaderRefused::OtherAddress { .. }), "nor is it a card there");
}

#[test]
fn a_terminator_whose_certificate_has_ended_is_told_so_and_a_stranger_of_its_name_is_not() {
    let scene = Scene::new(Form::Rfc9440, false);
    let namesake = Ca::new("machines").leaf("edge.corp.example");
    let ask = |leaf: &Leaf, headers: &HeaderMap| {
        let peer = Peer {
            address: INSIDE.parse().unwrap(),
            certificates: Some(Arc::from([leaf.certificate.clone()])),
        };
        let end = CertificateNames::read(&leaf.certificate).unwrap().not_after();
        scene.terminators.presented(&peer, headers, end + Duration::from_secs(1))
    };
    let refused = ask(&scene.edge, &scene.headers()).unwrap_err();
    assert!(matches!(&refused, HeaderRefused::Ended { terminator, .. } if terminator == "edge"), "{refused}");
    assert_eq!(Refusal::from(refused).code(), "certificate_header_untrusted");
    let refused = ask(&namesake, &scene.headers()).unwrap_err();
    assert_eq!(refused, HeaderRefused::Stranger { header: "client-cert".to_owned() });
}

#[test]
fn without_terminators_every_header_of_a_certificate_is_refused() {
    let scene = Scene::new(Form::Rfc9440, false);
    let peer = |leaf: &Leaf| Peer {
        address: INSIDE.parse().unwrap(),
        certificates: Some(Arc::from([leaf.certificate.clone()])),
    };
    let nobody = Terminators::default();
    for name in [
        "client-cert",
        "ssl-client-cert",
        "ssl_client_cert",
        "x-client-verified",
        "x-amzn-mtls-clientcert-subject",
    ] {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(""))]);
        for leaf in [&scene.edge, &scene.card] {
            let refused = nobody.presented(&peer(leaf), &headers, crate::clock::now()).unwrap_err();
            assert_eq!(refused.reason(), "stranger", "{name}");
        }
    }
    let direct = nobody.presented(&peer(&scene.card), &HeaderMap::new(), crate::clock::now()).unwrap();
    assert_eq!(direct.certificates.unwrap().card(), &scene.card.certificate);
    assert_eq!(direct.origin, Origin::direct("192.0.2.5".parse().unwrap()));
}

#[test]
fn a_terminators_wrong_header_is_told_from_a_strangers() {
    let scene = Scene::new(Form::Nginx, false);
    let refused = scene.ask(Some(&scene.edge), INSIDE, &scene.headers()).unwrap_err();
    assert_eq!(refused.reason(), "other_form");
    assert_eq!(Refusal::from(refused).code(), "certificate_header_invalid");
}

#[test]
fn the_clients_address_is_the_one_the_terminator_added() {
    let scene = Scene::new(Form::Rfc9440, true);
    let asked = |forwarded: &[&'static str]| {
        let mut headers = scene.headers();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let presented = scene.ask(Some(&scene.edge), INSIDE, &headers);
        presented.map(|presented| presented.origin.client_address.unwrap().to_string())
    };
    for (forwarded, address) in [
        (&["198.51.100.7"][..], "198.51.100.7"),
        (&["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        (&["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
        (&["198.51.100.7:50000"], "198.51.100.7"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]:50000"], "2001:db8::1"),
    ] {
        assert_eq!(asked(forwarded).unwrap(), address, "{forwarded:?}");
    }
    for wrong in [&[][..], &[""], &["198.51.100.7, unknown"], &["198.51.100.7,"]] {
        assert_eq!(asked(wrong).unwrap_err().reason(), "forwarded_for", "{wrong:?}");
    }
}
