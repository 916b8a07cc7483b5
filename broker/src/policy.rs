//! Third step: may this account use this target through this gateway. Pure; no I/O, no clock.
//!
//! A policy is a list of [`Rule`]s in the order of the configuration file. A rule matches where the account is
//! in one of its groups, the target fits one of its patterns, and the gateway is one of those it names (or it
//! names none). **The first rule that matches decides**, and is named in the [`Grant`]; later ones are not
//! looked at, so that a narrow rule stands before a wide one. Where none matches the answer is a [`Denial`].

mod compile;
mod decide;
#[expect(dead_code, reason = "decisions are about to be made by it")]
mod facts;
#[expect(dead_code, reason = "decisions are about to be made by it")]
mod literals;
mod origin;
mod rule;
mod schema;
mod service;
mod target;

pub use self::compile::{Field, PolicyProblem, Problem, RulePlace, Settings};
pub use self::decide::{Decision, Denial, Grant, Missing, NearMiss, Request};
pub use self::facts::{
    AuthenticationLevels, Certificate, Circumstances, DistinguishedName, FactError, Person, Revocation, Tags,
    TargetFacts,
};
pub use self::literals::LiteralProblem;
pub use self::origin::{Channel, Origin};
pub use self::rule::{GroupProblem, GroupRef, Policy, Rule};
pub use self::schema::{SCHEMA, schema};
pub use self::service::{ServiceClass, ServiceClassError, ServiceName};
pub use self::target::{Target, TargetError, TargetPattern};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
