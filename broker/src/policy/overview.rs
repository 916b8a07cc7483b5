//! What each policy is about, for an administrator.

use std::fmt;

use cedar_policy::{ActionConstraint, Effect, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::compiled::Compiled;
use super::engine::Policy;
use super::obligations::Obligations;

/// One policy in a few words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overview {
    /// Its id.
    pub id: String,
    /// Where it stands: `file:line`; `None` for one that a rule of the configuration is.
    pub place: Option<String>,
    /// What it is about, as its scope says it.
    pub about: String,
    /// What it obliges to, as its annotations say it.
    pub obligations: Vec<(&'static str, String)>,
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, place, about, obligations } = self;
        write!(f, "{id} ({}): {about}", place.as_deref().unwrap_or("policy.rule"))?;
        obligations.iter().try_for_each(|(name, value)| write!(f, ", {name} {value}"))
    }
}

impl Policy {
    /// All policies, in the order of the configuration.
    #[must_use]
    pub fn overview(&self) -> Vec<Overview> {
        self.policies.iter().map(overview).collect()
    }
}

fn overview(compiled: &Compiled) -> Overview {
    Overview {
        id: compiled.id.clone(),
        place: compiled.place.as_ref().map(|(file, line)| format!("{file}:{line}")),
        about: compiled.policy().map(about).unwrap_or_default(),
        obligations: told(&compiled.obligations),
    }
}

fn about(policy: &cedar_policy::Policy) -> String {
    let effect = match policy.effect() {
        Effect::Permit => "permits",
        Effect::Forbid => "forbids",
    };
    let actions = match policy.action_constraint() {
        ActionConstraint::Any => "every action".to_owned(),
        ActionConstraint::Eq(action) => id(&action),
        ActionConstraint::In(actions) => actions.iter().map(id).collect::<Vec<_>>().join(" and "),
    };
    let who = match policy.principal_constraint() {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::Is(kind) => Some(format!("every {}", kind.basename())),
        PrincipalConstraint::Eq(uid) => Some(named(&uid)),
        PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
            Some(format!("in {}", named(&uid)))
        }
    };
    let what = match policy.resource_constraint() {
        ResourceConstraint::Any => None,
        ResourceConstraint::Is(kind) => Some(format!("every {}", kind.basename())),
        ResourceConstraint::Eq(uid) => Some(named(&uid)),
        ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => Some(format!("in {}", named(&uid))),
    };
    let who = who.map_or_else(|| "everybody".to_owned(), |who| format!("who is {who}"));
    let what = what.map_or_else(|| "on anything".to_owned(), |what| format!("on what is {what}"));
    let condition = if policy.has_non_scope_constraint() { ", on conditions" } else { "" };
    format!("{effect} {actions} to {who} {what}{condition}")
}

fn id(uid: &EntityUid) -> String {
    uid.id().unescaped().to_owned()
}

fn named(uid: &EntityUid) -> String {
    format!("{}::{:?}", uid.type_name().basename(), uid.id().unescaped())
}

/// Obligations as annotations say them.
pub(super) fn told(obligations: &Obligations) -> Vec<(&'static str, String)> {
    let Obligations { maximum_session, maximum_ticket, recheck, handover } = obligations;
    let times =
        [("maximum_session", maximum_session), ("maximum_ticket", maximum_ticket), ("recheck", recheck)];
    let times = times.into_iter().filter_map(|(name, time)| Some((name, format!("{}s", (*time)?.as_secs()))));
    let joined = |forms: &std::collections::BTreeSet<super::HandoverForm>| {
        forms.iter().map(|form| form.as_str()).collect::<Vec<_>>().join(",")
    };
    times.chain(handover.as_ref().map(|forms| ("handover", joined(forms)))).collect()
}
