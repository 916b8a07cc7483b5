//! The third step: the rules.

use super::Loader;
use crate::{
    config::{
        Warning,
        document::Located,
        problem::{Fault, Place},
        raw,
    },
    policy::{Field, GroupRef, Policy, PolicyProblem, Rule, Settings},
    tickets::is_vouchable,
};

impl Loader<'_> {
    /// Compiles the rules. They may name the `gateways` and the `realms` and no others.
    pub(super) fn policy(
        &self,
        raw: &[raw::Rule],
        gateways: Vec<String>,
        realms: &[raw::TrustedRealm],
    ) -> Option<Policy> {
        let rules: Option<Vec<Rule>> = raw.iter().map(rule).collect();
        let realms = realms.iter().filter_map(|realm| Some(realm.name.as_ref()?.value.clone())).collect();
        let settings = Settings { rules: rules?, gateways, realms };
        match Policy::compile(&settings) {
            Ok(policy) => Some(policy),
            Err(problems) => {
                for problem in problems {
                    let place = raw.get(problem.place.index).map(|rule| place_of(&problem, rule));
                    let place = place.unwrap_or_else(|| Place::new("policy.rule", None));
                    self.problems.note(&place, Fault::step(problem.problem));
                }
                None
            }
        }
    }
}

/// A warning for every group that is named by a SID which is no domain's.
pub(super) fn warnings(raw: &[raw::Rule]) -> Vec<Warning> {
    let groups = raw.iter().flat_map(|rule| rule.groups.iter().flatten());
    let not_vouched = groups.filter_map(|group| match group.value.parse() {
        Ok(GroupRef::Sid(sid)) if !is_vouchable(&sid) => {
            Some(Warning::GroupNotVouched { key: group.place.key().to_owned(), sid })
        }
        // What is no group at all is a problem, and reported as one.
        Ok(GroupRef::Sid(_) | GroupRef::Name { .. }) | Err(_) => None,
    });
    not_vouched.collect()
}

fn rule(raw: &raw::Rule) -> Option<Rule> {
    Some(Rule {
        id: raw.id.as_ref()?.value.clone(),
        groups: texts(raw.groups.as_ref()?),
        targets: texts(raw.targets.as_ref()?),
        gateways: raw.gateways.as_deref().map(texts),
        services: texts(raw.services.as_ref()?),
        maximum_lifetime: raw.maximum_lifetime.as_ref()?.value,
    })
}

fn texts(list: &[Located<String>]) -> Vec<String> {
    list.iter().map(|entry| entry.value.clone()).collect()
}

/// The key a problem of a rule belongs to.
fn place_of(problem: &PolicyProblem, rule: &raw::Rule) -> Place {
    let entry = |list: &Option<Vec<Located<String>>>, index: Option<usize>| {
        let entry = list.as_ref().and_then(|list| list.get(index?));
        entry.map(|entry| entry.place.clone())
    };
    let place = match problem.field {
        Field::Id => rule.id.as_ref().map(|id| id.place.clone()),
        Field::Groups(index) => entry(&rule.groups, index),
        Field::Targets(index) => entry(&rule.targets, index),
        Field::Gateways(index) => entry(&rule.gateways, index),
        Field::Services(index) => entry(&rule.services, index),
        Field::MaximumLifetime => rule.maximum_lifetime.as_ref().map(|lifetime| lifetime.place.clone()),
    };
    place.unwrap_or_else(|| rule.place.clone())
}
