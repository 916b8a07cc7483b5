//! Files of policies, and what is never granted.

use crate::config::Warning;
use crate::config::testing::{COMPLETE, Written};

const POLICY: &str = "@id(\"desks\")\npermit(principal in Kerbridge::Group::\"S-1-5-32-555\", action, resource is Kerbridge::Target);\n";

fn with(keys: &str) -> String {
    format!("{COMPLETE}\n[policy]\n{keys}\n")
}

#[test]
fn files_and_the_policies_of_a_directory_are_read_beside_the_rules() {
    let written = Written::new();
    written.public("desks.cedar", POLICY);
    written.public("other.cedar", &POLICY.replace("desks", "other"));
    for files in ["[\"desks.cedar\", \"other.cedar\"]", "[\"*.cedar\"]", "[\".\"]"] {
        written.configuration(&with(&format!("files = {files}")));
        let config = written.loaded().unwrap_or_else(|problems| panic!("{files}: {problems:#?}"));
        let ids: Vec<&str> = config.policy.ids().collect();
        assert_eq!(ids, ["desktop-users", "desks", "other"], "{files}");
        let warned = |warning: &&Warning| matches!(warning, Warning::GroupNotVouched { key, .. } if key == "policy desks");
        assert_eq!(config.warnings.iter().filter(warned).count(), 1);
    }
    let (_, alone) = COMPLETE.split_once("[[policy.rule]]").expect("the rule");
    let without = COMPLETE.replace("[[policy.rule]]", "").replace(alone, "");
    written
        .configuration(&format!("{without}\n[policy]\nfiles = [\"desks.cedar\"]\nservices = [\"HTTP\"]\n"));
    assert_eq!(written.loaded().expect("no rule is needed").policy.ids().collect::<Vec<_>>(), ["desks"]);
}

#[test]
fn a_problem_of_a_file_is_told_with_its_place_in_the_file() {
    let written = Written::new();
    written.public("desks.cedar", &POLICY.replace("resource is", "resources is"));
    written.configuration(&with("files = [\"desks.cedar\", \"absent.cedar\"]"));
    let problems = written.problems();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("policy.files[2]: the file cannot be read"), "{problems:#?}");
    written.configuration(&with("files = [\"desks.cedar\"]"));
    let problems = written.problems();
    assert!(problems[0].contains("policy.files") && problems[0].contains("desks.cedar:2:"), "{problems:#?}");
}

#[test]
fn what_everybody_can_write_is_no_policy() {
    let written = Written::new();
    written.public("desks.cedar", POLICY);
    written.mode("desks.cedar", 0o666);
    written.configuration(&with("files = [\"desks.cedar\"]"));
    assert!(written.problems()[0].contains("can be changed by others"), "{:#?}", written.problems());
}

#[test]
fn the_bounds_are_hosts_and_services_named_one_by_one() {
    let written = Written::new();
    written.configuration(&with(
        "brokers = [\"broker2.corp.example\"]\nbound_exceptions = [\"ldap/dc1.corp.example\"]",
    ));
    assert!(written.loaded().is_ok());
    written.configuration(&with(
        "services = [\"krbtgt\"]\nbrokers = [\"*.corp.example\"]\nbound_exceptions = [\"kadmin/dc1.corp.example\", \"ldap/*\"]",
    ));
    let problems = written.problems();
    for place in ["services[1]", "brokers[1]", "bound_exceptions[1]", "bound_exceptions[2]"] {
        assert!(problems.iter().any(|problem| problem.contains(place)), "{place}: {problems:#?}");
    }
}
