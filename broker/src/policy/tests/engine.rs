//! Policies of files: what they permit and forbid, what they name, and what of them is refused.

use std::sync::Arc;
use std::time::Duration;

use super::{alice, denied, member, permitted};
use crate::policy::rule::Membership;
use crate::policy::testing::{policies, request, rule, settings};
use crate::policy::{
    Bound, Bounds, Decision, HandoverForm, MAXIMUM_POLICIES, Missing, PacGroups, Policy, PolicyFile,
    PolicyProblem, Reason, Request, Settings, Target, TextFault,
};

const LOGIN: &str = r#"[Kerbridge::Action::"login", Kerbridge::Action::"delegate"]"#;

/// A permit for members of `Desktop Users`.
fn permit(id: &str) -> String {
    format!(
        "@id({id:?})\npermit(principal in Kerbridge::Group::\"Desktop Users\", action in {LOGIN}, resource);\n"
    )
}

fn forbid(id: &str, clause: &str) -> String {
    format!("@id({id:?})\nforbid(principal, action == Kerbridge::Action::\"login\", resource) {clause};\n")
}

fn asked(policies: Policy, membership: &Membership) -> Decision {
    Arc::new(policies).decide(request(membership, "gw1", "desk1.corp.example"))
}

fn ask(text: &str) -> Decision {
    asked(policies(text), &alice())
}

fn faults(text: &str) -> Vec<String> {
    let files = vec![PolicyFile { name: "test.cedar".to_owned(), text: text.to_owned() }];
    let found = Policy::compile(&Settings { files, ..settings() }).expect_err("a bad file");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_policy_of_a_file_permits_and_is_named() {
    let grant = permitted(ask(&permit("desks")));
    assert_eq!(grant.policies(), ["desks"]);
    let services: Vec<String> = grant.services().iter().map(ToString::to_string).collect();
    assert_eq!(services, ["TERMSRV/desk1.corp.example", "HTTP/desk1.corp.example"]);
    assert_eq!(grant.groups(), ["S-1-5-21-1-2-3-2001".parse().expect("a SID")]);
}

#[test]
fn nothing_is_permitted_that_no_policy_permits() {
    let denial = denied(ask("// nothing\n"));
    assert!(denial.reasons().is_empty() && denial.policies().is_empty(), "{denial}");
    denied(asked(policies(&permit("desks")), &member(&["guests"], &[])));
}

#[test]
fn a_forbid_wins_over_every_permit_and_has_words_for_the_cardholder() {
    let closed = format!("@words(\"The lab is closed.\")\n{}", forbid("closed", ""));
    let denial = denied(ask(&(permit("desks") + &closed)));
    assert_eq!(denial.policies(), ["closed"]);
    assert_eq!(denial.words().collect::<Vec<_>>(), ["The lab is closed."]);
    let text = "desk1.corp.example through gateway \"gw1\" is refused: policy \"closed\" forbids login";
    assert_eq!(denial.to_string(), text);
}

#[test]
fn a_rule_and_a_file_decide_together() {
    let files = vec![PolicyFile { name: "f".to_owned(), text: forbid("closed", "") }];
    let both = Settings { rules: vec![rule("desktop-users")], files, ..settings() };
    let denial = denied(asked(Policy::compile(&both).expect("good policies"), &alice()));
    assert_eq!(denial.policies(), ["closed"]);
}

/// Fits the schema, and cannot be evaluated: numbers have 64 bits.
const OVERFLOW: &str = "when { principal.authentication_level - 9223372036854775807 - 2 == 0 }";

#[test]
fn a_policy_that_cannot_be_evaluated_is_a_refusal_and_is_named() {
    for broken in [forbid("broken", OVERFLOW), permit("broken").replace(";\n", &format!(" {OVERFLOW};\n"))] {
        let denial = denied(ask(&(permit("desks") + &broken)));
        assert_eq!(denial.policies(), ["broken"], "{denial}");
        assert!(
            matches!(&denial.reasons()[0], Reason::Failed { error, .. } if error.contains("overflow")),
            "{denial}"
        );
    }
}

#[test]
fn a_service_is_granted_where_delegate_to_it_is_permitted_and_not_forbidden() {
    let no_http = "@id(\"no-http\") forbid(principal, action == Kerbridge::Action::\"delegate\", resource) when { context.service == \"http\" };";
    let grant = permitted(ask(&(permit("desks") + no_http)));
    assert_eq!(grant.services()[0].class().as_str(), "TERMSRV");
    assert_eq!(grant.services().len(), 1);
    let no_service = no_http.replace("context.service == \"http\"", "true").replace("no-http", "none");
    let denial = denied(ask(&(permit("desks") + &no_service)));
    assert_eq!(denial.policies(), ["none"]);
    assert!(
        denial.to_string().contains("login is permitted, but no policy permits delegate to TERMSRV/"),
        "{denial}"
    );
}

#[test]
fn without_any_service_to_ask_for_nothing_is_granted() {
    let files = vec![PolicyFile { name: "f".to_owned(), text: permit("desks") }];
    let policy = Policy::compile(&Settings { files, ..settings() }).expect("a good policy");
    let denial = denied(asked(policy, &alice()));
    assert!(denial.to_string().contains("policy.services"), "{denial}");
}

#[test]
fn of_what_deciding_policies_oblige_to_the_strictest_holds() {
    let one = format!(
        "@maximum_session(\"8h\") @maximum_ticket(\"1h\") @handover(\"ccache, krb-cred\")\n{}",
        permit("one")
    );
    let two = format!("@maximum_session(\"2h\") @recheck(\"5m\") @handover(\"ccache\")\n{}", permit("two"));
    let grant = permitted(ask(&(one.clone() + &two)));
    assert_eq!(grant.maximum_session(), Duration::from_secs(2 * 3600));
    assert_eq!(grant.maximum_ticket(), Duration::from_secs(3600));
    assert_eq!(grant.obligations().recheck, Some(Duration::from_secs(300)));
    assert!(
        grant.obligations().allow(HandoverForm::CCache) && !grant.obligations().allow(HandoverForm::KrbCred)
    );
    let three = format!("@handover(\"spnego-token\")\n{}", permit("three"));
    let denial = denied(ask(&(one + &three)));
    assert!(
        matches!(&denial.reasons()[0], Reason::NoForm { policies } if *policies == ["one", "three"]),
        "{denial}"
    );
}

#[test]
fn a_group_in_a_policy_is_a_group_and_not_its_text() {
    for group in ["DESKTOP users", "s-1-5-21-1-2-3-2001"] {
        let _grant = permitted(ask(&permit("desks").replace("Desktop Users", group)));
    }
    denied(ask(&permit("desks").replace("Desktop Users", "Desktop Users@BETA.EXAMPLE")));
}

#[test]
fn a_policy_says_nothing_of_targets_outside_its_scope() {
    for (scope, holds) in [
        ("resource == Kerbridge::Target::\"DESK1.corp.example\"", true),
        ("resource == Kerbridge::Target::\"desk2.corp.example\"", false),
        ("resource in Kerbridge::Domain::\"Corp.example\"", true),
        ("resource in Kerbridge::Domain::\"example\"", true),
        ("resource in Kerbridge::Domain::\"orp.example\"", false),
        ("resource is Kerbridge::Target in Kerbridge::Domain::\"corp.example\"", true),
        ("resource in Kerbridge::Group::\"Lab Desks\"", false),
    ] {
        let decision = ask(&permit("desks").replace("resource", scope));
        assert_eq!(matches!(decision, Decision::Permit(_)), holds, "{scope}");
    }
}

#[test]
fn a_domain_controller_and_another_broker_are_beyond_what_policies_can_permit() {
    let host = |text: &str| Target::new(text).expect("a host");
    let bounds = Bounds {
        brokers: vec![host("broker.corp.example")],
        exceptions: vec!["http/dc1.corp.example".parse().expect("a service")],
    };
    let files = vec![PolicyFile { name: "f".to_owned(), text: permit("all") }];
    let services = vec!["cifs".parse().expect("a class"), "HTTP".parse().expect("a class")];
    let policy =
        Arc::new(Policy::compile(&Settings { files, services, bounds, ..settings() }).expect("good"));
    let decide = |target: &str, is_controller| {
        policy.decide(Request { is_controller, ..request(&alice(), "gw1", target) })
    };
    let excepted = permitted(decide("dc1.corp.example", true));
    assert_eq!(excepted.services().len(), 1);
    assert_eq!(excepted.services()[0].to_string(), "HTTP/dc1.corp.example");
    for (target, is_controller, expected) in
        [("dc2.corp.example", true, Bound::DomainController), ("broker.corp.example", false, Bound::Broker)]
    {
        let denial = denied(decide(target, is_controller));
        assert!(
            matches!(&denial.reasons()[0], Reason::Bound { bound, .. } if *bound == expected),
            "{denial}"
        );
    }
    let _grant = permitted(decide("desk1.corp.example", false));
}

#[test]
fn a_denial_says_which_part_of_the_closest_policy_does_not_hold() {
    let clauses = "when { context.channel == \"terminator\" && context.revocation.checked } unless { principal.authentication_level < 3 };\n";
    let lacking = permit("lacking").replace(";\n", &format!(" {clauses}"));
    let denial = denied(asked(policies(&lacking), &member(&["guests"], &[])));
    let missing = &denial.near_misses()[0].missing;
    assert_eq!(
        missing,
        &[
            Missing::Principal("members of Kerbridge::Group::\"desktop users\"".to_owned()),
            Missing::Clause("context.channel == \"terminator\"".to_owned()),
            Missing::Clause("not (principal.authentication_level < 3)".to_owned()),
        ]
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    for (text, expected) in [
        ("permit(principal, action, resource);", "test.cedar:1:1: every policy needs a name"),
        ("\n\n  @id(\"a b\")\npermit(principal, action, resource);", "test.cedar:3:3: an id has"),
        ("@id(\"a\")\npermit(principal, action, resources);", "test.cedar:2:27: "),
        (
            "@id(\"a\") @color(\"red\") permit(principal, action, resource);",
            "test.cedar:1:1: policy \"a\": @color: there is no such annotation",
        ),
        (
            "@id(\"a\") @maximum_ticket(\"1h\") forbid(principal, action, resource);",
            "@maximum_ticket: only a permit obliges",
        ),
        ("@id(\"a\") @words(\"no\") permit(principal, action, resource);", "@words: only a forbid"),
        (
            "@id(\"a\")\npermit(principal, action, resource)\nwhen { principal.color == \"red\" };",
            "test.cedar:3:8: policy \"a\": the policy does not fit the schema",
        ),
        (
            "@id(\"a\") permit(principal in Kerbridge::Group::\"S-1-x\", action, resource);",
            "begins like a SID and is none",
        ),
        (
            "@id(\"a\") permit(principal in Kerbridge::Group::\"g@GAMMA.EXAMPLE\", action, resource);",
            "no [[realm]] of this name",
        ),
        (
            "@id(\"a\") permit(principal, action, resource == Kerbridge::Target::\"desk1\");",
            "not fully qualified",
        ),
        (
            "@id(\"a\") permit(principal, action == Kerbridge::Action::\"login\", resource) when { context.gateway == Kerbridge::Gateway::\"gw9\" };",
            "no gateway of this name",
        ),
        (
            "@id(\"a\") permit(principal, action == Kerbridge::Action::\"administer\", resource == Kerbridge::Broker::\"other\");",
            "the broker is Kerbridge::Broker::\"kerbridge\"",
        ),
        ("@id(\"a\") permit(principal == ?principal, action, resource);", "test.cedar:1:"),
    ] {
        let found = faults(text);
        assert!(found[0].contains(expected), "{text}\n{found:?}");
    }
}

#[test]
fn every_problem_of_every_policy_is_told() {
    let text = permit("same")
        + &permit("same")
        + "@id(\"b\") permit(principal, action, resource) when { principal.x };\nnonsense;";
    let found = faults(&text);
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].contains("test.cedar:3:1: policy \"same\": another policy has the same id"),
        "{found:?}"
    );
}

#[test]
fn more_policies_than_are_taken_are_refused_before_any_is_compiled() {
    let file = |name: &str, text: String| PolicyFile { name: name.to_owned(), text };
    let files = vec![file("few", permit("few")), file("many", "permit;".repeat(MAXIMUM_POLICIES))];
    let found = Policy::compile(&Settings { files, ..settings() }).expect_err("too many");
    assert_eq!(found.len(), 1);
    assert!(found[0].to_string().contains("many:1:1: there are more than 4096 policies"), "{}", found[0]);
}

#[test]
fn only_the_group_of_an_unknown_realm_is_told_as_one() {
    let groups = ["Admins@NOWHERE.EXAMPLE", "Guests@BETA.EXAMPLE", "Users"];
    let groups = groups.map(|group| format!("Kerbridge::Group::{group:?}")).join(", ");
    let found = faults(&permit("desks").replace(";\n", &format!(" when {{ principal in [{groups}] }};\n")));
    assert!(found.len() == 1 && found[0].contains("NOWHERE"), "{found:?}");
}

/// In small letters, in capitals, and one of a few words.
#[test]
fn a_text_that_a_value_never_is_cannot_be_compared_with_it() {
    for (clause, text) in [
        (r#"context.service == "HTTP""#, "HTTP"),
        (r#""TERMSRV" != context.service"#, "TERMSRV"),
        (r#"["http", "TERMSRV"].contains(context.service)"#, "TERMSRV"),
        (r#"["http", "TERMSRV"].containsAny([context.service])"#, "TERMSRV"),
        (r#"resource.host like "*.Corp.Example""#, "Corp"),
        (r#"!(resource.label == "DESK1" || principal.account == "Alice")"#, "DESK1"),
        (r#"if resource.domain == "CORP.example" then true else false"#, "CORP"),
        (r#"principal.realm == "corp.example""#, "corp.example"),
        (r#"principal.sid == "s-1-5-21-1-2-3-1104""#, "s-1-5"),
        (r#"principal.certificate.serial == "2F0A""#, "2F0A"),
        (r#"["2F0A"].contains(principal.certificate.thumbprint)"#, "2F0A"),
        (r#"context.channel == "Terminator""#, "Terminator"),
        (r#"principal.mapping.strength == "week""#, "week"),
        (r#"context.revocation has source && context.revocation.source == "OCSP""#, "OCSP"),
    ] {
        let action = "Kerbridge::Action::\"delegate\"";
        let found = faults(&format!(
            "@id(\"no\") forbid(principal, action == {action}, resource) when {{ {clause} }};"
        ));
        assert!(found.len() == 1 && found[0].contains(text), "{clause}: {found:?}");
        assert!(found[0].contains("never"), "{clause}: {found:?}");
    }
    let sound = r#"@id("yes") forbid(principal, action == Kerbridge::Action::"delegate", resource) when {
        ["http", "termsrv"].contains(context.service) && resource.host like "*.corp.example"
        && principal.account == "Alice" && principal.realm == "CORP.EXAMPLE" && context.channel like "gateway_*"
        && resource.hasTag("host") && resource.getTag("host").contains("HTTP")
    };"#;
    drop(policies(sound));
}

#[test]
fn a_policy_of_a_file_cannot_have_the_id_of_a_rule() {
    let files = vec![PolicyFile { name: "f".to_owned(), text: permit("desktop-users") }];
    let both = Settings { rules: vec![rule("desktop-users")], files, ..settings() };
    let found = Policy::compile(&both).expect_err("the same id");
    assert!(matches!(&found[0], PolicyProblem::Text(problem) if problem.problem == TextFault::DuplicateId));
}

#[test]
fn a_policy_that_can_never_apply_is_a_problem() {
    let never = "@id(\"a\") permit(principal is Kerbridge::Gateway, action == Kerbridge::Action::\"login\", resource);";
    assert!(faults(never)[0].contains("does not fit the schema"), "{:?}", faults(never));
}

#[test]
fn rules_of_every_shape_are_policies_that_fit_the_schema() {
    let mut odd = rule("odd");
    odd.groups = vec![
        "S-1-5-32-555".to_owned(),
        "Users \"quoted\" \\ and \u{e9}".to_owned(),
        "a@BETA.EXAMPLE".to_owned(),
    ];
    odd.targets = vec!["desk1.corp.example".to_owned(), "*.lab.example".to_owned()];
    odd.gateways = Some(vec!["gw2".to_owned()]);
    let policy =
        Policy::compile(&Settings { rules: vec![odd, rule("plain")], ..settings() }).expect("sound rules");
    assert_eq!(policy.ids().collect::<Vec<_>>(), ["odd", "plain"]);
}

#[test]
fn texts_of_any_depth_are_refused_or_compiled_and_never_overflow_the_stack() {
    let with = |condition: String| {
        let text = permit("deep").replace(";\n", &format!(" when {{ {condition} }};\n"));
        let files = vec![PolicyFile { name: "f".to_owned(), text }];
        let services = vec!["HTTP".parse().expect("a class")];
        Policy::compile(&Settings { files, services, ..settings() })
    };
    for (open, close) in
        [("(", ")"), ("[", "]"), ("!", ""), ("-", ""), ("if true then true else ", "true"), ("{\"a\":", "}")]
    {
        drop(with(format!("{}true{}", open.repeat(100_000), close.repeat(100_000))));
    }
    // The longest chain that is let through is also evaluated within a small stack.
    let chain = format!("true{}", " && principal.account != \"x\"".repeat(29));
    let policy = with(chain).expect("within the bounds");
    let small = std::thread::Builder::new().stack_size(2 << 20);
    let decided =
        small.spawn(move || permitted(asked(policy, &alice())).policies().to_vec()).expect("a thread");
    assert_eq!(decided.join().expect("no overflow"), ["deep"]);
    let nested = format!("{}true{}", "(if true then ".repeat(20), " else false)".repeat(20));
    let policy = with(nested).expect("within the bounds");
    let _grant = permitted(asked(policy, &alice()));
}

#[test]
fn a_gateway_presents_unless_a_policy_forbids_it() {
    let now = crate::identity::testing::now();
    let may = |text: &str, gateway: &str, proof| policies(text).may_present(gateway, None, now, proof);
    assert_eq!(may(&permit("desks"), "gw1", false), Ok(()));
    let unproven = "@id(\"unproven\") forbid(principal == Kerbridge::Gateway::\"gw1\", action == Kerbridge::Action::\"present_certificate\", resource) unless { context.proof };";
    assert_eq!(may(unproven, "gw1", true), Ok(()));
    assert_eq!(may(unproven, "gw2", false), Ok(()));
    let reasons = may(unproven, "gw1", false).expect_err("forbidden");
    assert_eq!(reasons[0].to_string(), "policy \"unproven\" forbids present_certificate");
}

#[test]
fn who_may_administer_is_asked_of_policies_too() {
    let now = crate::identity::testing::now();
    let text = "@id(\"admins\") permit(principal in Kerbridge::Group::\"Admins\", action == Kerbridge::Action::\"administer\", resource);";
    let person = |groups: &[&str]| request(&member(groups, &[]), "gw1", "desk1.corp.example").person;
    assert_eq!(policies(text).may_administer(&person(&["admins"]), None, now), Ok(vec!["admins".to_owned()]));
    assert_eq!(policies(text).may_administer(&person(&["users"]), None, now), Err(Vec::new()));
}

fn pac(enabled: &[&str], deny_only: &[&str]) -> PacGroups {
    let sids = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a SID")).collect();
    PacGroups { enabled: sids(enabled), deny_only: sids(deny_only) }
}

const USERS: &str = "S-1-5-21-1-2-3-2001";
const OTHERS: &str = "S-1-5-21-1-2-3-3001";
const CLEARED: &str = "S-1-5-21-1-2-3-3002";

#[test]
fn a_group_that_only_the_pac_names_forbids() {
    let barred = "@id(\"barred\") forbid(principal in Kerbridge::Group::\"S-1-5-21-1-2-3-3001\", action, resource is Kerbridge::Target);";
    let grant = permitted(ask(&(permit("desks") + barred)));
    assert!(grant.confirmed_by(&pac(&[USERS], &[])).is_ok());
    for pac in [pac(&[USERS, OTHERS], &[]), pac(&[USERS], &[OTHERS])] {
        let refused = grant.confirmed_by(&pac).expect_err("the PAC names the group");
        let text = refused.to_string();
        assert!(text.contains(OTHERS) && text.contains("policy \"barred\" forbids"), "{text}");
    }
}

#[test]
fn a_group_that_only_the_directory_names_excepts_nobody_from_what_forbids_a_group_that_it_hides() {
    let barred = format!(
        "@id(\"barred\") forbid(principal in Kerbridge::Group::\"{OTHERS}\", action, resource is Kerbridge::Target) \
         unless {{ principal in Kerbridge::Group::\"{CLEARED}\" }};"
    );
    let policy = policies(&(permit("desks") + &barred));
    let grant = permitted(asked(policy, &member(&["desktop users"], &[CLEARED])));
    assert!(grant.confirmed_by(&pac(&[USERS, CLEARED, OTHERS], &[])).is_ok());
    for pac in [pac(&[USERS, OTHERS], &[]), pac(&[USERS, OTHERS], &[CLEARED])] {
        let text = grant.confirmed_by(&pac).expect_err("barred, and not cleared").to_string();
        assert!(text.contains(OTHERS) && text.contains("policy \"barred\" forbids"), "{text}");
    }
}

#[test]
fn a_group_that_only_the_pac_names_permits_nothing() {
    let further =
        permit("further").replace("Desktop Users", OTHERS).replace(LOGIN, "Kerbridge::Action::\"delegate\"");
    let only_rdp = "@id(\"rdp\") permit(principal in Kerbridge::Group::\"Desktop Users\", action == Kerbridge::Action::\"delegate\", resource) when { context.service == \"termsrv\" };";
    let login = permit("login").replace(LOGIN, "[Kerbridge::Action::\"login\"]");
    let grant = permitted(ask(&(login + only_rdp + &further)));
    let confirmed = grant.confirmed_by(&pac(&[USERS, OTHERS], &[])).expect("confirmed");
    assert_eq!(confirmed.services().len(), 1);
}

#[test]
fn a_service_that_only_the_directory_permits_is_taken_away_and_the_rest_stays() {
    let admins = "@id(\"admins\") permit(principal in Kerbridge::Group::\"Admins\", action == Kerbridge::Action::\"delegate\", resource);";
    let rdp = "@id(\"rdp\") permit(principal in Kerbridge::Group::\"Desktop Users\", action == Kerbridge::Action::\"delegate\", resource) when { context.service == \"http\" };";
    let login = permit("login").replace(LOGIN, "[Kerbridge::Action::\"login\"]");
    let grant =
        permitted(asked(policies(&(login + admins + rdp)), &member(&["desktop users", "admins"], &[])));
    assert_eq!(grant.services().len(), 2);
    let confirmed = grant.confirmed_by(&pac(&[USERS], &[])).expect("the login stays");
    let services: Vec<String> = confirmed.services().iter().map(ToString::to_string).collect();
    assert_eq!(services, ["HTTP/desk1.corp.example"]);
    assert!(grant.confirmed_by(&pac(&[OTHERS], &[])).is_err());
}

#[test]
fn a_policy_without_groups_needs_no_word_about_them() {
    let everybody =
        permit("everybody").replace(" in Kerbridge::Group::\"Desktop Users\"", " is Kerbridge::Person");
    let grant = permitted(ask(&everybody));
    assert!(grant.groups().is_empty());
    assert!(grant.confirmed_by(&PacGroups::default()).is_ok());
}
