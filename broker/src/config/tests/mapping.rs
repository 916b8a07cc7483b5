//! `[[directory.mapping]]`.

use crate::config::Warning;
use crate::config::testing::{COMPLETE, Written};

fn written(tables: &str) -> Written {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}\n{tables}"));
    written
}

/// The problems of one mapping, without their lines.
fn problems(keys: &str) -> Vec<String> {
    let problems = written(&format!("[[directory.mapping]]\n{keys}\n")).problems();
    problems.iter().map(|problem| problem.split_once(", ").unwrap().1.to_owned()).collect()
}

const EVERY: &[&str] = &[
    "source = \"san_upn\"\nattributes = [\"userPrincipalName\"]",
    "source = \"san_email\"\nattributes = [\"mail\", \"employeeID\"]\nsearch_base = \"OU=People,DC=corp,DC=example\"",
    "source = \"subject_email\"\nattributes = [\"mail\"]\nstrength = \"weak\"",
    "source = \"common_name\"\nattributes = [\"cn\"]\nsubject_base = \"O=Corp,C=US\"",
    "source = \"subject_attribute\"\nsubject_attributes = [\"UID\", \"2.5.4.5\"]\nattributes = [\"uid\"]",
    "source = \"subject\"\nname_form = \"canonical\"\nattributes = [\"extensionAttribute1\"]",
    "source = \"issuer\"\nattributes = [\"extensionAttribute1\"]",
    "source = \"subject_pattern\"\npattern = 'CN=[^,]*\\.(\\d{10})(?:,|$)'\nattributes = [\"employeeNumber\"]",
    "source = \"issuer_pattern\"\npattern = 'CN=(.*)'\nattributes = [\"department\"]",
    "source = \"serial\"\nserial_form = \"hexadecimal_of_encoding\"\nattributes = [\"serialNumber\"]",
    "source = \"serial_and_issuer\"\nserial_form = \"hexadecimal\"\nname_form = \"rfc4514\"\nattributes = [\"serialNumber\", \"department\"]",
    "source = \"thumbprint\"\nstrength = \"strong\"\nattributes = [\"employeeID\"]",
    "source = \"certificate\"\nstrength = \"weak\"\nattributes = [\"employeeID\"]\naccept_foreign_upn = true",
];

#[test]
fn every_source_can_be_configured() {
    let tables: String = EVERY.iter().map(|keys| format!("[[directory.mapping]]\n{keys}\n")).collect();
    let config = written(&tables).loaded().unwrap();
    let read = format!("{:?}", config.domains.mappings());
    for part in [
        "SanEmail",
        "SubjectAttribute([\"0.9.2342.19200300.100.1.1\", \"2.5.4.5\"])",
        "HexadecimalOfEncoding",
    ] {
        assert!(read.contains(part), "{read}");
    }
    assert_eq!(read.matches("strength: Strong").count(), 2, "{read}");
    assert_eq!(read.matches("accepts_foreign_upn: true").count(), 1, "{read}");
    let is_of_mapping = |warning: &&Warning| {
        matches!(warning, Warning::SelfServiceAttribute { .. } | Warning::NameTakenForStrong { .. })
    };
    assert_eq!(config.warnings.iter().find(is_of_mapping), None);
}

#[test]
fn without_a_mapping_the_user_principal_name_names_the_account() {
    let read = format!("{:?}", Written::new().loaded().unwrap().domains.mappings());
    assert!(read.contains("SanUpn") && read.contains("userPrincipalName"), "{read}");
}

#[test]
fn a_mapping_needs_its_keys_and_no_others() {
    assert_eq!(problems("attributes = [\"mail\"]"), ["directory.mapping[1].source: missing"]);
    assert_eq!(problems("source = \"san_email\""), ["directory.mapping[1].attributes: missing"]);
    let pattern = problems("source = \"subject_pattern\"\nattributes = [\"cn\"]");
    assert_eq!(pattern, ["directory.mapping[1].pattern: missing"]);
    let listed = problems("source = \"subject_attribute\"\nattributes = [\"cn\"]");
    assert_eq!(listed, ["directory.mapping[1].subject_attributes: missing"]);
    for key in [
        "pattern = '(.*)'",
        "name_form = \"canonical\"",
        "serial_form = \"decimal\"",
        "subject_attributes = [\"CN\"]",
    ] {
        let refused = problems(&format!("source = \"san_email\"\nattributes = [\"mail\"]\n{key}"));
        assert!(refused[0].ends_with("is of no use for this source"), "{refused:?}");
    }
}

#[test]
fn values_that_are_none_are_refused_at_their_place() {
    for (keys, problem) in [
        ("source = \"common_name\"\nattributes = [\"a)(b\"]", "attributes[1]: the name of an attribute"),
        (
            "source = \"common_name\"\nattributes = [\"altSecurityIdentities\"]",
            "attributes[1]: altSecurityIdentities cannot",
        ),
        (
            "source = \"serial_and_issuer\"\nattributes = [\"info\"]",
            "attributes[1]: serial_and_issuer needs exactly 2",
        ),
        (
            "source = \"subject_pattern\"\npattern = '(a)(b)'\nattributes = [\"cn\"]",
            "pattern: the expression has 2 groups",
        ),
        (
            "source = \"subject_pattern\"\npattern = '(?=a)(b)'\nattributes = [\"cn\"]",
            "pattern: the expression is not",
        ),
        (
            "source = \"subject_attribute\"\nsubject_attributes = [\"colour\"]\nattributes = [\"cn\"]",
            "subject_attributes[1]: names no",
        ),
        (
            "source = \"common_name\"\nattributes = [\"cn\"]\nsubject_base = \"Corp\"",
            "subject_base: a part of the name",
        ),
        (
            "source = \"common_name\"\nattributes = [\"cn\"]\nsearch_base = \"OU=x,DC=other,DC=example\"",
            "search_base: lies in no",
        ),
    ] {
        let refused = problems(keys);
        assert!(refused[0].starts_with(&format!("directory.mapping[1].{problem}")), "{refused:?}");
    }
}

#[test]
fn a_name_is_taken_for_a_firm_tie_only_where_the_configuration_says_how_dangerous_that_is() {
    let strong = "source = \"san_email\"\nattributes = [\"mail\"]\nstrength = \"strong\"";
    let refused = problems(strong);
    assert!(
        refused[0].starts_with("directory.mapping[1].strength: would make a name as good as a key"),
        "{refused:?}"
    );
    let raised = written(&format!("[[directory.mapping]]\n{strong}\ndangerously_strong = true\n"));
    let key = "directory.mapping[1].dangerously_strong".to_owned();
    assert!(raised.loaded().unwrap().warnings.contains(&Warning::NameTakenForStrong { key }));
}

#[test]
fn an_attribute_that_people_write_themselves_is_warned_of() {
    let mapped =
        written("[[directory.mapping]]\nsource = \"certificate\"\nattributes = [\"usercertificate\"]\n");
    let (key, attribute) = ("directory.mapping[1].attributes[1]".to_owned(), "usercertificate".to_owned());
    assert!(mapped.loaded().unwrap().warnings.contains(&Warning::SelfServiceAttribute { key, attribute }));
}
