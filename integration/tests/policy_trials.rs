//! Policies as an administrator meets them: checked and tested by the command, told of targets by the directory, tried beside the live
//! ones, and felt in what a session may do.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use integration::broker_process::{BrokerProcess, Configuration, program};
use integration::card::{Presented, Workstation};
use integration::gateway::Gateway;
use integration::gateway::redeem::Form;
use integration::lab::Lab;
use integration::process::{self, Finished};
use integration::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, build, card_of, start};
use crate::refusals::{assert_refused, code_of, told};

const DESK1: &str = "desk1.corp.example";
const DESK2: &str = "desk2.corp.example";
const LIMIT: Duration = Duration::from_secs(20);

fn run(words: &[&str]) -> Finished {
    build();
    let mut command = Command::new(program().unwrap());
    command.arg("policy").args(words);
    process::run(command, b"", LIMIT).unwrap()
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cedar")).collect()
}

/// Files of policies in a folder of their own.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn every_example_passes_its_cases_by_the_command_and_fails_those_of_another() {
    let examples = examples();
    assert_eq!(examples.len(), 6);
    for example in &examples {
        let (policies, cases) = (example.to_str().unwrap(), example.with_extension("cases.toml"));
        let checked = run(&["check", "--gateway", "partner-portal", policies]);
        assert_eq!(checked.code, Some(0), "{}", checked.text());
        assert!(checked.text().contains("policies are sound"), "{}", checked.text());
        let tested = run(&["test", cases.to_str().unwrap(), policies]);
        assert_eq!(tested.code, Some(0), "{}", tested.text());
        assert!(tested.text().contains(", 0 otherwise"), "{}", tested.text());
    }
    let cases = examples.first().unwrap().with_extension("cases.toml");
    let other = examples.last().unwrap().to_str().unwrap();
    let differs = run(&["test", "--json", cases.to_str().unwrap(), "--gateway", "partner-portal", other]);
    assert_eq!(differs.code, Some(1), "{}", differs.text());
    let report: Value = serde_json::from_str(&differs.text()).unwrap();
    assert!(report["otherwise"].as_u64() > Some(0), "{report}");
    let differing = |case: &Value| case["differences"].as_array().is_some_and(|found| !found.is_empty());
    assert!(report["cases"].as_array().unwrap().iter().any(differing), "{report}");
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let files = folder(&[(
        "broken.cedar",
        "// one\n@id(\"colourful\")\npermit(principal, action == Kerbridge::Action::\"login\", resource)\n  when { principal.colour == \"red\" };\n",
    )]);
    let path = files.path().join("broken.cedar");
    let checked = run(&["check", path.to_str().unwrap()]);
    let words = checked.text();
    assert_eq!(checked.code, Some(1), "{words}");
    assert!(words.contains("broken.cedar:") && words.contains("colour"), "{words}");
    assert_eq!(run(&["check", "/nowhere/at.all"]).code, Some(2));
    assert_eq!(run(&["check", "--colour"]).code, Some(2));
    let schema = run(&["schema"]);
    assert!(schema.text().contains("namespace Kerbridge"), "{}", schema.text());
}

/// A broker with further keys of `[policy]`.
fn broker(lab: &Lab, policy: &str) -> BrokerProcess {
    start(&Configuration::new(lab).table(policy))
}

/// The computer objects of the lab, of one's own: desk2 is in a group, desk3's account is disabled.
const TARGETS: &str = "
@id(\"tried-desks-only\")
@words(\"This desk is not among those that are tried.\")
forbid(principal, action in [Kerbridge::Action::\"login\", Kerbridge::Action::\"delegate\"], resource)
unless { resource in Kerbridge::Group::\"Tried Desks\" };
@id(\"ten-minutes-on-tried-desks\")
@maximum_session(\"10m\")
@maximum_ticket(\"5m\")
@handover(\"ccache\")
permit(principal in Kerbridge::Group::\"Desktop Users\",
       action in [Kerbridge::Action::\"login\", Kerbridge::Action::\"delegate\"],
       resource in Kerbridge::Group::\"Tried Desks\") when { resource.in_directory };
";

#[test]
fn a_target_is_known_by_its_computer_object_and_what_policies_oblige_to_is_felt() {
    let lab = Lab::start("policy-targets").unwrap();
    let run = |arguments: &[&str]| lab.controller().samba_tool(arguments).unwrap();
    run(&["group", "add", "Tried Desks"]);
    run(&["group", "add", "Tried Desks of Lab"]);
    run(&["group", "addmembers", "Tried Desks", "Tried Desks of Lab"]);
    run(&["group", "addmembers", "Tried Desks of Lab", "desk1$"]);
    run(&["user", "disable", "desk3$"]);
    let files = folder(&[("targets.cedar", TARGETS)]);
    let table = format!(
        "\n[policy]\nfiles = [\"{}/targets.cedar\"]\ntargets_in_directory = true\n",
        files.path().display()
    );
    let broker = broker(&lab, &table);
    let workstation = Workstation::start(&lab, "workstation").unwrap();
    let card = card_of(&lab, "alice").issue().unwrap();
    let log_in = |target: &str| workstation.log_in(&broker, Presented::File(&card), "gw1", target).unwrap();

    let refused = log_in(DESK2);
    assert_refused(&refused, "policy_denied", "decide");
    assert!(told(&broker, &refused).contains("tried-desks-only"), "{}", told(&broker, &refused));
    let disabled = log_in("desk3.corp.example");
    assert_refused(&disabled, "policy_denied", "decide");
    assert!(told(&broker, &disabled).contains("userAccountControl"), "{}", told(&broker, &disabled));
    let unknown = log_in("desk9.corp.example");
    assert_refused(&unknown, "policy_denied", "decide");

    let accepted = log_in(DESK1);
    let code = code_of(&accepted);
    let gateway =
        Gateway::start(&lab, "gw1", &[("broker.corp.example", lab.network().host_address())]).unwrap();
    let address = broker.gateway_address();
    let host = format!("host/{DESK1}");
    let refused = gateway.redeem(&address, &code, &[(&host, Form::SpnegoToken)]);
    assert_eq!(refused.expect_err("another form").reason(), Some("POLICY_DENIED"));
    let now = seconds_of("now");
    let redeemed = gateway.redeem(&address, &code_of(&log_in(DESK1)), &[(&host, Form::Ccache)]).unwrap();
    assert!(redeemed.rule.contains("ten-minutes-on-tried-desks"), "{}", redeemed.rule);
    let session = seconds_of(&redeemed.expires_at) - now;
    assert!((540..=660).contains(&session), "the session lives {session} s");
    let ticket = seconds_of(&redeemed.tickets.first().unwrap().expires_at) - now;
    assert!((240..=360).contains(&ticket), "the ticket lives {ticket} s");
}

/// A time in seconds since 1970, by `date`.
fn seconds_of(time: &str) -> i64 {
    let mut command = Command::new("date");
    command.args(["--date", time, "+%s"]);
    process::run(command, b"", LIMIT).unwrap().text().trim().parse().unwrap()
}

const CANDIDATE: &str = "
@id(\"next-forbids-desk1\")
forbid(principal, action == Kerbridge::Action::\"login\", resource == Kerbridge::Target::\"desk1.corp.example\");
@id(\"next-shortens-desk2\")
@maximum_session(\"10m\")
permit(principal in Kerbridge::Group::\"Desktop Users\", action == Kerbridge::Action::\"login\",
       resource == Kerbridge::Target::\"desk2.corp.example\");
";

#[test]
fn a_candidate_has_no_say_and_its_differences_are_logged_and_counted() {
    let bench = Bench::shared();
    let files = folder(&[("next.cedar", CANDIDATE)]);
    let host = bench.lab.network().host_address();
    let status = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
    let table = format!(
        "\n[policy]\ncandidate = [\"{}/next.cedar\"]\n[health]\nlisten = \"{status}\"\nloopback_only = false\n",
        files.path().display()
    );
    let broker = broker(&bench.lab, &table);
    let card = bench.card_of("alice").issue().unwrap();
    for (target, outcome, candidate) in [
        (DESK1, "live_permit_candidate_deny", "next-forbids-desk1"),
        (DESK2, "other_obligations", "next-shortens-desk2"),
    ] {
        let answer = bench.log_in_at(&broker, &card, target);
        code_of(&answer);
        let event = broker
            .wait_for_event("the difference", LIMIT, |event| {
                event["event"] == "policy_difference" && event["outcome"] == outcome
            })
            .unwrap();
        assert!(event.to_string().contains(candidate), "{event}");
        assert!(event.to_string().contains("desktop-users"), "the live rule: {event}");
        assert!(event["span"]["login_id"].is_string(), "{event}");
        let url = format!("http://{status}/metrics");
        let line = format!("kerbridge_policy_candidate_decisions_total{{outcome=\"{outcome}\"}} 1\n");
        let counted = || {
            let asked = bench.workstation.container().run(&["curl", "--silent", "--fail", &url]);
            asked.unwrap().contains(&line).then_some(())
        };
        wait::until("the counter", LIMIT, counted).unwrap();
    }
}
