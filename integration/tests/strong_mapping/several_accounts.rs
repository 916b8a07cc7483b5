//! Logins through the broker with cards that the directory names: one card of several accounts, and names that disagree.

use integration::broker_process::Configuration;
use integration::card::{Presented, Workstation};
use integration::gateway::Gateway;
use integration::lab::Lab;
use integration::samba_ad::DomainController;
use ldap_map::alt_security_identities::{AltSecurityIdentity, Form};
use ldap_map::certificate::CertificateFacts;

use crate::bench::start;
use crate::presentation::signed_with;
use crate::refusals::{assert_refused, code_of};

const DESK1: &str = "desk1.corp.example";

/// The value that names a certificate by issuer and serial number.
pub(crate) fn issuer_serial(der: &[u8]) -> String {
    let facts = CertificateFacts::parse(der).unwrap();
    let all = AltSecurityIdentity::all_of(&facts, &[]);
    all.iter().find(|value| value.form() == Form::IssuerSerial).unwrap().to_string()
}

/// Changes an account on the running controller.
pub(crate) fn modify(controller: &DomainController, account: &str, changes: &str) {
    let ldif = format!("dn: CN={account},CN=Users,DC=corp,DC=example\nchangetype: modify\n{changes}\n");
    let command = ["ldbmodify", "-H", "/var/lib/samba/private/sam.ldb"];
    let finished = controller.container().exec_with(&command, &[], ldif.as_bytes()).unwrap();
    assert!(finished.succeeded(), "{}{}", finished.text(), finished.error_text());
}

pub(crate) fn add_value(controller: &DomainController, account: &str, value: &str) {
    modify(controller, account, &format!("add: altSecurityIdentities\naltSecurityIdentities: {value}"));
}

#[test]
fn a_card_with_several_accounts_needs_a_name_and_a_strong_mapping_to_it() {
    let lab = Lab::start("several").unwrap();
    let broker = start(&Configuration::new(&lab));
    let workstation = Workstation::start(&lab, "workstation").unwrap();
    let log_in = |card: &_| workstation.log_in(&broker, Presented::File(card), "gw1", DESK1).unwrap();
    let log_in_as = |card: &_, user: &str| workstation.log_in_as(&broker, card, user, DESK1).unwrap();

    // No name in the card at all: the directory names it, for two people.
    let card = lab.pki().card("nobody@corp.example").without_upn().issue().unwrap();
    assert_refused(&log_in(&card), "upn_missing", "resolve");
    let value = issuer_serial(card.der());
    add_value(lab.controller(), "alice", &value);
    assert_eq!(log_in(&card).field("subject"), Some("alice@corp.example"));
    add_value(lab.controller(), "carol", &value);
    assert_refused(&log_in(&card), "account_ambiguous", "resolve");
    for (user, subject) in
        [("carol", "carol.jones@corp.example"), ("alice@corp.example", "alice@corp.example")]
    {
        let answer = log_in_as(&card, user);
        code_of(&answer);
        assert_eq!(answer.field("subject"), Some(subject), "{answer:?}");
    }

    // The name alone is nobody's word.
    assert_refused(&log_in_as(&card, "bob"), "mapping_weak", "resolve");
    assert_refused(&log_in_as(&card, "nobody"), "account_unknown", "resolve");
    assert_refused(&log_in_as(&card, "*"), "request_invalid", "resolve");
    let alices = lab.pki().card("alice@corp.example").sid(lab.controller().sid("alice").unwrap());
    let alices = alices.issue().unwrap();
    assert_refused(&log_in_as(&alices, "carol"), "mapping_mismatch", "resolve");

    // A name and a value that point at different accounts.
    add_value(lab.controller(), "bob", &issuer_serial(alices.der()));
    assert_refused(&log_in(&alices), "mapping_mismatch", "resolve");
    let told =
        |event: &serde_json::Value| event["security_event"] == true && event.to_string().contains("disagree");
    broker.wait_for_event("the disagreement", std::time::Duration::from_secs(10), told).unwrap();
}

#[test]
fn a_gateway_names_one_of_several_accounts_and_the_card_signs_for_which() {
    let lab = Lab::start("hinted").unwrap();
    let table = |name: &str, right: &str| {
        format!(
            "\n[[gateway]]\nname = \"{name}\"\ndns_name = \"{name}.corp.example\"\nmay_present = true\n{right}"
        )
    };
    let tables = [table("gw5", ""), table("gw7", "may_present_without_proof = true\n")].concat();
    let broker = start(&Configuration::new(&lab).table(&tables));
    let hosts = [("broker.corp.example", lab.network().host_address())];
    let [proving, trusted] = ["gw5", "gw7"].map(|name| Gateway::start(&lab, name, &hosts).unwrap());
    let workstation = Workstation::start(&lab, "workstation").unwrap();
    let (address, client) = (broker.gateway_address(), workstation.container().address());
    let card = lab.pki().card("nobody@corp.example").without_upn().issue().unwrap();
    for account in ["alice", "carol"] {
        add_value(lab.controller(), account, &issuer_serial(card.der()));
    }
    let reason = |refused: Result<_, integration::gateway::GatewayError>| {
        let refused =
            refused.map(|session: integration::gateway::presentation::PresentedSession| session.upn);
        refused.unwrap_err().reason().unwrap().to_owned()
    };
    let challenge = |user: &str| proving.challenge_as(user, &address, card.chain_pem(), DESK1, client);
    let answer = |user: &str| {
        let challenge = challenge(user).unwrap();
        // An independent reader of the message, in Python.
        assert_eq!(challenge.says["user"], user);
        let signature = signed_with(&workstation, &card, "-sha256", &challenge.message);
        proving.answer(&address, &challenge, "ECDSA_P256_SHA256", &signature)
    };
    let authenticate = |user: &str| trusted.authenticate_as(user, &address, card.chain_pem(), DESK1, client);
    for (user, upn) in
        [("alice", "alice@corp.example"), ("carol.jones@corp.example", "carol.jones@corp.example")]
    {
        assert_eq!(answer(user).unwrap().upn, upn);
        assert_eq!(authenticate(user).unwrap().upn, upn);
    }
    for (user, expected) in
        [("", "ACCOUNT_AMBIGUOUS"), ("bob", "MAPPING_WEAK"), ("nobody", "ACCOUNT_UNKNOWN")]
    {
        assert_eq!(reason(answer(user)), expected, "{user:?}");
        assert_eq!(reason(authenticate(user)), expected, "{user:?}");
    }
    assert_eq!(challenge("a*").unwrap_err().reason(), Some("REQUEST_INVALID"));
    assert_eq!(reason(authenticate("a*")), "REQUEST_INVALID");
    // What the card signed for one account does not log in another.
    let (for_carol, for_alice) = (challenge("carol").unwrap(), challenge("alice").unwrap());
    let signature = signed_with(&workstation, &card, "-sha256", &for_alice.message);
    let refused = proving.answer(&address, &for_carol, "ECDSA_P256_SHA256", &signature);
    assert_eq!(reason(refused), "PROOF_INVALID");
}
