//! Third step: may this account use this target through this gateway. Pure; no I/O, no clock.
//!
//! A [`Policy`] is a set of permissions and prohibitions in the language Cedar, held against a published schema ([`SCHEMA`]). They come
//! from files, and from [`Rule`]s of the configuration, which are written as policies and no different from them. **Nothing is
//! permitted unless a policy permits it; where one forbids, or cannot be evaluated, it is refused**, whatever others permit. Of what the deciding
//! policies oblige to, the strictest holds. The [`Grant`] names them, and so does the [`Denial`].

mod bounds;
mod cases;
mod compile;
mod compiled;
mod confirm;
mod decide;
mod denial;
mod engine;
mod facts;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod literals;
#[doc(hidden)]
pub mod measured;
mod near;
mod obligations;
mod origin;
mod overview;
mod rule;
mod schema;
mod service;
mod shadow;
mod spelling;
mod sugar;
mod target;
mod targets;
mod text;

pub use self::bounds::{Bound, Bounds};
pub use self::cases::{Answered, Cases, CasesError, Difference, MAXIMUM_CASES, Outcome};
pub use self::compile::{
    Field, MAXIMUM_POLICIES, PolicyFile, PolicyProblem, Problem, RulePlace, RuleProblem, Settings,
};
pub use self::compiled::{Action, TextFault, TextProblem};
pub use self::confirm::{NotConfirmed, PacGroups, Policies};
pub use self::decide::{Decision, Grant, Request};
pub use self::denial::{Asked, Denial, Missing, NearMiss, Reason};
pub use self::engine::Policy;
pub use self::facts::{
    AuthenticationLevels, Certificate, Circumstances, DistinguishedName, FactError, Person, Revocation, Tags,
    TargetFacts,
};
pub use self::literals::LiteralProblem;
pub(crate) use self::obligations::parse_duration;
pub use self::obligations::{AnnotationError, HandoverForm, Obligations};
pub use self::origin::{Channel, Origin};
pub use self::overview::Overview;
pub(crate) use self::rule::is_vouchable;
pub use self::rule::{GroupProblem, GroupRef, Rule};
pub use self::schema::{SCHEMA, schema};
pub use self::service::{ServiceClass, ServiceClassError, ServiceName, ServiceNameError};
pub use self::shadow::{Shadow, ShadowOutcome, Tally};
pub use self::target::{Target, TargetError, TargetPattern};
pub use self::targets::{ConfiguredTarget, Targets};
pub use self::text::{MAXIMUM_FILE, TextError};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
