//! Policies and grants for the tests of this and later steps.

use std::sync::Arc;
use std::time::Duration;

use ldap_map::testing::Person as Object;

use super::{
    AuthenticationLevels, Channel, Circumstances, Decision, Grant, Person, Policy, PolicyFile, Request,
    Revocation, Rule, Settings, Target, TargetFacts,
};
use crate::directory::DirectoryAccount;
use crate::identity::testing::{identity, now};
use crate::policy::rule::{Held, Membership, fold};

/// A rule for members of `Desktop Users`, for `*.corp.example`.
pub(crate) fn rule(id: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        groups: vec!["Desktop Users".to_owned()],
        targets: vec!["*.corp.example".to_owned()],
        gateways: None,
        services: vec!["TERMSRV".to_owned(), "HTTP".to_owned()],
        maximum_lifetime: Duration::from_secs(3600),
    }
}

/// The rules alone.
pub(crate) fn policy(rules: Vec<Rule>) -> Policy {
    Policy::compile(&Settings { rules, ..settings() }).expect("a good policy")
}

/// Policies of one file alone.
pub(crate) fn policies(text: &str) -> Policy {
    let problem =
        |problems: Vec<super::PolicyProblem>| problems.into_iter().map(|problem| problem.to_string());
    let files = vec![PolicyFile { name: "test.cedar".to_owned(), text: text.to_owned() }];
    let services = vec!["TERMSRV".parse().expect("a class"), "HTTP".parse().expect("a class")];
    let compiled = Policy::compile(&Settings { files, services, ..settings() });
    compiled.unwrap_or_else(|problems| panic!("{:#?}", problem(problems).collect::<Vec<_>>()))
}

/// Two gateways, and a realm beside our own.
pub(crate) fn settings() -> Settings {
    let gateways = vec!["gw1".to_owned(), "gw2".to_owned()];
    Settings { gateways, realms: vec!["BETA.EXAMPLE".to_owned()], ..Settings::default() }
}

/// A request of alice, in these groups.
pub(in crate::policy) fn request(membership: &Membership, gateway: &str, target: &str) -> Request {
    let account = crate::directory::testing::account(&Object::new("alice"));
    let mut request = request_of(&account, gateway, target);
    request.person.membership = membership.clone();
    request
}

/// A request of the account, at the card listener.
pub(crate) fn request_of(account: &DirectoryAccount, gateway: &str, target: &str) -> Request {
    Request {
        person: Person::of(account, &identity(), &AuthenticationLevels::default()),
        target: TargetFacts::unknown(Target::new(target).expect("a target")),
        circumstances: Circumstances {
            gateway: gateway.to_owned(),
            client_address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
            time: now(),
            channel: Channel::CardListener,
            revocation: Revocation::default(),
        },
        services: Vec::new(),
        no_others: false,
        is_controller: false,
    }
}

/// A member of a group of this name and SID.
pub(in crate::policy) fn held(name: &str, sid: &str) -> Held {
    Held { sid: sid.parse().expect("a SID"), name: Some(fold(name)) }
}

/// A grant of `services` on `target` by the rule `desktop-users`, for an hour, to a member of a group that every person of
/// the KDC in memory is in.
pub(crate) fn grant(target: &str, services: &[&str]) -> Grant {
    grant_by("S-1-5-21-1111-2222-3333-513", target, services)
}

/// Likewise, to a member of the group with the SID.
pub(crate) fn grant_by(sid: &str, target: &str, services: &[&str]) -> Grant {
    let rule = Rule {
        services: services.iter().map(|class| (*class).to_owned()).collect(),
        targets: vec![target.to_owned()],
        ..rule("desktop-users")
    };
    let membership = Membership { held: vec![held("Desktop Users", sid)], foreign: None };
    match Arc::new(policy(vec![rule])).decide(request(&membership, "gw1", target)) {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

/// A grant by the rule `desktop-users`, which permits by each of these groups, to somebody who is in all of them.
pub(crate) fn grant_by_groups(sids: &[&str]) -> Grant {
    let groups = sids.iter().map(|sid| (*sid).to_owned()).collect();
    let held = sids.iter().map(|sid| Held { sid: sid.parse().expect("a SID"), name: None }).collect();
    let policy = Arc::new(policy(vec![Rule { groups, ..rule("desktop-users") }]));
    match policy.decide(request(&Membership { held, foreign: None }, "gw1", "desk1.corp.example")) {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}
