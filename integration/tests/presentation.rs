//! A gateway presents the certificate of a card that is connected with it, and the card proves to the broker that it is there.

use std::sync::Arc;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{TokenKind, Workstation};
use integration::gateway::{Gateway, GatewayError};
use integration::pki::{Credential, KeyKind};
use serde_json::Value;

use crate::bench::{Bench, start};

const DESK1: &str = "desk1.corp.example";
const DESK2: &str = "desk2.corp.example";

/// A broker at which `gw5` and `gw6` may present with proof, `gw7` without, and `gw1` not at all.
struct Presenting {
    broker: BrokerProcess,
    bench: Arc<Bench>,
}

impl Presenting {
    fn start(revoked: &[&Credential]) -> Self {
        let bench = Bench::shared();
        let table = |name: &str, right: &str| {
            format!(
                "\n[[gateway]]\nname = \"{name}\"\ndns_name = \"{name}.corp.example\"\nmay_present = true\n{right}"
            )
        };
        let tables =
            [table("gw5", ""), table("gw6", ""), table("gw7", "may_present_without_proof = true\n")].concat();
        let broker = start(&Configuration::new(&bench.lab).revoked(revoked).table(&tables));
        Self { broker, bench }
    }

    fn gateway(&self, name: &str) -> Gateway {
        let hosts = [("broker.corp.example", self.bench.lab.network().host_address())];
        Gateway::start(&self.bench.lab, name, &hosts).unwrap()
    }

    fn address(&self) -> String {
        self.broker.gateway_address()
    }

    /// The span of the line that went through for this login.
    fn line_of(&self, login_id: &str) -> Value {
        let is_meant = |event: &Value| {
            event["message"] == "login went through the line" && event["span"]["login_id"] == login_id
        };
        let event = self.broker.wait_for_event("the login", std::time::Duration::from_secs(10), is_meant);
        event.unwrap()["span"].clone()
    }
}

/// OpenSSL signs with a key in a file.
pub(crate) fn signed_with(
    workstation: &Workstation,
    key: &Credential,
    digest: &str,
    message: &[u8],
) -> Vec<u8> {
    let container = workstation.container();
    // Of this card alone: other tests sign in the same container at the same time.
    let file = format!("/lab/sign-{}.key", key.serial());
    container.write(&file, key.key_pem().as_bytes(), "600").unwrap();
    let finished = container.exec_with(&["openssl", "dgst", digest, "-sign", &file], &[], message).unwrap();
    assert!(finished.succeeded(), "{}", finished.error_text());
    finished.stdout
}

fn reason<T: std::fmt::Debug>(result: Result<T, GatewayError>) -> String {
    let refused = result.unwrap_err();
    refused.reason().unwrap_or_else(|| panic!("{refused:?}")).to_owned()
}

#[test]
fn a_real_token_proves_itself_to_the_broker_through_a_gateway() {
    let presenting = Presenting::start(&[]);
    let bench = &presenting.bench;
    let (gateway, address) = (presenting.gateway("gw5"), presenting.address());
    let client = bench.workstation.container().address();
    for (kind, schemes) in [
        (
            TokenKind::Rsa,
            &[("RSA_PSS_SHA256", "SHA256-RSA-PKCS-PSS"), ("RSA_PKCS1_SHA256", "SHA256-RSA-PKCS")][..],
        ),
        (TokenKind::P256, &[("ECDSA_P256_SHA256", "ECDSA")]),
    ] {
        let workstation = Workstation::start(&bench.lab, &format!("proof-{kind:?}").to_lowercase()).unwrap();
        let card = workstation.insert_token(&bench.card_of("alice"), kind).unwrap();
        for (scheme, mechanism) in schemes {
            let challenge = gateway.challenge(&address, card.chain_pem(), DESK1, client).unwrap();
            // An independent reader of the message, in Python.
            assert_eq!(
                (&challenge.says["gateway"], &challenge.says["target"]),
                (&"gw5".into(), &DESK1.into())
            );
            let signature = workstation.sign(mechanism, &challenge.message).unwrap();
            let session = gateway.answer(&address, &challenge, scheme, &signature).unwrap();
            assert_eq!(
                (session.upn.as_str(), session.target.as_str()),
                ("alice@corp.example", DESK1),
                "{scheme}"
            );
            let line = presenting.line_of(&session.login_id);
            assert_eq!(line["channel"], "gateway_with_proof");
            assert_eq!(line["client_address"], client.to_string());
        }
    }
    let card = bench.card_of("alice").key(KeyKind::P384).issue().unwrap();
    let challenge = gateway.challenge(&address, card.chain_pem(), DESK1, client).unwrap();
    let signature = signed_with(&bench.workstation, &card, "-sha384", &challenge.message);
    let session = gateway.answer(&address, &challenge, "ECDSA_P384_SHA384", &signature).unwrap();
    assert_eq!(session.upn, "alice@corp.example");
}

#[test]
fn a_gateway_with_somebodys_certificate_and_without_the_card_gets_nowhere() {
    let presenting = Presenting::start(&[]);
    let bench = &presenting.bench;
    let (gateway, other, address) =
        (presenting.gateway("gw5"), presenting.gateway("gw6"), presenting.address());
    let client = bench.workstation.container().address();
    let alice = bench.card_of("alice").issue().unwrap();
    let dave = bench.card_of("dave").issue().unwrap();
    let challenge = |target| gateway.challenge(&address, alice.chain_pem(), target, client).unwrap();
    let sign = |key: &Credential, message: &[u8]| signed_with(&bench.workstation, key, "-sha256", message);
    let answer =
        |challenge: &_, signature: &[u8]| gateway.answer(&address, challenge, "ECDSA_P256_SHA256", signature);

    assert_eq!(reason(gateway.authenticate(&address, alice.chain_pem(), DESK1, client)), "PROOF_MISSING");
    let with_own_key = challenge(DESK1);
    assert_eq!(reason(answer(&with_own_key, &sign(&dave, &with_own_key.message))), "PROOF_INVALID");
    // What alice once signed, for this desktop or for another, is good for nothing else.
    let (once, elsewhere) = (challenge(DESK1), challenge(DESK2));
    let (signature, for_desk2) = (sign(&alice, &once.message), sign(&alice, &elsewhere.message));
    for replayed in [&signature, &for_desk2] {
        assert_eq!(reason(answer(&challenge(DESK1), replayed)), "PROOF_INVALID");
    }
    let foreign = other.answer(&address, &once, "ECDSA_P256_SHA256", &signature);
    assert_eq!(reason(foreign), "CHALLENGE_UNKNOWN");
    answer(&once, &signature).unwrap();
    assert_eq!(reason(answer(&once, &signature)), "CHALLENGE_UNKNOWN");
    // A gateway without the right.
    let plain = presenting.gateway("gw1");
    let refused = plain.challenge(&address, alice.chain_pem(), DESK1, client);
    assert_eq!(reason(refused), "PRESENTATION_NOT_ALLOWED");
    let refused = plain.authenticate(&address, alice.chain_pem(), DESK1, client);
    assert_eq!(reason(refused), "PRESENTATION_NOT_ALLOWED");
}

#[test]
fn what_a_gateway_presents_is_judged_from_scratch() {
    let bench = Bench::shared();
    let (good, revoked) = (bench.card_of("alice").issue().unwrap(), bench.card_of("alice").issue().unwrap());
    let foreign = bench.card_of("alice").by_a_stranger().issue().unwrap();
    let presenting = Presenting::start(&[&revoked]);
    presenting.broker.wait_for_line("without proof", std::time::Duration::from_secs(10)).unwrap();
    let (trusted, proving) = (presenting.gateway("gw7"), presenting.gateway("gw5"));
    let (address, client) = (presenting.address(), bench.workstation.container().address());
    let session = trusted.authenticate(&address, good.chain_pem(), DESK1, client).unwrap();
    assert_eq!(session.upn, "alice@corp.example");
    assert_eq!(presenting.line_of(&session.login_id)["channel"], "gateway_without_proof");
    for (card, expected) in [(&revoked, "CERTIFICATE_REVOKED"), (&foreign, "CERTIFICATE_UNTRUSTED")] {
        assert_eq!(reason(trusted.authenticate(&address, card.chain_pem(), DESK1, client)), expected);
        let challenge = proving.challenge(&address, card.chain_pem(), DESK1, client).unwrap();
        let signature = signed_with(&bench.workstation, card, "-sha256", &challenge.message);
        assert_eq!(reason(proving.answer(&address, &challenge, "ECDSA_P256_SHA256", &signature)), expected);
    }
}
