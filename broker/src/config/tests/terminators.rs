//! `[terminators]` and `[[terminator]]`.

use crate::config::testing::{COMPLETE, Written};
use crate::frontend::listener::{MAX_HEAD, MAX_HEAD_WITH_CHAIN};

const EDGE: &str = r#"
[terminators]
client_ca = "root.pem"

[[terminator]]
name = "edge"
dns_name = "edge.corp.example"
addresses = ["192.0.2.5/32", "198.51.100.0/24", "fd00:5::/64"]
form = "rfc9440"
forwarded_for = true
"#;

#[test]
fn terminators_are_read_and_their_chains_have_room() {
    let written = Written::new();
    let without = written.loaded().unwrap();
    assert_eq!(without.cards.connections.max_head, MAX_HEAD);
    written.configuration(&format!("{COMPLETE}{EDGE}"));
    let with = written.loaded().unwrap();
    assert_eq!(with.cards.connections.max_head, MAX_HEAD_WITH_CHAIN);
    let read = format!("{:?}", with.cards.terminators);
    for part in
        ["\"edge\"", "192.0.2.5/32", "198.51.100.0/24", "fd00:5::/64", "Rfc9440", "forwarded_for: true"]
    {
        assert!(read.contains(part), "{read}");
    }
    assert_ne!(without.fixed(), with.fixed(), "the bound of a head is set at the start");
    written.configuration(&format!("{COMPLETE}{}", EDGE.replace("192.0.2.5/", "192.0.2.6/")));
    assert_eq!(written.loaded().unwrap().fixed(), with.fixed(), "a reload takes over the rest");
}

#[test]
fn every_form_has_its_word() {
    let written = Written::new();
    for form in crate::frontend::terminators::Form::ALL {
        written.configuration(&format!("{COMPLETE}{}", EDGE.replace("rfc9440", form.as_str())));
        assert!(format!("{:?}", written.loaded().unwrap().cards.terminators).contains(&format!("{form:?}")));
    }
}

#[test]
fn what_is_wrong_with_a_terminator_is_told_at_its_line() {
    let written = Written::new();
    let dns_name = "dns_name = \"edge.corp.example\"\n";
    let sha256 = format!("{dns_name}certificate_sha256 = \"{}\"\n", "0f".repeat(32));
    let second = EDGE.split_once("\n[[").unwrap().1;
    let twice = format!("{EDGE}\n[[{second}");
    for (text, key) in [
        (EDGE.replace("client_ca = \"root.pem\"\n", ""), "terminators.client_ca"),
        (EDGE.replace("client_ca", "clients_ca"), "terminators.clients_ca"),
        (EDGE.replace("192.0.2.5/32", "192.0.2.5/24"), "terminator[1].addresses[1]"),
        (EDGE.replace("192.0.2.5/32", "edge.corp.example"), "terminator[1].addresses[1]"),
        (EDGE.replace("\"rfc9440\"", "\"traefik\""), "terminator[1].form"),
        (EDGE.replace("form = \"rfc9440\"\n", ""), "terminator[1].form"),
        (EDGE.replace(dns_name, ""), "terminator[1]"),
        (EDGE.replace(dns_name, &sha256), "terminator[1]"),
        (EDGE.replace("forwarded_for", "forwarded"), "terminator[1].forwarded"),
        (EDGE.split_once("\n[[").unwrap().0.to_owned(), "terminator"),
        (twice, "terminator[2].name"),
    ] {
        written.configuration(&format!("{COMPLETE}{text}"));
        let problems = written.problems();
        let at = |problem: &String| {
            problem.contains(&format!("{key}: ")) || problem.starts_with(&format!("{key}: "))
        };
        assert!(problems.iter().any(at), "{key}: {problems:#?}");
    }
}
