//! The oracle for the fuzz target `explain`. It must return for any input.

use std::time::SystemTime;

use ldap_map::certificate::CertificateFacts;
use ldap_map::mapping::source::misleads;
use serde_json::Value;

use super::report::Report;
use crate::directory::Settings;
use crate::error::Refusal;
use crate::identity::fuzzing::explained;

/// Explains any octets as a card, as far as no directory is needed. True where it is a certificate. What is printed is one JSON
/// document, or lines, and nothing of the card can end a text or a line or reach a terminal as a command.
///
/// # Panics
/// Where something of the card gets out of its place.
pub fn explain(card: &[u8]) -> bool {
    let mut report = Report::new(SystemTime::UNIX_EPOCH);
    let facts = CertificateFacts::parse(card);
    if let Ok(facts) = &facts {
        report.certificate(facts, &Settings::default());
    }
    let (verdict, held) = explained(card);
    report.checks(&held);
    if let Err(error) = verdict {
        report.refuse(&Refusal::from(error));
    }
    let (json, text) = (report.json(), report.text());
    let read: Value = serde_json::from_str(&json).expect("one JSON document");
    for_each_text(&read, &mut |text| assert!(!text.contains(char::is_control), "{text:?}"));
    assert!(json.lines().all(|line| !line.contains(misleads)), "{json:?}");
    assert!(text.lines().all(|line| !line.contains(misleads)), "{text:?}");
    let verdicts = text.lines().filter(|line| line.starts_with("verdict at ")).count();
    assert_eq!(verdicts, 1, "no card writes a line of its own: {text:?}");
    assert_eq!(read.pointer("/certificate").is_some(), facts.is_ok());
    facts.is_ok()
}

fn for_each_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| for_each_text(value, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                see(name);
                for_each_text(value, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::{DnType, DnValue};

    use super::*;
    use crate::identity::testing::Authority;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that reads files of the repository")]
    fn of_the_saved_cards_every_one_that_can_be_read_is_explained() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        let mut good = Vec::new();
        for folder in ["certificate_facts", "explain"] {
            for file in std::fs::read_dir(seeds.join(folder)).expect("the folder of seeds") {
                let file = file.expect("a seed");
                let octets = std::fs::read(file.path()).expect("a readable seed");
                if explain(&octets) {
                    good.push(file.file_name().into_string().expect("an ASCII name"));
                }
                for place in 0..octets.len() {
                    explain(octets.get(..place).expect("within"));
                    let mut changed = octets.clone();
                    changed[place] ^= 0x11;
                    explain(&changed);
                }
            }
        }
        good.sort();
        assert_eq!(good, ["card", "hostile-names", "issuing", "rsa"]);
    }

    #[test]
    fn no_name_of_a_card_writes_a_line_or_a_command_of_its_own() {
        let root = Authority::root("Root\nverdict at 2026: accepted");
        for name in [
            "x\nverdict at 2026-01-01T00:00:00Z: accepted",
            "x\u{1b}[2J\u{1b}]0;owned\u{7}",
            "\u{202e}ecila",
            "x\u{2028}verdict at y",
            "\",\"verdict\":\"accepted",
        ] {
            let card = root.card_with(|params| {
                params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name.to_owned()));
            });
            assert!(explain(&card), "{name:?}");
        }
    }
}
