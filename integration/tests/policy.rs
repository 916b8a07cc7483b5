//! Policies in Cedar decide real logins: what a file permits, what it forbids, what cannot be evaluated, and a reload that is refused.

use std::fs;
use std::path::Path;

use integration::broker_process::{BrokerProcess, Configuration};
use integration::card::Presented;
use integration::gateway::Gateway;

use crate::bench::{Bench, start};
use crate::refusals::{assert_refused, told};

const DESK1: &str = "desk1.corp.example";

/// A broker that decides by its usual rule and by the files of a folder.
fn deciding_by(bench: &Bench, folder: &Path) -> BrokerProcess {
    let table =
        format!("\n[policy]\nfiles = [{:?}]\nservices = [\"TERMSRV\", \"HTTP\"]\n", folder.join("*.cedar"));
    start(&Configuration::new(&bench.lab).table(&table))
}

/// bob, who is in no group of the rule, may use desk1's HTTP for half an hour.
const BOB: &str = r#"
@id("bob-at-desk1")
@maximum_session("30m")
permit(
    principal in Kerbridge::Group::"Domain Users",
    action in [Kerbridge::Action::"login", Kerbridge::Action::"delegate"],
    resource == Kerbridge::Target::"DESK1.corp.example"
)
when { principal.account == "bob" && principal.mapping.strength == "strong" }
unless { context has service && context.service != "http" };
"#;

#[test]
fn a_policy_of_a_file_permits_what_it_says_and_the_session_names_it() {
    let bench = Bench::shared();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("desks.cedar"), BOB).unwrap();
    let broker = deciding_by(&bench, folder.path());
    let bob = bench.card_of("bob").issue().unwrap();
    let answer = bench.log_in_at(&broker, &bob, DESK1);
    assert_eq!(answer.status, 200, "{answer:?}");
    let gateway =
        Gateway::start(&bench.lab, "gw1", &[("broker.corp.example", bench.lab.network().host_address())])
            .unwrap();
    let session = gateway.redeem(&broker.gateway_address(), answer.code().unwrap(), &[]).unwrap();
    assert_eq!(session.rule, "bob-at-desk1");
    assert_eq!(session.granted_spns, ["HTTP/desk1.corp.example"]);
    let elsewhere = bench.log_in_at(&broker, &bob, "desk2.corp.example");
    assert_refused(&elsewhere, "policy_denied", "decide");
}

#[test]
fn a_forbid_of_a_file_wins_over_a_rule_and_is_named_in_the_log_only() {
    let bench = Bench::shared();
    let folder = tempfile::tempdir().unwrap();
    let forbid = r#"
@id("desk1-is-closed")
@words("This desktop is being repaired.")
forbid(principal, action == Kerbridge::Action::"login", resource)
when { resource.host == "desk1.corp.example" && context.channel == "card_listener" };
"#;
    fs::write(folder.path().join("closed.cedar"), forbid).unwrap();
    let broker = deciding_by(&bench, folder.path());
    let alice = bench.card_of("alice").issue().unwrap();
    let refused = bench.log_in_at(&broker, &alice, DESK1);
    assert_refused(&refused, "policy_denied", "decide");
    assert!(!refused.body.to_string().contains("desk1-is-closed"), "{refused:?}");
    assert_eq!(refused.field("detail"), Some("This desktop is being repaired."));
    assert!(told(&broker, &refused).contains("desk1-is-closed"), "{}", told(&broker, &refused));
    let other = bench.log_in_at(&broker, &alice, "desk2.corp.example");
    assert_eq!(other.status, 200, "{other:?}");
}

#[test]
fn a_forbid_that_cannot_be_evaluated_forbids() {
    let bench = Bench::shared();
    let folder = tempfile::tempdir().unwrap();
    let overflow = r#"
@id("overflow")
forbid(principal, action == Kerbridge::Action::"login", resource)
when { principal.authentication_level - 9223372036854775807 - 2 == 0 };
"#;
    fs::write(folder.path().join("overflow.cedar"), overflow).unwrap();
    let broker = deciding_by(&bench, folder.path());
    let refused = bench.log_in_at(&broker, &bench.card_of("alice").issue().unwrap(), DESK1);
    assert_refused(&refused, "policy_denied", "decide");
    let line = told(&broker, &refused);
    assert!(line.contains("overflow") && line.contains("cannot be evaluated"), "{line}");
}

#[test]
fn a_broken_policy_file_is_refused_at_a_reload_and_a_mended_one_counts_at_once() {
    let bench = Bench::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desks.cedar");
    let forbid = "@id(\"nobody\")\nforbid(principal, action == Kerbridge::Action::\"login\", resource);\n";
    fs::write(&file, "// nothing yet\n").unwrap();
    let broker = deciding_by(&bench, folder.path());
    let alice = bench.card_of("alice").issue().unwrap();
    assert_eq!(bench.log_in_at(&broker, &alice, DESK1).status, 200);

    fs::write(&file, forbid.replace("resource)", "resource) when { principal.colour == \"red\" }")).unwrap();
    let why = broker.reload_in_vain().unwrap();
    assert!(why.iter().any(|line| line.contains("desks.cedar:2:") && line.contains("colour")), "{why:#?}");
    assert_eq!(bench.log_in_at(&broker, &alice, DESK1).status, 200);
    let checked = broker.command(&["validate"]).unwrap();
    let words =
        String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    assert!(!checked.succeeded() && words.contains("colour"), "{words}");

    fs::write(&file, forbid).unwrap();
    broker.reload().unwrap();
    assert_refused(&bench.log_in_at(&broker, &alice, DESK1), "policy_denied", "decide");
}

#[test]
fn a_domain_controller_is_no_target_whatever_a_policy_permits() {
    let bench = Bench::shared();
    let folder = tempfile::tempdir().unwrap();
    let everything = "@id(\"everything\")\npermit(principal is Kerbridge::Person, action, resource is Kerbridge::Target);\n";
    fs::write(folder.path().join("everything.cedar"), everything).unwrap();
    let broker = deciding_by(&bench, folder.path());
    let controller = bench.lab.controller().name().to_owned();
    let alice = bench.card_of("alice").issue().unwrap();
    for target in [controller.as_str(), "broker.corp.example", "corp.example"] {
        let present = Presented::File(&alice);
        let refused = bench.workstation.log_in(&broker, present, "gw1", target).unwrap();
        assert_refused(&refused, "policy_denied", "decide");
        assert!(told(&broker, &refused).contains("bound_exceptions"), "{}", told(&broker, &refused));
    }
}
