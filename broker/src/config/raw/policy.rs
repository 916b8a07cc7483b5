//! `[policy]`: what decides.

use std::path::PathBuf;

use super::{
    policy_targets::{AuthenticationLevel, PolicyTarget},
    steps::Rule,
};
use crate::config::{
    document::{Located, Section},
    problem::Fault,
};

/// `[policy]`, beside its rules.
#[derive(Debug)]
pub(in crate::config) struct Policy {
    pub(in crate::config) rules: Vec<Rule>,
    pub(in crate::config) files: Vec<Located<PathBuf>>,
    pub(in crate::config) candidate: Vec<Located<PathBuf>>,
    pub(in crate::config) targets: Vec<PolicyTarget>,
    pub(in crate::config) targets_in_directory: Option<Located<bool>>,
    pub(in crate::config) authentication_levels: Vec<AuthenticationLevel>,
    pub(in crate::config) services: Vec<Located<String>>,
    pub(in crate::config) brokers: Vec<Located<String>>,
    pub(in crate::config) bound_exceptions: Vec<Located<String>>,
}

impl Policy {
    pub(super) fn read(section: Section<'_>) -> Self {
        if !section.has("rule") && !section.has("files") {
            let example = "[[policy.rule]] with id, groups, targets and services, or policy.files".to_owned();
            section.problems().note(&section.place_of("rule"), Fault::Missing { example });
        }
        let read = Self {
            rules: section.sections("rule").into_iter().map(Rule::read).collect(),
            files: section.list("files").unwrap_or_default(),
            candidate: section.list("candidate").unwrap_or_default(),
            targets: PolicyTarget::all(&section),
            targets_in_directory: section.or("targets_in_directory", false),
            authentication_levels: AuthenticationLevel::all(&section),
            services: section.list("services").unwrap_or_default(),
            brokers: section.list("brokers").unwrap_or_default(),
            bound_exceptions: section.list("bound_exceptions").unwrap_or_default(),
        };
        section.close();
        read
    }
}
