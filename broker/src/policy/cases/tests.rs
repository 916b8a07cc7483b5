use std::path::PathBuf;

use super::super::{PolicyFile, Settings};
use super::*;
use crate::identity::testing::now;

/// Puts cases before policies that stand alone.
fn run(policies: &str, cases: &str) -> Vec<Outcome> {
    let cases = Cases::parse(cases).unwrap_or_else(|error| panic!("{error}"));
    let settings = Settings {
        files: vec![PolicyFile { name: "one.cedar".to_owned(), text: policies.to_owned() }],
        gateways: cases.gateways(),
        services: cases.services(),
        realms: cases.realms(),
        ..Settings::default()
    };
    let policy = Policy::compile(&settings).unwrap_or_else(|problems| panic!("{problems:?}"));
    cases.run(&Arc::new(policy), &Targets::default(), now())
}

const LOGINS: &str = r#"
@id("members")
@maximum_session("8h")
permit(principal in Kerbridge::Group::"Members", action in [Kerbridge::Action::"login", Kerbridge::Action::"delegate"],
       resource in Kerbridge::Domain::"corp.example");
@id("no-files")
@words("No files here.")
forbid(principal, action == Kerbridge::Action::"delegate", resource) when { context.service == "cifs" };
@id("presents")
forbid(principal == Kerbridge::Gateway::"gw2", action == Kerbridge::Action::"present_certificate", resource)
  unless { context.proof };
@id("rulers")
permit(principal in Kerbridge::Group::"Rulers", action == Kerbridge::Action::"administer", resource);
"#;

const PEOPLE: &str = r#"
services = ["TERMSRV", "cifs"]
gateways = ["gw1", "gw2"]
[person.alice]
groups = ["Members"]
[person.root]
groups = ["Rulers"]
"#;

fn one(case: &str) -> Outcome {
    let mut outcomes = run(LOGINS, &format!("{PEOPLE}[[case]]\nname = \"one\"\n{case}"));
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

#[test]
fn a_case_that_is_as_expected_has_no_differences() {
    for case in [
        "who = \"alice\"\ntarget = \"desk1.corp.example\"\nexpect = { decision = \"permit\", policies = [\"members\"], services = [\"termsrv\"], maximum_session = \"8h\" }",
        "who = \"root\"\ntarget = \"desk1.corp.example\"\nexpect = { decision = \"deny\", policies = [] }",
        "who = \"alice\"\naction = \"delegate\"\nservice = \"cifs\"\ntarget = \"desk1.corp.example\"\nexpect = { decision = \"deny\", policies = [\"no-files\"], words = \"No files here.\" }",
        "who = \"gw2\"\naction = \"present_certificate\"\nexpect = { decision = \"deny\", policies = [\"presents\"] }",
        "who = \"gw2\"\naction = \"present_certificate\"\nproof = true\nexpect = { decision = \"permit\" }",
        "who = \"root\"\naction = \"administer\"\nexpect = { decision = \"permit\", policies = [\"rulers\"] }",
        "who = \"alice\"\naction = \"administer\"\nexpect = { decision = \"deny\" }",
    ] {
        let outcome = one(case);
        assert!(outcome.differences.is_empty(), "{case}: {outcome:?}");
    }
}

#[test]
fn every_difference_is_told_with_what_was_expected_and_found() {
    let outcome = one(
        "who = \"alice\"\ntarget = \"desk1.corp.example\"\nexpect = { decision = \"deny\", policies = [\"others\"], services = [\"HTTP\"], maximum_session = \"1h\", handover = [\"ccache\"] }",
    );
    let told: Vec<_> =
        outcome.differences.iter().map(|one| (one.key, one.expected.as_str(), one.found.as_str())).collect();
    assert_eq!(
        told,
        [
            ("decision", "deny", "permit"),
            ("policies", "others", "members"),
            ("services", "http", "termsrv"),
            ("maximum_session", "3600s", "28800s"),
            ("handover", "ccache", "all"),
        ]
    );
    assert_eq!(outcome.line, 8);
}

#[test]
fn a_file_that_is_none_says_where() {
    for (text, words) in [
        ("", "missing field"),
        ("case = []", "1 to"),
        (
            "[[case]]\nname = \"a\"\nwho = \"nobody\"\ntarget = \"a.example\"\nexpect = { decision = \"deny\" }",
            "no [person.nobody]",
        ),
        (
            "[person.a]\n[[case]]\nname = \"a\"\nwho = \"a\"\nexpect = { decision = \"deny\" }",
            "have a target",
        ),
        (
            "[person.a]\n[[case]]\nname = \"a\"\nwho = \"a\"\ntarget = \"a.example\"\nexpect = { decision = \"perhaps\" }",
            "permit, deny",
        ),
        (
            "[person.a]\ncolour = 1\n[[case]]\nname = \"a\"\nwho = \"a\"\nexpect = { decision = \"deny\" }",
            "colour",
        ),
        (
            "[person.a]\nsid = \"S-1-no\"\n[[case]]\nname = \"a\"\nwho = \"a\"\nexpect = { decision = \"deny\" }",
            "S-1-no",
        ),
    ] {
        let error = Cases::parse(text).expect_err(text).to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

/// The examples of the project, each with its cases.
#[test]
fn every_example_decides_as_its_cases_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/policies");
    let read = |path: &PathBuf| {
        let octets = std::io::Read::bytes(std::fs::File::open(path).expect("a file"));
        String::from_utf8(octets.collect::<Result<_, _>>().expect("a file")).expect("a text")
    };
    let mut examples = 0;
    for entry in std::fs::read_dir(&folder).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "cedar") {
            continue;
        }
        examples += 1;
        let cases = path.with_extension("cases.toml");
        for outcome in run(&read(&path), &read(&cases)) {
            assert!(outcome.differences.is_empty(), "{}: {outcome:#?}", cases.display());
        }
    }
    assert_eq!(examples, 6);
}
