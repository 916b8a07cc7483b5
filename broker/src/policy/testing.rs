//! Policies and grants for the tests of this and later steps.

use std::time::Duration;

use super::{Decision, Grant, Policy, Rule, Settings, Target};
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

pub(crate) fn policy(rules: Vec<Rule>) -> Policy {
    let gateways = vec!["gw1".to_owned(), "gw2".to_owned()];
    let realms = vec!["BETA.EXAMPLE".to_owned()];
    Policy::compile(&Settings { rules, gateways, realms }).expect("a good policy")
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
    let target = Target::new(target).expect("a target");
    match policy(vec![rule]).decide_for(&membership, "gw1", &target) {
        Decision::Permit(grant) => grant,
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

/// A login at the card listener.
pub(crate) fn origin() -> super::Origin {
    super::Origin::direct(std::net::Ipv4Addr::LOCALHOST.into())
}
