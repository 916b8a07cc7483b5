mod engine;

use std::sync::Arc;
use std::time::Duration;

use ldap_map::testing::{DOMAIN_SID, Person};

use super::rule::{Held, Membership};
use super::testing::{grant, held, policy, request, request_of, rule, settings};
use super::{
    Decision, Denial, Field, Grant, Missing, Policy, PolicyProblem, Problem, Rule, RuleProblem, Settings,
};

/// Members of groups of these names, with the relative identifiers 2001 and on, and of one with the SID.
fn member(names: &[&str], sids: &[&str]) -> Membership {
    let by_name = (2001..).zip(names).map(|(rid, name)| held(name, &format!("S-1-5-21-1-2-3-{rid}")));
    let by_sid = sids.iter().map(|sid| Held { sid: sid.parse().expect("a SID"), name: None });
    Membership { held: by_name.chain(by_sid).collect(), foreign: None }
}

fn decide(rules: Vec<Rule>, membership: &Membership, gateway: &str, target: &str) -> Decision {
    Arc::new(policy(rules)).decide(request(membership, gateway, target))
}

fn permitted(decision: Decision) -> Grant {
    match decision {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

fn denied(decision: Decision) -> Denial {
    match decision {
        Decision::Deny(denial) => denial,
        Decision::Permit(grant) => panic!("permitted by {}", grant.decided_by()),
    }
}

fn alice() -> Membership {
    member(&["desktop users", "domain users"], &["S-1-5-21-1-2-3-1104"])
}

#[test]
fn a_member_is_permitted_and_the_rule_is_named() {
    let grant = permitted(decide(vec![rule("desktop-users")], &alice(), "gw1", "desk1.corp.example"));
    assert_eq!(grant.decided_by(), "desktop-users");
    assert_eq!(grant.maximum_session(), Duration::from_secs(3600));
}

#[test]
fn the_granted_services_are_on_the_target_in_the_order_of_the_rule() {
    let services: Vec<String> = grant("desk1.corp.example", &["TERMSRV", "host"])
        .services()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(services, ["TERMSRV/desk1.corp.example", "host/desk1.corp.example"]);
}

#[test]
fn without_a_rule_everything_is_denied() {
    let denial = denied(decide(Vec::new(), &alice(), "gw1", "desk1.corp.example"));
    assert_eq!(denial.to_string(), r#"no policy permits desk1.corp.example through gateway "gw1""#);
}

#[test]
fn a_group_can_be_named_by_its_sid() {
    let by_sid = Rule { groups: vec!["s-1-5-21-1-2-3-1104".to_owned()], ..rule("by-sid") };
    assert_eq!(permitted(decide(vec![by_sid], &alice(), "gw1", "desk1.corp.example")).decided_by(), "by-sid");
}

#[test]
fn a_grant_names_every_group_that_made_its_rule_match() {
    let either = ["desktop users", "s-1-5-21-1-2-3-1104", "admins"].map(str::to_owned).to_vec();
    let grant = permitted(decide(
        vec![Rule { groups: either, ..rule("either") }],
        &alice(),
        "gw1",
        "desk1.corp.example",
    ));
    let groups: Vec<String> = grant.groups().iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["S-1-5-21-1-2-3-2001", "S-1-5-21-1-2-3-1104"]);
}

#[test]
fn a_group_spelt_with_a_letter_that_only_looks_alike_is_another_group() {
    for forged in ["Des\u{212a}top Users", "De\u{17f}ktop Users", "Desktop U\u{455}ers"] {
        let member = member(&[forged], &[]);
        denied(decide(vec![rule("desktop-users")], &member, "gw1", "desk1.corp.example"));
    }
    let umlaut = Rule { groups: vec!["B\u{dc}RO".to_owned()], ..rule("umlaut") };
    let member = member(&["B\u{fc}ro"], &[]);
    assert_eq!(permitted(decide(vec![umlaut], &member, "gw1", "desk1.corp.example")).decided_by(), "umlaut");
}

#[test]
fn the_groups_of_the_directory_decide() {
    let account = crate::directory::testing::account(&Person::new("alice"));
    let users = Rule { groups: vec![format!("{DOMAIN_SID}-513")], ..rule("domain-users") };
    let admins = Rule { groups: vec![format!("{DOMAIN_SID}-512")], ..rule("domain-admins") };
    let decide =
        |rule| Arc::new(policy(vec![rule])).decide(request_of(&account, "gw1", "desk1.corp.example"));
    assert_eq!(permitted(decide(users)).decided_by(), "domain-users");
    assert_eq!(denied(decide(admins)).near_misses()[0].policy, "domain-admins");
}

/// A person of beta.example in these groups, by the word of beta's directory.
fn foreigner(groups: &[&str]) -> crate::directory::DirectoryAccount {
    let carol = Person::new("alice")
        .at("CN=alice,CN=Users,DC=beta,DC=example")
        .sid("S-1-5-21-2-2-2-1110")
        .member_of(groups);
    crate::directory::testing::foreign_account(&carol, DOMAIN_SID)
}

#[test]
fn another_domains_directory_is_believed_about_groups_of_that_domain_only() {
    let groups = ["S-1-5-21-2-2-2-2001", &format!("{DOMAIN_SID}-2001"), "S-1-5-32-555", "S-1-5-11"];
    let carol = foreigner(&groups);
    let by = |group: &str| {
        let policy = policy(vec![Rule { groups: vec![group.to_owned()], ..rule("by-sid") }]);
        Arc::new(policy).decide(request_of(&carol, "gw1", "desk1.corp.example"))
    };
    assert_eq!(permitted(by(groups[0])).groups(), ["S-1-5-21-2-2-2-2001".parse().expect("a SID")]);
    for group in &groups[1..] {
        denied(by(group));
    }
}

#[test]
fn a_group_of_the_same_name_in_another_domain_is_another_group() {
    let of = |realm: Option<&str>| {
        let foreign = realm.map(str::to_owned);
        Membership { held: vec![held("Desktop Users", "S-1-5-21-2-2-2-2001")], foreign }
    };
    let named = |group: &str| vec![Rule { groups: vec![group.to_owned()], ..rule("named") }];
    let decide = |group: &str, realm| decide(named(group), &of(realm), "gw1", "desk1.corp.example");
    assert_eq!(permitted(decide("Desktop Users@beta.example", Some("BETA.EXAMPLE"))).decided_by(), "named");
    denied(decide("Desktop Users", Some("BETA.EXAMPLE")));
    denied(decide("Desktop Users@BETA.EXAMPLE", Some("GAMMA.EXAMPLE")));
    denied(decide("Desktop Users@BETA.EXAMPLE", None));
    assert_eq!(permitted(decide("Desktop Users", None)).decided_by(), "named");
}

#[test]
fn a_group_of_a_realm_that_is_not_configured_is_a_problem() {
    let groups =
        ["Desktop Users@BETA.EXAMPLE", "Desktop Users@GAMMA.EXAMPLE", "@BETA.EXAMPLE", "a@b@BETA.EXAMPLE"];
    let groups = groups.map(str::to_owned).to_vec();
    let problems = problems(vec![Rule { groups, ..rule("groups") }]);
    let fields: Vec<Field> = problems.iter().map(|problem| problem.field).collect();
    assert_eq!(fields, [Field::Groups(Some(2)), Field::Groups(Some(3)), Field::Groups(Some(1))]);
    assert!(problems[2].to_string().contains("no [[realm]] of this name"), "{}", problems[2]);
}

#[test]
fn a_group_name_is_compared_without_regard_to_case() {
    let shouted = Rule { groups: vec!["DESKTOP USERS".to_owned()], ..rule("shouted") };
    assert_eq!(
        permitted(decide(vec![shouted], &alice(), "gw1", "desk1.corp.example")).decided_by(),
        "shouted"
    );
}

#[test]
fn who_is_in_no_group_of_the_rule_is_denied() {
    let denial =
        denied(decide(vec![rule("desktop-users")], &member(&["guests"], &[]), "gw1", "desk1.corp.example"));
    assert_eq!(denial.near_misses()[0].missing, [Missing::Group(vec!["desktop users".to_owned()])]);
}

#[test]
fn an_account_without_groups_is_denied() {
    let denial =
        denied(decide(vec![rule("desktop-users")], &Membership::default(), "gw1", "desk1.corp.example"));
    assert_eq!(denial.near_misses().len(), 1);
}

#[test]
fn a_target_outside_the_patterns_is_denied() {
    let denial = denied(decide(vec![rule("desktop-users")], &alice(), "gw1", "desk1.other.example"));
    assert_eq!(denial.near_misses()[0].missing, [Missing::Target(vec!["*.corp.example".to_owned()])]);
}

#[test]
fn a_rule_for_other_gateways_does_not_match() {
    let elsewhere = Rule { gateways: Some(vec!["gw2".to_owned()]), ..rule("elsewhere") };
    let denial = denied(decide(vec![elsewhere.clone()], &alice(), "gw1", "desk1.corp.example"));
    assert_eq!(denial.near_misses()[0].missing, [Missing::Gateway(vec!["gw2".to_owned()])]);
    assert_eq!(
        permitted(decide(vec![elsewhere], &alice(), "gw2", "desk1.corp.example")).decided_by(),
        "elsewhere"
    );
}

#[test]
fn of_several_matching_rules_all_decide_and_the_strictest_lifetime_holds() {
    let wide = rule("wide");
    let narrow = Rule {
        targets: vec!["desk1.corp.example".to_owned()],
        services: vec!["host".to_owned(), "http".to_owned()],
        maximum_lifetime: Duration::from_secs(600),
        ..rule("narrow")
    };
    let grant = permitted(decide(vec![wide, narrow], &alice(), "gw1", "desk1.corp.example"));
    assert_eq!(grant.policies(), ["wide", "narrow"]);
    assert_eq!(grant.maximum_session(), Duration::from_secs(600));
    let services: Vec<_> = grant.services().iter().map(|service| service.class().as_str()).collect();
    assert_eq!(services, ["TERMSRV", "HTTP", "host"]);
}

#[test]
fn a_denial_names_the_closest_rules_first_and_leaves_strangers_out() {
    let two_short = Rule {
        gateways: Some(vec!["gw2".to_owned()]),
        targets: vec!["srv.corp.example".to_owned()],
        ..rule("two-short")
    };
    let one_short = Rule { groups: vec!["Admins".to_owned()], ..rule("one-short") };
    let stranger = Rule {
        groups: vec!["Others".to_owned()],
        targets: vec!["*.other.example".to_owned()],
        ..rule("stranger")
    };
    let denial = denied(decide(vec![two_short, stranger, one_short], &alice(), "gw1", "desk1.corp.example"));
    let expected = "no policy permits desk1.corp.example through gateway \"gw1\"; closest: \
                    policy \"one-short\" needs membership in one of [\"admins\"]; \
                    policy \"two-short\" is for targets [\"srv.corp.example\"] and is for gateways [\"gw2\"]";
    assert_eq!(denial.to_string(), expected);
}

#[test]
fn a_denial_names_at_most_five_rules() {
    let rules =
        (0..20).map(|n| Rule { groups: vec!["Admins".to_owned()], ..rule(&format!("r{n}")) }).collect();
    assert_eq!(denied(decide(rules, &alice(), "gw1", "desk1.corp.example")).near_misses().len(), 5);
}

fn problems(rules: Vec<Rule>) -> Vec<RuleProblem> {
    let problems = Policy::compile(&Settings { rules, ..settings() }).expect_err("a bad policy");
    let of_rule = |problem| match problem {
        PolicyProblem::Rule(problem) => problem,
        other => panic!("{other}"),
    };
    problems.into_iter().map(of_rule).collect()
}

fn only(rule: Rule) -> (Field, Problem) {
    let mut found = problems(vec![rule]);
    assert_eq!(found.len(), 1, "{found:?}");
    let problem = found.remove(0);
    (problem.field, problem.problem)
}

#[test]
fn every_problem_of_every_rule_is_reported_with_its_place() {
    let first = Rule { id: String::new(), services: vec!["krbtgt".to_owned()], ..rule("x") };
    let second = Rule {
        targets: vec!["ok.corp.example".to_owned(), "not a host".to_owned()],
        maximum_lifetime: Duration::ZERO,
        ..rule("second")
    };
    let texts: Vec<String> = problems(vec![first, second]).iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "rule 1, id: an id has 1 to 64 letters, digits, hyphens, underscores and dots",
            "rule 1, services[0]: \"krbtgt\": this service class is never granted",
            "rule 2 (\"second\"), targets[1]: \"not a host\": labels consist of letters, digits and inner hyphens",
            "rule 2 (\"second\"), maximum_lifetime: a lifetime is longer than nothing and at most 24 hours",
        ]
    );
}

#[test]
fn an_id_that_is_used_twice_is_a_problem() {
    let found = problems(vec![rule("same"), rule("same")]);
    assert_eq!((found[0].place.index, &found[0].problem), (1, &Problem::DuplicateId));
}

#[test]
fn an_empty_list_is_a_problem() {
    assert_eq!(only(Rule { groups: Vec::new(), ..rule("r") }), (Field::Groups(None), Problem::Empty));
    assert_eq!(only(Rule { targets: Vec::new(), ..rule("r") }), (Field::Targets(None), Problem::Empty));
    assert_eq!(only(Rule { services: Vec::new(), ..rule("r") }), (Field::Services(None), Problem::Empty));
    assert_eq!(
        only(Rule { gateways: Some(Vec::new()), ..rule("r") }),
        (Field::Gateways(None), Problem::Empty)
    );
}

#[test]
fn a_gateway_that_is_not_configured_is_a_problem() {
    let found = only(Rule { gateways: Some(vec!["gw9".to_owned()]), ..rule("r") });
    assert_eq!(found, (Field::Gateways(Some(0)), Problem::UnknownGateway { text: "gw9".to_owned() }));
}

#[test]
fn a_sid_that_is_none_is_a_problem_and_not_a_name() {
    let (field, problem) = only(Rule { groups: vec!["S-1-5-x".to_owned()], ..rule("r") });
    assert_eq!(field, Field::Groups(Some(0)));
    assert!(matches!(problem, Problem::Group { .. }));
}

#[test]
fn a_group_name_with_spaces_around_it_is_a_problem() {
    assert!(matches!(only(Rule { groups: vec![" Users".to_owned()], ..rule("r") }).1, Problem::Group { .. }));
}

#[test]
fn an_entry_that_is_there_twice_is_a_problem() {
    let services = vec!["HTTP".to_owned(), "http".to_owned()];
    let found = only(Rule { services, ..rule("r") });
    assert_eq!(found, (Field::Services(Some(1)), Problem::Duplicate { text: "http".to_owned() }));
}

#[test]
fn a_lifetime_of_more_than_a_day_is_a_problem() {
    let found = only(Rule { maximum_lifetime: Duration::from_secs(86_401), ..rule("r") });
    assert_eq!(found, (Field::MaximumLifetime, Problem::Lifetime));
}
