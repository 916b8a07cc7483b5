//! Logins with cards that an attribute of the directory finds, and whose other names are somebody else's.

use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Answer, Presented, Workstation};
use integration::lab::Lab;
use integration::pki::Credential;

use super::several_accounts::{add_value, issuer_serial, modify};
use crate::bench::start;
use crate::refusals::{assert_refused, code_of};

const DESK1: &str = "desk1.corp.example";

/// Refused because the names of the card are of different accounts, which is told as a security event.
fn assert_disagreement(broker: &BrokerProcess, answer: &Answer) {
    assert_refused(answer, "mapping_mismatch", "resolve");
    let login_id = answer.field("login_id").unwrap().to_owned();
    let told = |event: &serde_json::Value| {
        let text = event.to_string();
        event["security_event"] == true && text.contains(&login_id) && text.contains("disagree")
    };
    broker.wait_for_event("the disagreement", Duration::from_secs(10), told).unwrap();
}

#[test]
fn the_other_names_of_a_card_that_an_attribute_finds_must_be_that_accounts() {
    let lab = Lab::start("agreement").unwrap();
    let controller = lab.controller();
    let mapping = "\n[[directory.mapping]]\nsource = \"serial\"\nserial_form = \"decimal\"\nattributes = [\"employeeID\"]\n\
                   strength = \"strong\"\ndangerously_strong = true\n";
    let broker = start(&Configuration::new(&lab).table(mapping));
    let workstation = Workstation::start(&lab, "workstation").unwrap();
    let log_in_at =
        |broker, card: &Credential| workstation.log_in(broker, Presented::File(card), "gw1", DESK1).unwrap();
    let log_in = |card: &Credential| log_in_at(&broker, card);
    let card = |upn: &str| lab.pki().card(upn).issue().unwrap();
    let is_alices = |card: &Credential| {
        modify(controller, "alice", &format!("replace: employeeID\nemployeeID: {}", card.serial()));
    };

    // Her own name, the implicit one, and none.
    let nameless = lab.pki().card("nobody@corp.example").without_upn().issue().unwrap();
    for card in [&card("alice@corp.example"), &card("ALICE@corp.example"), &nameless] {
        is_alices(card);
        let answer = log_in(card);
        code_of(&answer);
        assert_eq!(answer.field("subject"), Some("alice@corp.example"));
    }
    // Bob's name, and carol's implicit one.
    for upn in ["bob@corp.example", "carol@corp.example"] {
        let card = card(upn);
        is_alices(&card);
        assert_disagreement(&broker, &log_in(&card));
    }
    // A name that somebody could be given tomorrow, and one of another organization.
    let (free, foreign) = (card("nobody@corp.example"), card("1234567890@agency.example"));
    for card in [&free, &foreign] {
        is_alices(card);
        assert_refused(&log_in(card), "mapping_mismatch", "resolve");
    }
    // Another account names the card.
    is_alices(&nameless);
    add_value(controller, "bob", &issuer_serial(nameless.der()));
    assert_disagreement(&broker, &log_in(&nameless));

    // Where it is configured, the name may be nobody's, and is not another's all the same.
    let accepting = start(&Configuration::new(&lab).table(&format!("{mapping}accept_foreign_upn = true\n")));
    for card in [&free, &foreign] {
        is_alices(card);
        let answer = log_in_at(&accepting, card);
        code_of(&answer);
        assert_eq!(answer.field("subject"), Some("alice@corp.example"));
    }
    let bobs = card("bob@corp.example");
    is_alices(&bobs);
    assert_disagreement(&accepting, &log_in_at(&accepting, &bobs));
}
