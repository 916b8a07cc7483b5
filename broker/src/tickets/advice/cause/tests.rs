use std::collections::BTreeSet;

use super::*;
use crate::tickets::advice::command::{For, Names};

#[test]
fn every_cause_has_an_identifier_of_its_own() {
    let ids: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.id()).collect();
    assert_eq!(ids.len(), Cause::ALL.len());
    for id in ids {
        let parts: Vec<&str> = id.split('.').collect();
        assert!(
            matches!(parts[..], ["own" | "target" | "user" | "delegation" | "trust" | "clock" | "kdc", _]),
            "{id}"
        );
        assert!(id.bytes().all(|octet| octet.is_ascii_lowercase() || matches!(octet, b'.' | b'_')), "{id}");
    }
}

#[test]
fn every_cause_says_what_it_is_and_has_a_command_for_both_kinds_of_domain() {
    for cause in Cause::ALL {
        let row = cause.row();
        for text in [row.says, row.failed, row.windows, row.samba] {
            assert!(text.len() > 6 && !text.ends_with('.') && !text.contains('\n'), "{cause}: {text}");
        }
        assert_eq!(row.attribute.is_empty(), row.account == Account::Domain, "{cause}");
    }
}

#[test]
fn every_key_of_every_template_is_a_name() {
    let unknown = Names::default();
    for cause in Cause::ALL {
        let row = cause.row();
        for template in [row.failed, row.windows, row.samba] {
            for key in template.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(key, _)| key)
            {
                if key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_') {
                    assert!(NAMES.contains(&key), "{cause}: {key}");
                    let filled = unknown.fill(template, For::Shell);
                    assert!(filled.contains(&key.to_ascii_uppercase()), "{cause}: {filled}");
                }
            }
        }
    }
}

const NAMES: [&str; 14] = [
    "account",
    "account_dn",
    "own_spn",
    "realm",
    "key_version",
    "keytab_versions",
    "user",
    "user_dn",
    "spn",
    "target",
    "target_dn",
    "other",
    "server",
    "difference",
];

#[test]
fn every_name_of_a_template_can_be_filled_in() {
    let value = |key: &str| Some(format!("value-of-{key}"));
    let all = Names {
        account: value("account"),
        account_dn: value("account_dn"),
        own_spn: value("own_spn"),
        realm: value("realm"),
        key_version: value("key_version"),
        keytab_versions: value("keytab_versions"),
        user: value("user"),
        user_dn: value("user_dn"),
        spn: value("spn"),
        target: value("target"),
        target_dn: value("target_dn"),
        other: value("other"),
        server: value("server"),
        difference: value("difference"),
    };
    for key in NAMES {
        assert_eq!(all.fill(&format!("{{{key}}}"), For::Text), format!("value-of-{key}"));
    }
}

#[test]
fn every_refusal_that_a_domain_controller_is_known_to_send_has_a_cause() {
    let seen = [
        (Stage::As, 1),
        (Stage::As, 6),
        (Stage::As, 14),
        (Stage::As, 18),
        (Stage::As, 23),
        (Stage::As, 24),
        (Stage::As, 37),
        (Stage::S4u2Self, 1),
        (Stage::S4u2Self, 6),
        (Stage::S4u2Self, 7),
        (Stage::S4u2Self, 12),
        (Stage::S4u2Self, 14),
        (Stage::S4u2Self, 18),
        (Stage::S4u2Self, 20),
        (Stage::S4u2Self, 31),
        (Stage::S4u2Self, 36),
        (Stage::S4u2Self, 37),
        (Stage::S4u2Proxy, 7),
        (Stage::S4u2Proxy, 12),
        (Stage::S4u2Proxy, 13),
        (Stage::S4u2Proxy, 14),
        (Stage::S4u2Proxy, 20),
        (Stage::S4u2Proxy, 23),
        (Stage::S4u2Proxy, 26),
        (Stage::S4u2Proxy, 31),
        (Stage::S4u2Proxy, 41),
        (Stage::S4u2Proxy, 44),
        (Stage::As, 32),
        (Stage::As, 33),
        (Stage::Tgs, 68),
    ];
    for (stage, number) in seen {
        let symptom = super::super::symptom::Symptom::Refused {
            stage,
            code: ErrorCode::new(number),
            status: None,
            text: None,
        };
        let fits = |cause: &&Cause| cause.row().signs.iter().any(|sign| sign.fits(&symptom).is_some());
        assert!(Cause::ALL.iter().any(|cause| fits(&cause)), "{stage:?} {number}");
    }
}
