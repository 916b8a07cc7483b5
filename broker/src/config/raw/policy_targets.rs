//! `[[policy.target]]` and `[[policy.authentication_level]]`: what policies are told of hosts and of certificate policies.

use std::collections::BTreeMap;

use crate::config::{
    document::{Located, Section},
    problem::Place,
};

/// `[[policy.target]]`.
#[derive(Debug)]
pub(in crate::config) struct PolicyTarget {
    pub(in crate::config) place: Place,
    pub(in crate::config) host: Option<Located<String>>,
    pub(in crate::config) services: Vec<Located<String>>,
    pub(in crate::config) tags: BTreeMap<String, Vec<Located<String>>>,
}

/// `[[policy.authentication_level]]`.
#[derive(Debug)]
pub(in crate::config) struct AuthenticationLevel {
    pub(in crate::config) policy: Option<Located<String>>,
    pub(in crate::config) level: Option<Located<usize>>,
}

impl PolicyTarget {
    /// All of them, of the section `[policy]`.
    pub(in crate::config) fn all(policy: &Section<'_>) -> Vec<Self> {
        policy.sections("target").into_iter().map(Self::read).collect()
    }

    fn read(section: Section<'_>) -> Self {
        let read = Self {
            place: section.place(),
            host: section.required("host"),
            services: section.list("services").unwrap_or_default(),
            tags: section.lists("tags"),
        };
        section.close();
        read
    }
}

impl AuthenticationLevel {
    /// All of them, of the section `[policy]`.
    pub(in crate::config) fn all(policy: &Section<'_>) -> Vec<Self> {
        policy.sections("authentication_level").into_iter().map(Self::read).collect()
    }

    fn read(section: Section<'_>) -> Self {
        let level = section.required("level");
        if let Some(level) = &level
            && !(1..=100).contains(&level.value)
        {
            let (low, high) = ("1".to_owned(), "100".to_owned());
            section.problems().note(&level.place, crate::config::problem::Fault::OutOfRange { low, high });
        }
        let read = Self { policy: section.required("policy"), level };
        section.close();
        read
    }
}
