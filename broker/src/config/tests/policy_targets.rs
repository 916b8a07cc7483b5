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
