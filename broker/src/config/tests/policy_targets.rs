//! `[[policy.target]]`, `[[policy.authentication_level]]` and `policy.candidate`.

use crate::{
    config::{
        Warning,
        testing::{COMPLETE, Written},
    },
    policy::Target,
};

fn written(tables: &str) -> Written {
    let written = Written::new();
    written.configuration(&format!("{COMPLETE}\n{tables}\n"));
    written
}

#[test]
fn hosts_have_the_services_and_tags_that_are_written_and_levels_their_policies() {
    let config = written(
        "[[policy.target]]\nhost = \"desk7.corp.example\"\nservices = [\"TERMSRV\"]\ntags = { owner = [\"alice\", \"bob\"] }\n\
         [[policy.authentication_level]]\npolicy = \"1.2.3\"\nlevel = 4\n",
    );
    let config = config.loaded().unwrap();
    let desk7 = Target::new("desk7.corp.example").unwrap();
    assert_eq!(config.targets.services(&desk7), ["termsrv".parse().unwrap()]);
    let facts = config.targets.facts(desk7, None);
    assert_eq!(facts.tags.get("owner").map(std::collections::BTreeSet::len), Some(2));
    assert!(!config.targets.are_in_directory() && config.candidate.is_none());
    assert_eq!(config.policy.levels().of(&["1.2.3".to_owned()].into()), 4);
}

#[test]
fn what_is_wrong_with_a_host_or_a_level_is_told_at_its_place() {
    for (tables, words) in [
        ("[[policy.target]]\nservices = [\"host\"]", "policy.target[1].host"),
        ("[[policy.target]]\nhost = \"desk7\"", "policy.target[1].host"),
        ("[[policy.target]]\nhost = \"a.example\"\nservices = [\"krbtgt\"]", "policy.target[1].services[1]"),
        (
            "[[policy.target]]\nhost = \"a.example\"\ntags = { owner = \"alice\" }",
            "policy.target[1].tags.owner",
        ),
        ("[[policy.target]]\nhost = \"a.example\"\ntags = { owner = [] }", "policy.target[1].tags.owner"),
        ("[[policy.target]]\nhost = \"a.example\"\ncolour = 1", "policy.target[1].colour"),
        (
            "[[policy.target]]\nhost = \"a.example\"\n[[policy.target]]\nhost = \"A.example\"",
            "policy.target[2].host",
        ),
        (
            "[[policy.authentication_level]]\npolicy = \"1.2.3\"\nlevel = 0",
            "policy.authentication_level[1].level",
        ),
        (
            "[[policy.authentication_level]]\npolicy = \"high\"\nlevel = 1",
            "policy.authentication_level[1].policy",
        ),
    ] {
        let problems = written(tables).problems();
        assert!(problems.len() == 1 && problems[0].contains(words), "{tables}: {problems:?}");
    }
}

#[test]
fn a_candidate_that_is_not_sound_is_warned_of_and_not_tried_and_nothing_else_suffers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("next.cedar");
    let config = || written(&format!("[policy]\ncandidate = [{path:?}]")).loaded().unwrap();
    let warned = |warnings: &[Warning]| {
        warnings.iter().filter(|warning| matches!(warning, Warning::CandidateNotTried { .. })).count()
    };
    let missing = config();
    assert!(missing.candidate.is_none());
    assert_eq!(warned(&missing.warnings), 1, "{:?}", missing.warnings);
    std::fs::write(&path, "@id(\"a\") permit(principal, action, resource) when { principal.colour };")
        .unwrap();
    let broken = config();
    assert!(broken.candidate.is_none() && warned(&broken.warnings) > 0, "{:?}", broken.warnings);
    std::fs::write(&path, "@id(\"a\") forbid(principal, action, resource);").unwrap();
    let sound = config();
    assert_eq!((sound.candidate.is_some(), warned(&sound.warnings)), (true, 0));
}

/// Where no computer object is read, no target is in a group, and a forbid by one would forbid nothing.
#[test]
fn policies_about_groups_of_targets_need_the_directory_to_be_asked_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policies.cedar");
    for (resource, clause) in [
        (r#"resource in Kerbridge::Group::"Tier 0""#, ""),
        (r#"resource is Kerbridge::Target in Kerbridge::Group::"Tier 0""#, ""),
        ("resource", r#"when { resource is Kerbridge::Target in Kerbridge::Group::"Tier 0" }"#),
        ("resource", r#"unless { !(resource in [Kerbridge::Group::"Tier 0", Kerbridge::Group::"Tier 1"]) }"#),
    ] {
        let action = r#"action == Kerbridge::Action::"login""#;
        let text = format!(r#"@id("tier-0") forbid(principal, {action}, {resource}) {clause};"#);
        std::fs::write(&path, text).unwrap();
        let key = |key: &str| format!("[policy]\n{key} = [{path:?}]\n");
        let problems = written(&key("files")).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("targets_in_directory") && problems[0].contains("tier-0"),
            "{problems:?}"
        );
        let tried = written(&key("candidate")).loaded().unwrap();
        assert!(tried.candidate.is_none(), "{clause}");
        assert!(
            tried.warnings.iter().any(|warning| warning.to_string().contains("tier-0")),
            "{:?}",
            tried.warnings
        );
        let read = "targets_in_directory = true";
        assert!(written(&(key("files") + read)).loaded().is_ok());
        assert!(written(&(key("candidate") + read)).loaded().unwrap().candidate.is_some());
    }
    let of_people = r#"@id("people") forbid(principal in Kerbridge::Group::"Guests", action == Kerbridge::Action::"login", resource)
        when { principal in Kerbridge::Group::"Guests" && resource in Kerbridge::Domain::"corp.example" };"#;
    std::fs::write(&path, of_people).unwrap();
    assert!(written(&format!("[policy]\nfiles = [{path:?}]\n")).loaded().is_ok());
}

#[test]
fn the_host_of_our_own_spn_is_a_brokers_however_it_is_written() {
    let own = Target::new("broker.corp.example").unwrap();
    for spn in ["HTTP/broker.corp.example", "HTTP/Broker", "HTTP/broker.corp.example:8443"] {
        let written = Written::new();
        written.configuration(&COMPLETE.replace("HTTP/broker.corp.example", spn));
        let config = written.loaded().unwrap();
        assert!(config.policy.bounds().brokers.contains(&own), "{spn}");
    }
}
