use std::net::Ipv4Addr;

use cedar_policy::{Authorizer, Entities, PolicySet, Request};
use ldap_map::testing::Person as Object;

use super::*;
use crate::directory::testing::account;
use crate::identity::testing::{Authority, identity, now, peer, trusting, validator};
use crate::policy::schema;

fn alice() -> Person {
    let object = Object::new("alice").member_of(&["S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-513"]);
    Person::of(&account(&object), &identity(), &AuthenticationLevels::default())
}

fn desk() -> TargetFacts {
    TargetFacts::unknown(Target::new("desk1.corp.example").expect("a target"))
}

fn circumstances() -> Circumstances {
    Circumstances {
        gateway: "gw1".to_owned(),
        client_address: Some(Ipv4Addr::new(10, 1, 2, 3).into()),
        time: now(),
        channel: Channel::CardListener,
        revocation: Revocation { relied_on: Some(("crl".to_owned(), Duration::from_secs(60))) },
    }
}

/// Whether a policy permits, after its entities were taken; everything is held against the schema.
fn permits(
    policy: &str,
    person: &Person,
    target: &TargetFacts,
    asked: &Circumstances,
    service: bool,
) -> bool {
    let schema = schema().expect("a schema");
    let set: PolicySet = policy.parse().expect("policies");
    let validator = cedar_policy::Validator::new(schema.clone());
    let result = validator.validate(&set, cedar_policy::ValidationMode::Strict);
    assert!(result.validation_passed_without_warnings(), "{policy}: {result}");
    let mut literals = Literals::default();
    let spelt = set.policies().map(|policy| {
        let taken = policy.entity_literals().into_iter().map(|uid| {
            let one = literals.take(&uid).expect("a literal");
            (uid, one)
        });
        policy.sub_entity_literals(taken.collect()).expect("the same policy")
    });
    let set = PolicySet::from_policies(spelt.collect::<Vec<_>>()).expect("the same policies");
    let action = if service { "delegate" } else { "login" };
    let action = format!("Kerbridge::Action::{action:?}").parse().expect("an action");
    let context = asked.context(service.then_some("TERMSRV")).expect("a context");
    let request = Request::new(person.uid(), action, target.uid(), context, Some(&schema));
    let mut all = person.entities(&literals).expect("entities");
    all.push(target.entity(&literals).expect("an entity"));
    let entities = Entities::from_entities(all, Some(&schema)).expect("entities of the schema");
    let response = Authorizer::new().is_authorized(&request.expect("a request"), &set, &entities);
    let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
    assert_eq!(errors, Vec::<String>::new(), "{policy}");
    response.decision() == cedar_policy::Decision::Allow
}

fn when(condition: &str) -> String {
    format!(r#"permit(principal, action == Kerbridge::Action::"login", resource) when {{ {condition} }};"#)
}

fn holds(condition: &str) -> bool {
    permits(&when(condition), &alice(), &desk(), &circumstances(), false)
}

#[test]
fn every_attribute_of_the_person_is_what_account_and_card_say() {
    for condition in [
        r#"principal.account == "alice" && principal.realm == "CORP.EXAMPLE""#,
        r#"principal has upn && principal.upn == "alice@corp.example""#,
        r#"principal.sid like "S-1-5-21-*-1103""#,
        r#"principal.mapping.strength == "weak" && principal.mapping.form == "upn""#,
        r#"principal.certificate.serial == "1001""#,
        r#"principal.certificate.thumbprint like "*" && principal.certificate.policies.isEmpty()"#,
        r#"principal.authentication_level == 0"#,
        r#"principal.hasTag("subject.CN") && principal.getTag("subject.CN").contains("Alice")"#,
        r#"principal.hasTag("san.upn") && principal.getTag("san.upn").contains("alice@corp.example")"#,
        r#"!principal.hasTag("subject.UID")"#,
    ] {
        assert!(holds(condition), "{condition}");
    }
}

#[test]
fn names_are_compared_as_names() {
    for condition in [
        r#"principal.distinguished_name in Kerbridge::Name::"cn=USERS, dc=corp,dc=example""#,
        r#"principal.distinguished_name == Kerbridge::Name::"2.5.4.3=ALICE,CN=Users,DC=corp,DC=example""#,
        r#"principal.certificate.issuer == Kerbridge::Name::"cn=root, o=CORP""#,
        r#"principal.certificate.issuer in Kerbridge::Name::"O=Corp""#,
        r#"principal.certificate.subject in Kerbridge::Name::"o=corp""#,
    ] {
        assert!(holds(condition), "{condition}");
    }
    for condition in [
        r#"principal.distinguished_name in Kerbridge::Name::"CN=Admins,DC=corp,DC=example""#,
        r#"principal.certificate.subject in Kerbridge::Name::"CN=Alice\\,O=Corp""#,
        r#"principal.certificate.issuer == Kerbridge::Name::"O=Corp""#,
    ] {
        assert!(!holds(condition), "{condition}");
    }
}

#[test]
fn a_comma_inside_a_value_makes_no_further_part_of_a_name() {
    let root = Authority::root("Root");
    let card = root.card_with(|params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Mallory,O=Corp");
    });
    let identity = validator(trusting(&[&root])).judge(&peer(&[&card]), now()).expect("a good card");
    let mallory = Person::of(&account(&Object::new("alice")), &identity, &AuthenticationLevels::default());
    let inside = when(r#"principal.certificate.subject in Kerbridge::Name::"O=Corp""#);
    assert!(!permits(&inside, &mallory, &desk(), &circumstances(), false));
    let itself = when(r#"principal.certificate.subject == Kerbridge::Name::"CN=Mallory\\2cO\\3dcorp""#);
    assert!(permits(&itself, &mallory, &desk(), &circumstances(), false));
}

#[test]
fn every_attribute_of_the_target_and_of_the_circumstances_is_there() {
    for condition in [
        r#"resource.host == "desk1.corp.example" && resource.label == "desk1""#,
        r#"resource.domain == "corp.example" && !resource.in_directory"#,
        r#"resource in Kerbridge::Domain::"EXAMPLE""#,
        r#"context.gateway == Kerbridge::Gateway::"gw1" && context.channel == "card_listener""#,
        r#"context has client_address && context.client_address.isInRange(ip("10.0.0.0/8"))"#,
        r#"context.time > datetime("2020-01-01") && context.time < datetime("2100-01-01T00:00:00Z")"#,
        r#"context.revocation.checked && context.revocation has source && context.revocation.source == "crl""#,
        r#"context.revocation has age && context.revocation.age == 60"#,
    ] {
        assert!(holds(condition), "{condition}");
    }
}

#[test]
fn a_service_is_part_of_the_circumstances_of_a_delegation() {
    let policy = r#"permit(principal, action == Kerbridge::Action::"delegate", resource) when { context.service == "termsrv" };"#;
    assert!(permits(policy, &alice(), &desk(), &circumstances(), true));
}

#[test]
fn an_ipv4_address_is_one_however_a_listener_saw_it() {
    let mapped = Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped();
    let asked = Circumstances { client_address: Some(mapped.into()), ..circumstances() };
    let inside = when(r#"context has client_address && context.client_address.isInRange(ip("10.0.0.0/8"))"#);
    assert!(permits(&inside, &alice(), &desk(), &asked, false));
}

#[test]
fn what_is_not_known_is_absent() {
    let revocation = Revocation::of(&RevocationEvidence::SWITCHED_OFF, now());
    let asked = Circumstances { client_address: None, revocation, ..circumstances() };
    let absent = when(
        "!(context has client_address) && !context.revocation.checked && !(context.revocation has source) && \
         !(context.revocation has age)",
    );
    assert!(permits(&absent, &alice(), &desk(), &asked, false));
    let nameless = Object::new("alice").without("userPrincipalName");
    let nameless = Person::of(&account(&nameless), &identity(), &AuthenticationLevels::default());
    assert!(permits(&when("!(principal has upn)"), &nameless, &desk(), &circumstances(), false));
}

#[test]
fn a_level_of_authentication_is_the_highest_of_the_policies_that_hold() {
    let levels =
        AuthenticationLevels::new(BTreeMap::from([("1.2.3".to_owned(), 3), ("1.2.4".to_owned(), 4)]));
    let policies = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<_>>();
    for (held, level) in
        [(policies(&["1.2.3", "1.2.4"]), 4), (policies(&["1.2.3"]), 3), (policies(&["1.2"]), 0)]
    {
        assert_eq!(levels.of(&held), level, "{held:?}");
    }
}

#[test]
fn tags_of_the_configuration_are_the_targets() {
    let owner = BTreeSet::from(["alice".to_owned()]);
    let tagged = TargetFacts { tags: Tags::from([("owner".to_owned(), owner)]), ..desk() };
    let own = when(r#"resource.hasTag("owner") && resource.getTag("owner").contains(principal.account)"#);
    assert!(permits(&own, &alice(), &tagged, &circumstances(), false));
    assert!(!permits(&own, &alice(), &desk(), &circumstances(), false));
}
