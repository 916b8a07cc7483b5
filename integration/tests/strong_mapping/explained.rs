//! `kerbridge explain` on prepared accounts: each time the cause that a login would be refused for.

use std::io::Write as _;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::{Presented, Workstation};
use integration::lab::Lab;
use integration::pki::Credential;
use serde_json::Value;

use super::several_accounts::{add_value, issuer_serial, modify};
use crate::bench::start;
use crate::refusals::code_of;

/// What the command says of a card, and its exit code.
fn explain(broker: &BrokerProcess, card: &Credential, more: &[&str]) -> (Value, Option<i32>) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(card.chain_pem().as_bytes()).unwrap();
    let leaf = file.path().display().to_string();
    let words = [&["explain", "--json"], more, &[leaf.as_str()]].concat();
    let finished = broker.command(&words).unwrap();
    let told = serde_json::from_str(&finished.text());
    (told.unwrap_or_else(|_| panic!("{}{}", finished.text(), finished.error_text())), finished.code)
}

#[test]
fn explain_names_the_cause_for_ten_accounts() {
    let lab = Lab::start("explain").unwrap();
    let broker = start(&Configuration::new(&lab));
    let controller = lab.controller();
    let sid = |account: &str| controller.sid(account).unwrap();
    let card_of =
        |account: &str| lab.pki().card(&format!("{account}@corp.example")).sid(sid(account)).issue().unwrap();
    let desk1 = ["--target", "desk1.corp.example"];

    // The account that may, with what binds its own logon reported.
    modify(controller, "alice", "replace: userWorkstations\nuserWorkstations: PC1");
    let (told, code) = explain(&broker, &card_of("alice"), &desk1);
    assert_eq!((told["verdict"].as_str(), code), (Some("accepted"), Some(0)), "{told:#}");
    assert_eq!(told["account"]["mapped_by"].as_array().unwrap().len(), 2, "{told:#}");
    assert_eq!(told["policy"]["rule"], "desktop-users");
    assert_eq!(told["delegation"][0]["delegation"], "set up", "{told:#}");
    assert!(told["account"]["restrictions"][0].as_str().unwrap().contains("PC1"), "{told:#}");
    assert_eq!(told["windows"]["accepts"], true);
    let value = issuer_serial(card_of("alice").der());
    let form = value.split("<SR>").next().unwrap();
    let values = told["certificate"]["mapping_values"].as_array().unwrap();
    assert!(
        values
            .iter()
            .any(|one| one["value"].as_str().unwrap().starts_with(form) && one["strength"] == "strong")
    );

    let weak = lab.pki().card("alice@corp.example").fresh().issue().unwrap();
    let old = lab.pki().card("alice@corp.example").issue().unwrap();
    let wrong = lab.pki().card("alice@corp.example").sid(sid("bob")).issue().unwrap();
    let nobody = lab.pki().card("nobody@corp.example").issue().unwrap();
    let misspelt = lab.pki().card("carol@corp.example").fresh().issue().unwrap();
    let backwards =
        issuer_serial(misspelt.der()).replace("CN=Corp Issuing CA,O=Corp", "O=Corp,CN=Corp Issuing CA");
    add_value(controller, "carol", &backwards);
    let claimed = card_of("alice");
    add_value(controller, "bob", &issuer_serial(claimed.der()));
    let expired = lab.pki().card("alice@corp.example").sid(sid("alice")).expired().issue().unwrap();
    for (card, step, cause, event, words) in [
        (&card_of("dave"), "resolve", "account_disabled", None, "userAccountControl"),
        (&card_of("eve"), "resolve", "account_expired", None, "accountExpires"),
        (&card_of("lou"), "resolve", "account_locked", None, "msDS-User-Account-Control-Computed"),
        (&card_of("paula"), "resolve", "account_protected", None, "tokenGroups"),
        (&card_of("sam"), "resolve", "account_not_delegable", None, "userAccountControl"),
        (&card_of("grace"), "resolve", "account_ambiguous", None, "more than one account"),
        (&card_of("bob"), "decide", "policy_denied", None, "desktop-users"),
        (&weak, "resolve", "mapping_weak", Some(39), "X509:<I>CN=Corp Issuing CA,O=Corp<SR>"),
        (&old, "resolve", "mapping_weak", Some(40), "1.3.6.1.4.1.311.25.2"),
        (&wrong, "resolve", "mapping_mismatch", Some(41), "objectSid"),
        (&misspelt, "resolve", "mapping_weak", Some(39), "written in reverse"),
        (&claimed, "resolve", "mapping_mismatch", None, "disagree"),
        (&nobody, "resolve", "account_unknown", None, "no account"),
        (&expired, "validate", "certificate_expired", None, ""),
    ] {
        let (told, code) = explain(&broker, card, &desk1);
        let refused = &told["refused"];
        assert_eq!(
            (refused["step"].as_str(), refused["code"].as_str()),
            (Some(step), Some(cause)),
            "{told:#}"
        );
        assert!(refused["reason"].as_str().unwrap().contains(words), "{words}: {told:#}");
        assert_eq!(told["windows"]["event"].as_u64(), event, "{told:#}");
        assert_eq!(code, Some(1), "{told:#}");
    }

    // Delegation that nobody set up, with the commands that would.
    let (told, code) = explain(&broker, &card_of("alice"), &["--target", "desk3.corp.example"]);
    assert_eq!((told["refused"]["code"].as_str(), code), (Some("delegation_refused"), Some(1)), "{told:#}");
    let missing = told["delegation"][0]["missing"].as_array().unwrap();
    assert!(missing.iter().any(|one| one["samba"].as_str().unwrap().contains("delegation")), "{told:#}");

    // The same in words, and an account by its name.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(misspelt.chain_pem().as_bytes()).unwrap();
    let finished =
        broker.command(&["explain", "--user", "carol", &file.path().display().to_string()]).unwrap();
    let words = finished.text();
    assert!(
        words.contains("logs event 39") && words.contains("resolve: refused with mapping_weak"),
        "{words}"
    );
    assert!(words.contains("is ignored: the issuer's name is written in reverse"), "{words}");
}

#[test]
fn what_restricts_an_account_is_reported_and_refuses_nobody() {
    let lab = Lab::start("restricted").unwrap();
    let broker = start(&Configuration::new(&lab));
    let controller = lab.controller();
    let card_of = |account: &str, upn: &str| {
        lab.pki().card(&format!("{upn}@corp.example")).sid(controller.sid(account).unwrap()).issue().unwrap()
    };
    let listed = |told: &Value| {
        let restrictions = told["account"]["restrictions"].as_array().unwrap();
        restrictions.iter().map(|one| one.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let alice = card_of("alice", "alice");
    let (told, _) = explain(&broker, &alice, &[]);
    assert_eq!(listed(&told), [""; 0], "{told:#}");

    controller.samba_tool(&["domain", "auth", "policy", "create", "--name", "desk-policy"]).unwrap();
    controller.samba_tool(&["domain", "auth", "silo", "create", "--name", "desk-silo"]).unwrap();
    let base = "CN=AuthN Policy Configuration,CN=Services,CN=Configuration,DC=corp,DC=example";
    modify(
        controller,
        "alice",
        &format!(
            "replace: userWorkstations\nuserWorkstations: PC1,PC2\n-\n\
             replace: msDS-AssignedAuthNPolicy\nmsDS-AssignedAuthNPolicy: CN=desk-policy,CN=AuthN Policies,{base}\n-\n\
             replace: msDS-AssignedAuthNPolicySilo\nmsDS-AssignedAuthNPolicySilo: CN=desk-silo,CN=AuthN Silos,{base}"
        ),
    );
    // A password that does not expire is never to be changed.
    modify(
        controller,
        "carol",
        "replace: userAccountControl\nuserAccountControl: 512\n-\nreplace: pwdLastSet\npwdLastSet: 0",
    );
    let (told, code) = explain(&broker, &alice, &["--target", "desk1.corp.example"]);
    assert_eq!((told["verdict"].as_str(), code), (Some("accepted"), Some(0)), "{told:#}");
    let attributes = ["userWorkstations", "msDS-AssignedAuthNPolicySilo", "msDS-AssignedAuthNPolicy"];
    let restrictions = listed(&told);
    assert_eq!(restrictions.len(), attributes.len(), "{restrictions:?}");
    for (restriction, attribute) in restrictions.iter().zip(attributes) {
        assert!(restriction.ends_with(&format!("({attribute})")), "{restriction}");
    }
    assert!(["PC1,PC2", "desk-silo", "desk-policy"].iter().all(|name| told.to_string().contains(name)));
    let (told, _) = explain(&broker, &card_of("carol", "carol.jones"), &[]);
    let [restriction] = listed(&told).try_into().unwrap();
    assert!(restriction.contains("must be changed"), "{restriction}");

    // The same in the log of a login that goes through.
    let workstation = Workstation::start(&lab, "workstation").unwrap();
    let answer = workstation.log_in(&broker, Presented::File(&alice), "gw1", "desk1.corp.example").unwrap();
    code_of(&answer);
    let is_told = |event: &Value| {
        let text = event.to_string();
        event["message"] == "login went through the line"
            && ["PC1,PC2", "desk-silo", "desk-policy"].iter().all(|name| text.contains(name))
    };
    broker.wait_for_event("the restrictions", std::time::Duration::from_secs(10), is_told).unwrap();
}
