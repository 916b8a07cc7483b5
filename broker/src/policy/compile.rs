//! From the texts of the configuration to a policy, with every problem named at once.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::rule::{CompiledRule, GroupProblem, GroupRef, Policy, Rule};
use super::service::ServiceClassError;
use super::target::TargetError;

/// The longest life a rule may grant: a day. Directories give tickets of ten hours by default.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest rule id in characters.
const LONGEST_ID: usize = 64;

/// The configuration of the third step.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// The rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// The names of all configured gateways; a rule can name no others.
    pub gateways: Vec<String>,
    /// The realms beside our own; a group can be of no other.
    pub realms: Vec<String>,
}

/// One problem of a policy, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}, {field}: {problem}")]
pub struct PolicyProblem {
    /// The rule.
    pub place: RulePlace,
    /// The field of the rule.
    pub field: Field,
    /// What is wrong there.
    pub problem: Problem,
}

/// A rule by its place in the file and, where it has one, its id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RulePlace {
    /// Counts from 0.
    pub index: usize,
    /// As written; empty where there is none.
    pub id: String,
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.index.saturating_add(1))?;
        if self.id.is_empty() { Ok(()) } else { write!(f, " ({:?})", self.id) }
    }
}

/// A field of a rule, by its name in the configuration; list entries count from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Field {
    /// `id`
    Id,
    /// `groups`, and one of its entries.
    Groups(Option<usize>),
    /// `targets`, and one of its entries.
    Targets(Option<usize>),
    /// `gateways`, and one of its entries.
    Gateways(Option<usize>),
    /// `services`, and one of its entries.
    Services(Option<usize>),
    /// `maximum_lifetime`
    MaximumLifetime,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, index) = match self {
            Self::Id => ("id", None),
            Self::Groups(index) => ("groups", *index),
            Self::Targets(index) => ("targets", *index),
            Self::Gateways(index) => ("gateways", *index),
            Self::Services(index) => ("services", *index),
            Self::MaximumLifetime => ("maximum_lifetime", None),
        };
        match index {
            Some(index) => write!(f, "{name}[{index}]"),
            None => f.write_str(name),
        }
    }
}

/// What is wrong with a field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The id is empty, too long, or more than letters, digits, hyphens, underscores and dots.
    #[error("an id has 1 to {LONGEST_ID} letters, digits, hyphens, underscores and dots")]
    Id,
    /// An earlier rule has this id.
    #[error("an earlier rule has the same id")]
    DuplicateId,
    /// The list is empty, so that the rule could never match or grants nothing.
    #[error("the list is empty")]
    Empty,
    /// The same entry stands in the list before.
    #[error("{text:?} is there twice")]
    Duplicate {
        /// The entry.
        text: String,
    },
    /// Not a group.
    #[error("{text:?}: {problem}")]
    Group {
        /// The entry.
        text: String,
        /// Why not.
        problem: GroupProblem,
    },
    /// No realm of this name is configured.
    #[error(
        "{text:?}: no [[realm]] of this name is configured; a group of our own domain is named without @"
    )]
    UnknownRealm {
        /// The entry.
        text: String,
    },
    /// Not a target pattern.
    #[error("{text:?}: {error}")]
    Target {
        /// The entry.
        text: String,
        /// Why not.
        error: TargetError,
    },
    /// No gateway of this name is configured.
    #[error("no gateway {text:?} is configured")]
    UnknownGateway {
        /// The entry.
        text: String,
    },
    /// Not a service class that can be granted.
    #[error("{text:?}: {error}")]
    Service {
        /// The entry.
        text: String,
        /// Why not.
        error: ServiceClassError,
    },
    /// The lifetime is zero or longer than a day.
    #[error("a lifetime is longer than nothing and at most 24 hours")]
    Lifetime,
}

impl Policy {
    /// Compiles the rules.
    ///
    /// No rules at all is a valid policy: it denies everything.
    ///
    /// # Errors
    /// Every problem of every rule, in the order of the file.
    pub fn compile(settings: &Settings) -> Result<Self, Vec<PolicyProblem>> {
        let mut compiler = Compiler {
            gateways: &settings.gateways,
            realms: &settings.realms,
            ids: BTreeSet::new(),
            problems: Vec::new(),
        };
        let rules =
            settings.rules.iter().enumerate().map(|(index, rule)| compiler.rule(index, rule)).collect();
        if compiler.problems.is_empty() { Ok(Self { rules }) } else { Err(compiler.problems) }
    }
}

struct Compiler<'a> {
    gateways: &'a [String],
    realms: &'a [String],
    ids: BTreeSet<&'a str>,
    problems: Vec<PolicyProblem>,
}

impl<'a> Compiler<'a> {
    fn rule(&mut self, index: usize, rule: &'a Rule) -> CompiledRule {
        let place = RulePlace { index, id: rule.id.clone() };
        self.id(&place, &rule.id);
        let groups =
            self.list(&place, &rule.groups, Field::Groups, |text, problem| Problem::Group { text, problem });
        self.realms_of(&place, &rule.groups);
        let targets =
            self.list(&place, &rule.targets, Field::Targets, |text, error| Problem::Target { text, error });
        let gateways = rule.gateways.as_ref().map(|names| self.gateways(&place, names));
        let services = self
            .list(&place, &rule.services, Field::Services, |text, error| Problem::Service { text, error });
        if rule.maximum_lifetime.is_zero() || rule.maximum_lifetime > LONGEST_LIFETIME {
            self.report(&place, Field::MaximumLifetime, Problem::Lifetime);
        }
        let maximum_lifetime = rule.maximum_lifetime;
        CompiledRule { id: rule.id.clone(), groups, targets, gateways, services, maximum_lifetime }
    }

    fn id(&mut self, place: &RulePlace, id: &'a str) {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        if id.is_empty() || id.len() > LONGEST_ID || !id.bytes().all(fits) {
            self.report(place, Field::Id, Problem::Id);
        } else if !self.ids.insert(id) {
            self.report(place, Field::Id, Problem::DuplicateId);
        }
    }

    /// Reads a list that must not be empty and not repeat itself.
    fn list<T: FromStr + PartialEq>(
        &mut self,
        place: &RulePlace,
        texts: &[String],
        field: impl Fn(Option<usize>) -> Field,
        problem: impl Fn(String, T::Err) -> Problem,
    ) -> Vec<T> {
        if texts.is_empty() {
            self.report(place, field(None), Problem::Empty);
        }
        let mut values = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(value) if values.contains(&value) => {
                    self.report(place, field(Some(index)), Problem::Duplicate { text: text.clone() });
                }
                Ok(value) => values.push(value),
                Err(error) => self.report(place, field(Some(index)), problem(text.clone(), error)),
            }
        }
        values
    }

    fn realms_of(&mut self, place: &RulePlace, groups: &[String]) {
        for (index, text) in groups.iter().enumerate() {
            let Ok(GroupRef::Name { realm: Some(realm), .. }) = text.parse() else { continue };
            if !self.realms.contains(&realm) {
                self.report(place, Field::Groups(Some(index)), Problem::UnknownRealm { text: text.clone() });
            }
        }
    }

    fn gateways(&mut self, place: &RulePlace, names: &[String]) -> BTreeSet<String> {
        if names.is_empty() {
            self.report(place, Field::Gateways(None), Problem::Empty);
        }
        let mut known = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            let field = Field::Gateways(Some(index));
            if !self.gateways.contains(name) {
                self.report(place, field, Problem::UnknownGateway { text: name.clone() });
            } else if !known.insert(name.clone()) {
                self.report(place, field, Problem::Duplicate { text: name.clone() });
            }
        }
        known
    }

    fn report(&mut self, place: &RulePlace, field: Field, problem: Problem) {
        self.problems.push(PolicyProblem { place: place.clone(), field, problem });
    }
}
