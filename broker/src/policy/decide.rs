//! The decision, and why it was not another.

use std::fmt;
use std::time::Duration;

use ldap_map::sid::Sid;

use super::origin::Origin;
use super::rule::{CompiledRule, Membership, Policy};
use super::service::ServiceName;
use super::target::Target;
use crate::directory::DirectoryAccount;

/// Most rules a denial names.
const NEAR_MISSES: usize = 5;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who.
    pub account: &'a DirectoryAccount,
    /// Through which gateway, by its configured name.
    pub gateway: &'a str,
    /// To what.
    pub target: &'a Target,
    /// From where, and by which channel.
    pub origin: Origin,
}

/// The answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub enum Decision {
    /// Yes, within these limits.
    Permit(Grant),
    /// No, and what was missing.
    Deny(Denial),
}

/// A permission with its limits. Only [`Policy::decide`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Grant {
    rule: String,
    target: Target,
    services: Vec<ServiceName>,
    maximum_lifetime: Duration,
    groups: Vec<Sid>,
}

impl Grant {
    /// The id of the rule that decided.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The services on the target, at least one; the first is the one tried at login.
    #[must_use]
    pub fn services(&self) -> &[ServiceName] {
        &self.services
    }

    /// The longest life of a ticket, and of what is derived from it.
    #[must_use]
    pub fn maximum_lifetime(&self) -> Duration {
        self.maximum_lifetime
    }

    /// The groups of the account that made the rule match, at least one. So far this is the directory's word alone.
    #[must_use]
    pub fn groups(&self) -> &[Sid] {
        &self.groups
    }

    fn by(rule: &CompiledRule, target: &Target, groups: Vec<Sid>) -> Self {
        let services =
            rule.services.iter().map(|class| ServiceName::new(class.clone(), target.clone())).collect();
        let (rule, maximum_lifetime) = (rule.id.clone(), rule.maximum_lifetime);
        Self { rule, target: target.clone(), services, maximum_lifetime, groups }
    }
}

/// A refusal. Its `Display` is for the administrator: it names rules and groups, which a cardholder is not told.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Denial {
    gateway: String,
    target: Target,
    near_misses: Vec<NearMiss>,
}

impl Denial {
    /// The rules that came closest, the closest first; empty where no rule came close at all.
    #[must_use]
    pub fn near_misses(&self) -> &[NearMiss] {
        &self.near_misses
    }

    /// The target that was asked for.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no rule permits {} through gateway {:?}", self.target, self.gateway)?;
        for (index, near_miss) in self.near_misses.iter().enumerate() {
            let separator = if index == 0 { "; closest: " } else { "; " };
            write!(f, "{separator}{near_miss}")?;
        }
        Ok(())
    }
}

/// A rule that did not match, and what it would have taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearMiss {
    /// The rule's id.
    pub rule: String,
    /// What did not fit, in the order group, target, gateway.
    pub missing: Vec<Missing>,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {:?} ", self.rule)?;
        for (index, missing) in self.missing.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{missing}")?;
        }
        Ok(())
    }
}

/// What did not fit a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Missing {
    /// The account is in none of these groups.
    Group(Vec<String>),
    /// The target fits none of these patterns.
    Target(Vec<String>),
    /// The gateway is none of these.
    Gateway(Vec<String>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(groups) => write!(f, "needs membership in one of {groups:?}"),
            Self::Target(patterns) => write!(f, "is for targets {patterns:?}"),
            Self::Gateway(gateways) => write!(f, "is for gateways {gateways:?}"),
        }
    }
}

impl Policy {
    /// Decides. The first rule that matches grants; none means denial.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.decide_for(&Membership::of(request.account), request.gateway, request.target)
    }

    pub(super) fn decide_for(&self, membership: &Membership, gateway: &str, target: &Target) -> Decision {
        let mut near_misses = Vec::new();
        for rule in &self.rules {
            let groups = membership.among(&rule.groups);
            let missing = missing(rule, &groups, gateway, target);
            if missing.is_empty() {
                return Decision::Permit(Grant::by(rule, target, groups));
            }
            near_misses.push(NearMiss { rule: rule.id.clone(), missing });
        }
        Decision::Deny(Denial {
            gateway: gateway.to_owned(),
            target: target.clone(),
            near_misses: closest(near_misses),
        })
    }
}

/// What does not fit; `groups` are those of the rule that the account is in.
fn missing(rule: &CompiledRule, groups: &[Sid], gateway: &str, target: &Target) -> Vec<Missing> {
    let mut missing = Vec::new();
    if groups.is_empty() {
        missing.push(Missing::Group(rule.groups.iter().map(ToString::to_string).collect()));
    }
    if !rule.targets.iter().any(|pattern| pattern.matches(target)) {
        missing.push(Missing::Target(rule.targets.iter().map(ToString::to_string).collect()));
    }
    if let Some(gateways) = rule.gateways.as_ref().filter(|gateways| !gateways.contains(gateway)) {
        missing.push(Missing::Gateway(gateways.iter().cloned().collect()));
    }
    missing
}

/// The rules that lack one thing only, then those that lack two, in the order of the file. A rule that fits neither
/// the account nor the target says nothing about this request and is left out.
fn closest(mut near_misses: Vec<NearMiss>) -> Vec<NearMiss> {
    near_misses.retain(|near_miss| {
        let lacks = |which: fn(&Missing) -> bool| near_miss.missing.iter().any(which);
        !(lacks(|missing| matches!(missing, Missing::Group(_)))
            && lacks(|missing| matches!(missing, Missing::Target(_))))
    });
    near_misses.sort_by_key(|near_miss| near_miss.missing.len());
    near_misses.truncate(NEAR_MISSES);
    near_misses
}
