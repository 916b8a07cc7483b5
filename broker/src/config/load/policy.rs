//! The third step: the rules.

use std::{error::Error, str::FromStr};

use super::Loader;
use crate::{
    config::{
        Warning,
        document::Located,
        problem::{Fault, Place},
        raw,
    },
    policy::{
        Bounds, Field, GroupRef, Policy, PolicyProblem, Rule, RuleProblem, Settings, Target, is_vouchable,
    },
};

impl Loader<'_> {
    /// Reads rules and files. They may name the `gateways` and the `realms` and no others.
    pub(super) fn policy_settings(
        &self,
        policy: &raw::Policy,
        gateways: Vec<String>,
        realms: &[raw::TrustedRealm],
        kerberos: &raw::Kerberos,
    ) -> Option<Settings> {
        let rules: Option<Vec<Rule>> = policy.rules.iter().map(rule).collect();
        let realms = realms.iter().filter_map(|realm| Some(realm.name.as_ref()?.value.clone())).collect();
        let files = self.policy_files(&policy.files);
        let services = self.each_parsed(&policy.services);
        let bounds = self.bounds(policy, kerberos);
        let levels = self.authentication_levels(&policy.authentication_levels);
        Some(Settings {
            rules: rules?,
            files: files?,
            services: services?,
            bounds: bounds?,
            levels: levels?,
            gateways,
            realms,
        })
    }

    /// Compiles them.
    pub(super) fn policy(&self, policy: &raw::Policy, settings: &Settings) -> Option<Policy> {
        let raw = &policy.rules;
        match Policy::compile(settings) {
            Ok(compiled) => {
                let unread = ComputersNotRead::among(&compiled, policy);
                let is_sound = unread.is_empty();
                let place = policy.targets_in_directory.as_ref().map(|read| read.place.clone());
                let place = place.unwrap_or_else(|| Place::new("policy.targets_in_directory", None));
                for problem in unread {
                    self.problems
                        .note(&place, Fault::mended(problem, "set policy.targets_in_directory = true"));
                }
                is_sound.then_some(compiled)
            }
            Err(problems) => {
                for problem in problems {
                    let problem = match problem {
                        PolicyProblem::Rule(problem) => problem,
                        other => {
                            let place = policy.files.first().map(|file| file.place.clone());
                            let place = place.unwrap_or_else(|| Place::new("policy", None));
                            self.problems.note(&place, Fault::mended(other, MEND));
                            continue;
                        }
                    };
                    let place = raw.get(problem.place.index).map(|rule| place_of(&problem, rule));
                    let place = place.unwrap_or_else(|| Place::new("policy.rule", None));
                    self.problems.note(&place, Fault::step(problem.problem));
                }
                None
            }
        }
    }
}

impl Loader<'_> {
    /// This broker is one of them.
    fn bounds(&self, policy: &raw::Policy, kerberos: &raw::Kerberos) -> Option<Bounds> {
        let (brokers, exceptions) =
            (self.each_parsed(&policy.brokers), self.each_parsed(&policy.bound_exceptions));
        let own = own_host(kerberos);
        Some(Bounds { brokers: brokers?.into_iter().chain(own).collect(), exceptions: exceptions? })
    }

    /// Reads every entry of a list; every wrong one is noted.
    fn each_parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(
        &self,
        list: &[Located<String>],
    ) -> Option<Vec<T>> {
        let read = |entry: &Located<String>| {
            self.problems.keep(&entry.place, entry.value.parse().map_err(Fault::step))
        };
        let read: Vec<Option<T>> = list.iter().map(read).collect();
        read.into_iter().collect()
    }
}

/// The host of our own SPN; one that is not fully qualified is in our own domain.
fn own_host(kerberos: &raw::Kerberos) -> Option<Target> {
    let (spn, realm) = (&kerberos.spn.as_ref()?.value, &kerberos.realm.as_ref()?.value);
    let host = spn.split('/').nth(1)?.split(['@', ':']).next()?;
    Target::new(host).or_else(|_| Target::new(&format!("{host}.{realm}"))).ok()
}

/// Policies that ask for what the directory is not asked for: they would forbid nothing.
#[derive(Debug, thiserror::Error)]
#[error("policy {policy:?} asks in which groups a target is, and no computer object is read for that")]
pub(super) struct ComputersNotRead {
    policy: String,
}

impl ComputersNotRead {
    /// Each of these policies.
    pub(super) fn among(policy: &Policy, raw: &raw::Policy) -> Vec<Self> {
        let are_read = raw.targets_in_directory.as_ref().is_some_and(|read| read.value);
        let asking = policy.about_groups_of_targets().filter(|_| !are_read);
        asking.map(|policy| Self { policy: policy.to_owned() }).collect()
    }
}

/// What to do about a policy that is refused.
const MEND: &str = "correct the file; kerbridge validate tells whether its policies fit";

/// The same for what policies of files permit by.
pub(super) fn warnings_of_files(policy: &Policy) -> Vec<Warning> {
    let groups = policy.groups_of_files().filter(|(_, sid)| !is_vouchable(sid));
    groups
        .map(|(id, sid)| Warning::GroupNotVouched { key: format!("policy {id}"), sid: sid.clone() })
        .collect()
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
fn place_of(problem: &RuleProblem, rule: &raw::Rule) -> Place {
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
