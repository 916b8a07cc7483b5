//! What a case expects, and how an answer differs from it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Answered;
use super::file::{Age, NotAmong, Text};
use crate::policy::{Denial, Grant, HandoverForm, Obligations, ServiceClass, overview};

/// `expect`: what is left out may be anything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    decision: Text<Verdict>,
    /// The ids of the policies that decide, all of them in any order.
    policies: Option<BTreeSet<String>>,
    /// The services that are granted, in this order.
    services: Option<Vec<Text<ServiceClass>>>,
    words: Option<String>,
    maximum_session: Option<Text<Age>>,
    maximum_ticket: Option<Text<Age>>,
    recheck: Option<Text<Age>>,
    handover: Option<BTreeSet<Form>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Permit,
    Deny,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

impl std::str::FromStr for Verdict {
    type Err = NotAmong;

    fn from_str(text: &str) -> Result<Self, NotAmong> {
        let found = [Self::Permit, Self::Deny].into_iter().find(|verdict| verdict.as_str() == text);
        found.ok_or(NotAmong("permit, deny"))
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Form(HandoverForm);

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// What the policies said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    verdict: Verdict,
    policies: Vec<String>,
    services: Vec<String>,
    reason: Option<String>,
    words: Vec<String>,
    obligations: Obligations,
}

impl Answer {
    pub(super) fn granted(grant: &Grant) -> Self {
        Self {
            services: grant.services().iter().map(|service| service.class().to_string()).collect(),
            obligations: grant.obligations().clone(),
            ..Self::permitted(grant.policies().to_vec())
        }
    }

    pub(super) fn permitted(policies: Vec<String>) -> Self {
        Self {
            verdict: Verdict::Permit,
            policies,
            services: Vec::new(),
            reason: None,
            words: Vec::new(),
            obligations: Obligations::default(),
        }
    }

    pub(super) fn refused(denial: &Denial) -> Self {
        Self {
            verdict: Verdict::Deny,
            reason: Some(denial.to_string()),
            words: denial.words().map(str::to_owned).collect(),
            ..Self::permitted(denial.policies().into_iter().map(str::to_owned).collect())
        }
    }

    /// A refusal that no policy has decided.
    pub(super) fn without(reason: String) -> Self {
        Self { verdict: Verdict::Deny, reason: Some(reason), ..Self::permitted(Vec::new()) }
    }

    pub(super) fn told(self) -> Answered {
        let Self { verdict, policies, services, reason, words, obligations } = self;
        Answered {
            decision: verdict.as_str(),
            policies,
            services,
            reason,
            words,
            obligations: overview::told(&obligations),
        }
    }
}

/// One thing that is not as expected.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Difference {
    /// The key of `expect`.
    pub key: &'static str,
    /// What was expected.
    pub expected: String,
    /// What the policies say.
    pub found: String,
}

impl Expected {
    pub(super) fn differences(&self, answer: &Answer) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut compare = |key, expected: Option<String>, found: String| {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                differences.push(Difference { key, expected, found });
            }
        };
        let Answer { verdict, policies, services, words, obligations, .. } = answer;
        compare("decision", Some(self.decision.0.as_str().to_owned()), verdict.as_str().to_owned());
        let found: BTreeSet<String> = policies.iter().cloned().collect();
        compare("policies", self.policies.as_ref().map(listed), listed(&found));
        let expected = self.services.as_ref().map(|services| {
            services
                .iter()
                .map(|class| class.0.to_string().to_ascii_lowercase())
                .collect::<Vec<_>>()
                .join(", ")
        });
        compare("services", expected, services.join(", ").to_ascii_lowercase());
        compare("words", self.words.clone(), words.join(" "));
        let time = |expected: &Option<Text<Age>>| expected.as_ref().map(|age| seconds(age.0.0));
        let found = |time: Option<Duration>| time.map_or_else(|| "none".to_owned(), seconds);
        compare("maximum_session", time(&self.maximum_session), found(obligations.maximum_session));
        compare("maximum_ticket", time(&self.maximum_ticket), found(obligations.maximum_ticket));
        compare("recheck", time(&self.recheck), found(obligations.recheck));
        let expected = self.handover.as_ref().map(|forms| joined(&forms.iter().map(|form| form.0).collect()));
        let found = obligations.handover.as_ref().map_or_else(|| "all".to_owned(), joined);
        compare("handover", expected, found);
        differences
    }
}

fn listed(ids: &BTreeSet<String>) -> String {
    ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn joined(forms: &BTreeSet<HandoverForm>) -> String {
    forms.iter().map(|form| form.as_str()).collect::<Vec<_>>().join(", ")
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}
