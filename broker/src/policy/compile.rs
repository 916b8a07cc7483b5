//! From the texts of the configuration to a policy, with every problem named at once.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::thread;

use super::bounds::Bounds;
use super::compiled::{Compiled, LONGEST_ID, Reader, TextFault, TextProblem, is_id};
use super::engine::Policy;
use super::facts::AuthenticationLevels;
use super::obligations::LONGEST_LIFETIME;
use super::rule::{CompiledRule, GroupProblem, GroupRef, Rule};
use super::schema::schema;
use super::service::{ServiceClass, ServiceClassError};
use super::sugar;
use super::target::TargetError;
use super::text::{line_and_column, split};

/// Most policies of all files together.
pub const MAXIMUM_POLICIES: usize = 4096;
/// What Cedar's parser and validator may use of the stack: more than the deepest text that is let through needs.
const STACK: usize = 64 << 20;

/// The configuration of the third step.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The rules, in the order of the configuration.
    pub rules: Vec<Rule>,
    /// The policies, file by file.
    pub files: Vec<PolicyFile>,
    /// Service classes that are asked about at every target, the first to be tried first.
    pub services: Vec<ServiceClass>,
    /// What is never granted.
    pub bounds: Bounds,
    /// What certificate policies say of how a card was handed out.
    pub levels: AuthenticationLevels,
    /// The names of all configured gateways; a rule can name no others.
    pub gateways: Vec<String>,
    /// The realms beside our own; a group can be of no other.
    pub realms: Vec<String>,
}

/// A file of policies, as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyFile {
    /// How it is called in problems.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// One problem of a policy, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyProblem {
    /// In a rule.
    #[error(transparent)]
    Rule(#[from] RuleProblem),
    /// In a file.
    #[error(transparent)]
    Text(#[from] TextProblem),
    /// There is no thread to compile on, or it ended early.
    #[error("the policies could not be compiled: {0}")]
    Thread(String),
}

/// One problem of a rule, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}, {field}: {problem}")]
pub struct RuleProblem {
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
    /// Compiles rules and files.
    ///
    /// No policies at all are a valid policy: it denies everything.
    ///
    /// # Errors
    /// Every problem of every rule and file, in the order of the configuration.
    pub fn compile(settings: &Settings) -> Result<Self, Vec<PolicyProblem>> {
        let failed = |error: String| vec![PolicyProblem::Thread(error)];
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("policies".to_owned()).stack_size(STACK);
            let compiling = builder.spawn_scoped(scope, || compile(settings));
            let compiled = compiling.map_err(|error| failed(error.to_string()))?.join();
            compiled.unwrap_or_else(|_| Err(failed("it ended in a panic".to_owned())))
        })
    }
}

fn compile(settings: &Settings) -> Result<Policy, Vec<PolicyProblem>> {
    let Settings { rules, files, gateways, realms, .. } = settings;
    let mut compiler = Compiler { gateways, realms, ids: BTreeSet::new(), problems: Vec::new() };
    let rules: Vec<CompiledRule> =
        rules.iter().enumerate().map(|(index, rule)| compiler.rule(index, rule)).collect();
    let ids = compiler.ids.iter().map(|id| (*id).to_owned()).collect();
    let mut problems: Vec<PolicyProblem> = compiler.problems.into_iter().map(PolicyProblem::Rule).collect();
    let schema = schema().map_err(|error| vec![PolicyProblem::Thread(error.to_string())])?;
    let reader = Reader::new(schema, gateways, realms);
    let mut policies = Vec::new();
    if problems.is_empty() {
        for (place, rule) in rules.iter().enumerate() {
            match sugar::policies(&reader, place, rule) {
                Ok(both) => policies.extend(both),
                // A rule that was found sound is a sound policy; a test shows it.
                Err(faults) => problems.extend(
                    faults
                        .into_iter()
                        .map(|(_, fault)| PolicyProblem::Thread(format!("rule {:?}: {fault}", rule.id))),
                ),
            }
        }
    }
    let mut texts = Texts { reader: &reader, ids, policies: &mut policies, taken: 0, problems: Vec::new() };
    files.iter().for_each(|file| texts.file(file));
    problems.extend(texts.problems.into_iter().map(PolicyProblem::Text));
    if !problems.is_empty() {
        return Err(problems);
    }
    let (services, bounds) = (settings.services.clone(), settings.bounds.clone());
    let levels = settings.levels.clone();
    Ok(Policy { policies, rules, services, bounds, levels, ..Policy::default() }.filed())
}

/// The files that are being read.
struct Texts<'a, 'r> {
    reader: &'a Reader<'r>,
    ids: BTreeSet<String>,
    policies: &'a mut Vec<Compiled>,
    /// How many there were in the files.
    taken: usize,
    problems: Vec<TextProblem>,
}

impl Texts<'_, '_> {
    fn file(&mut self, file: &PolicyFile) {
        let problem = |offset: usize, policy: Option<String>, problem: TextFault| {
            let (line, column) = line_and_column(&file.text, offset);
            TextProblem { file: file.name.clone(), line, column, policy, problem }
        };
        let pieces = match split(&file.text) {
            Ok(pieces) => pieces,
            Err((offset, error)) => {
                self.problems.push(problem(offset, None, error.into()));
                return;
            }
        };
        self.taken = self.taken.saturating_add(pieces.len());
        if self.taken > MAXIMUM_POLICIES {
            let fault = TextFault::TooMany { limit: MAXIMUM_POLICIES };
            self.problems.push(problem(0, None, fault));
            return;
        }
        for piece in pieces {
            match self.reader.read(&file.name, &file.text, piece) {
                Ok(compiled) if self.ids.insert(compiled.id.clone()) => self.policies.push(compiled),
                Ok(compiled) => {
                    self.problems.push(problem(piece.offset, Some(compiled.id), TextFault::DuplicateId));
                }
                Err(found) => self.problems.extend(found),
            }
        }
    }
}

struct Compiler<'a> {
    gateways: &'a [String],
    realms: &'a [String],
    ids: BTreeSet<&'a str>,
    problems: Vec<RuleProblem>,
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
        if !is_id(id) {
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
        self.problems.push(RuleProblem { place: place.clone(), field, problem });
    }
}
