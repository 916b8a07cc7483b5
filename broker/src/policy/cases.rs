//! Cases: what policies are asked, and what they should answer, written down by an administrator (`kerbridge policy test`).
//!
//! A case is put before the policies as a login would be, by the same code. Pure; no I/O, no clock.

mod expected;
mod file;

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

pub use self::expected::Difference;
pub use self::file::{CasesError, MAXIMUM_CASES};

use self::expected::Answer;
use self::file::{Case, File};
use super::decide::{Decision, Request};
use super::engine::Policy;
use super::targets::Targets;
use super::{Action, Denial};

/// A file of cases that has been read.
#[derive(Debug)]
pub struct Cases {
    file: File,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The line it begins at, from 1; 0 where that is not known.
    pub line: usize,
    /// What the policies answer.
    #[serde(flatten)]
    pub answer: Answered,
    /// Where that is not what was expected; empty where it is.
    pub differences: Vec<Difference>,
}

/// What the policies answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Answered {
    /// `permit` or `deny`.
    pub decision: &'static str,
    /// The ids of the policies that decided.
    pub policies: Vec<String>,
    /// The service classes that are granted.
    pub services: Vec<String>,
    /// Why it is denied, for an administrator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the cardholder is told beside, where a policy says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// What a permission obliges to, as annotations say it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<(&'static str, String)>,
}

impl Cases {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// [`CasesError`], with its place.
    pub fn parse(text: &str) -> Result<Self, CasesError> {
        File::parse(text).map(|file| Self { file })
    }

    /// The gateways that the cases name, for policies that stand without a configuration.
    #[must_use]
    pub fn gateways(&self) -> Vec<String> {
        self.file.gateways()
    }

    /// The service classes that are asked about at every target, for the same.
    #[must_use]
    pub fn services(&self) -> Vec<super::ServiceClass> {
        self.file.services()
    }

    /// The realms of people who are not of our own domain, for the same.
    #[must_use]
    pub fn realms(&self) -> Vec<String> {
        self.file.realms()
    }

    /// Puts every case before the policies; `now` is the time of those that do not say one.
    #[must_use]
    pub fn run(&self, policy: &Arc<Policy>, targets: &Targets, now: SystemTime) -> Vec<Outcome> {
        self.file.cases().map(|case| outcome(policy, targets, &case, now)).collect()
    }
}

fn outcome(policy: &Arc<Policy>, targets: &Targets, case: &Case<'_>, now: SystemTime) -> Outcome {
    let answer = answer(policy, targets, case, now);
    let differences = case.expected().differences(&answer);
    Outcome { name: case.name().to_owned(), line: case.line(), answer: answer.told(), differences }
}

fn answer(policy: &Arc<Policy>, targets: &Targets, case: &Case<'_>, now: SystemTime) -> Answer {
    match case.action() {
        Action::Login | Action::Delegate => {
            let Some((target, services)) = case.target(targets) else {
                return Answer::without("the case has no target".to_owned());
            };
            let asked = Request {
                person: case.person(policy.levels()),
                is_controller: case.is_controller(),
                circumstances: case.circumstances(now),
                no_others: case.service().is_some(),
                target,
                services,
            };
            match policy.decide(asked) {
                Decision::Permit(grant) => Answer::granted(&grant),
                Decision::Deny(denial) => Answer::refused(&denial),
            }
        }
        Action::PresentCertificate => {
            let (gateway, circumstances) = (case.who(), case.circumstances(now));
            let (client, time) = (circumstances.client_address, circumstances.time);
            match policy.may_present(gateway, client, time, case.proof()) {
                Ok(()) => Answer::permitted(Vec::new()),
                Err(reasons) => Answer::refused(&Denial::about_broker(gateway, reasons)),
            }
        }
        Action::Administer => {
            let circumstances = case.circumstances(now);
            let person = case.person(policy.levels());
            match policy.may_administer(&person, circumstances.client_address, circumstances.time) {
                Ok(policies) => Answer::permitted(policies),
                Err(reasons) => Answer::refused(&Denial::about_broker(&circumstances.gateway, reasons)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
