//! One policy: parsed, held against the schema, and ready to be evaluated alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    ActionConstraint, Effect, EntityId, EntityTypeName, EntityUid, PolicyId, PolicySet, ResourceConstraint,
    Schema, ValidationMode, Validator,
};

use super::literals::{Kind, LiteralProblem, Literals};
use super::obligations::{self, AnnotationError, Obligations};
use super::rule::GroupRef;
use super::service::ServiceClass;
use super::spelling;
use super::text::{Piece, TextError, line_and_column};

/// Longest id in characters.
pub(super) const LONGEST_ID: usize = 64;
/// Longest text of `@words` and `@description` in characters.
const LONGEST_TEXT: usize = 400;
/// Most that is told of what Cedar finds wrong with one policy.
const MOST_FINDINGS: usize = 8;

/// What somebody wants to do: the actions of the schema.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// A session on a target.
    Login,
    /// A ticket for one service on the target.
    Delegate,
    /// A gateway presents the certificate of a card whose handshake it made.
    PresentCertificate,
    /// What an administrator may do on a running broker.
    Administer,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Login, Self::Delegate, Self::PresentCertificate, Self::Administer];

    /// Its name in the schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Delegate => "delegate",
            Self::PresentCertificate => "present_certificate",
            Self::Administer => "administer",
        }
    }
}

impl Action {
    /// The action of the schema.
    pub(super) fn uid(self) -> EntityUid {
        static KIND: LazyLock<EntityTypeName> =
            LazyLock::new(|| "Kerbridge::Action".parse().expect("a name of a type"));
        EntityUid::from_type_name_and_id(KIND.clone(), EntityId::new(self.as_str()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A policy that can be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// Its `@id`, or its rule's id.
    pub(super) id: String,
    pub(super) effect: Effect,
    /// For the cardholder, where it forbids.
    pub(super) words: Option<String>,
    pub(super) obligations: Obligations,
    /// The actions it can be about.
    pub(super) actions: BTreeSet<Action>,
    /// What it is filed under.
    pub(super) keys: Vec<Key>,
    /// What it names.
    pub(super) literals: Literals,
    /// The services that it is about by the words of its rule, in that order.
    pub(super) services: Vec<ServiceClass>,
    /// The rule that it was made of, by its place among them.
    pub(super) rule: Option<usize>,
    /// The file and the line that it stands at, where it is of one.
    pub(super) place: Option<(String, usize)>,
    /// The policy as the only one of a set, so that its own verdict can be asked for.
    pub(super) alone: PolicySet,
}

impl Compiled {
    /// The policy itself.
    pub(super) fn policy(&self) -> Option<&cedar_policy::Policy> {
        self.alone.policies().next()
    }

    /// Whether it asks, in its scope or in a condition, in which groups a target is.
    pub(super) fn asks_for_groups_of_targets(&self) -> bool {
        let is_group = |key: &Key| matches!(key, Key::In(uid) if Kind::of(uid) == Some(Kind::Group));
        self.keys.iter().any(is_group) || self.policy().is_some_and(spelling::asks_for_groups_of_targets)
    }
}

/// What a policy is filed under: by its scope it says nothing of targets that are not, or are not in, the entity.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Key {
    /// Every resource.
    Any,
    /// A target, a domain or a group.
    In(EntityUid),
}

/// What is wrong with the text of a policy, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}:{column}: {}{problem}", Of(.policy.as_deref()))]
pub struct TextProblem {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The policy's id, where it has one.
    pub policy: Option<String>,
    /// What is wrong there.
    pub problem: TextFault,
}

struct Of<'a>(Option<&'a str>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |id| write!(f, "policy {id:?}: "))
    }
}

/// What can be wrong with the text of a policy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TextFault {
    /// The text is out of bounds.
    #[error(transparent)]
    Bounds(#[from] TextError),
    /// It is no policy.
    #[error("{message}{}", Help(.help.as_deref()))]
    Syntax {
        /// In the words of the parser.
        message: String,
        /// What to do about it, likewise.
        help: Option<String>,
    },
    /// It does not fit the schema.
    #[error("the policy does not fit the schema: {message}{}", Help(.help.as_deref()))]
    Schema {
        /// In the words of the validator.
        message: String,
        /// What to do about it, likewise.
        help: Option<String>,
    },
    /// No `@id`.
    #[error("every policy needs a name: write @id(\"...\") before it")]
    NoId,
    /// An `@id` that is none.
    #[error("an id has 1 to {LONGEST_ID} letters, digits, hyphens, underscores and dots")]
    Id,
    /// Another policy or rule has the id.
    #[error("another policy has the same id")]
    DuplicateId,
    /// An annotation that cannot be read.
    #[error("@{key}: {error}")]
    Annotation {
        /// Its name.
        key: String,
        /// Why not.
        error: AnnotationError,
    },
    /// An entity that is none.
    #[error(transparent)]
    Literal(#[from] LiteralProblem),
    /// A text is compared with a value that is never spelt so.
    #[error("{attribute} is never {text:?}: {spelling}")]
    Spelling {
        /// The attribute that has the value.
        attribute: &'static str,
        /// The text.
        text: String,
        /// How values of the attribute are spelt.
        spelling: &'static str,
    },
    /// No gateway of this name is configured.
    #[error("Kerbridge::Gateway::{text:?}: no gateway of this name is configured")]
    UnknownGateway {
        /// As written.
        text: String,
    },
    /// No realm of this name is configured.
    #[error(
        "Kerbridge::Group::{text:?}: no [[realm]] of this name is configured; a group of our own domain is named without @"
    )]
    UnknownRealm {
        /// As written.
        text: String,
    },
    /// Not this broker.
    #[error("Kerbridge::Broker::{text:?}: the broker is Kerbridge::Broker::{BROKER:?}")]
    UnknownBroker {
        /// As written.
        text: String,
    },
    /// More policies than are taken.
    #[error("there are more than {limit} policies")]
    TooMany {
        /// How many are taken.
        limit: usize,
    },
}

/// The broker's own name in policies.
pub(super) const BROKER: &str = "kerbridge";

struct Help<'a>(Option<&'a str>);

impl fmt::Display for Help<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// What a policy may name, and what it is held against.
pub(super) struct Reader<'a> {
    validator: Validator,
    gateways: &'a [String],
    realms: &'a [String],
}

/// A problem and its place in octets of the piece.
pub(super) type Fault = (usize, TextFault);

impl<'a> Reader<'a> {
    pub(super) fn new(schema: Schema, gateways: &'a [String], realms: &'a [String]) -> Self {
        Self { validator: Validator::new(schema), gateways, realms }
    }

    /// Reads the policies of a file.
    pub(super) fn read(
        &self,
        file: &str,
        text: &str,
        piece: Piece<'_>,
    ) -> Result<Compiled, Vec<TextProblem>> {
        let mut id = None;
        let (line, _) = line_and_column(text, piece.offset);
        let compiled = self.compile(piece.text, &mut id);
        let compiled = compiled.map(|compiled| Compiled { place: Some((file.to_owned(), line)), ..compiled });
        compiled.map_err(|faults| {
            let located = |(offset, problem): Fault| {
                let (line, column) = line_and_column(text, piece.offset.saturating_add(offset));
                TextProblem { file: file.to_owned(), line, column, policy: id.clone(), problem }
            };
            faults.into_iter().map(located).collect()
        })
    }

    /// Compiles the text of one policy, and tells its id as soon as it is known.
    pub(super) fn compile(&self, text: &str, named: &mut Option<String>) -> Result<Compiled, Vec<Fault>> {
        let parsed = cedar_policy::Policy::parse(None, text).map_err(|errors| {
            let faults = errors.iter().take(MOST_FINDINGS).map(|error| {
                let (offset, message, help) = told(DetailedError::from(error));
                (offset, TextFault::Syntax { message, help })
            });
            faults.collect::<Vec<_>>()
        })?;
        let id = parsed.annotation("id").ok_or_else(|| vec![(0, TextFault::NoId)])?.to_owned();
        if !is_id(&id) {
            return Err(vec![(0, TextFault::Id)]);
        }
        *named = Some(id.clone());
        let parsed = parsed.new_id(PolicyId::new(&id));
        let (obligations, words, mut faults) = annotations(&parsed);
        faults.extend(self.against_schema(&parsed));
        faults.extend(spelling::faults(&parsed).into_iter().take(MOST_FINDINGS).map(|fault| (0, fault)));
        let mut literals = Literals::default();
        let parsed = match self.spelt(parsed, &mut literals) {
            Ok(parsed) if faults.is_empty() => parsed,
            Ok(_) => return Err(faults),
            Err(of_literals) => {
                faults.extend(of_literals);
                return Err(faults);
            }
        };
        let (effect, actions, key) = (parsed.effect(), actions(&parsed), key(&parsed));
        let alone = PolicySet::from_policies([parsed])
            .map_err(|error| vec![(0, TextFault::Syntax { message: error.to_string(), help: None })])?;
        let (keys, services) = (vec![key], Vec::new());
        Ok(Compiled {
            id,
            effect,
            words,
            obligations,
            actions,
            keys,
            literals,
            services,
            rule: None,
            place: None,
            alone,
        })
    }

    /// What the validator finds, warnings included: a policy that can never apply, or that only looks like what it says, is not meant.
    fn against_schema(&self, policy: &cedar_policy::Policy) -> Vec<Fault> {
        let Ok(alone) = PolicySet::from_policies([policy.clone()]) else { return Vec::new() };
        let result = self.validator.validate(&alone, ValidationMode::Strict);
        let errors = result.validation_errors().map(DetailedError::from);
        let warnings = result.validation_warnings().map(DetailedError::from);
        let fault = |error| {
            let (offset, message, help) = told(error);
            (offset, TextFault::Schema { message, help })
        };
        errors.chain(warnings).take(MOST_FINDINGS).map(fault).collect()
    }

    /// The policy with one spelling for everything it names.
    fn spelt(
        &self,
        policy: cedar_policy::Policy,
        literals: &mut Literals,
    ) -> Result<cedar_policy::Policy, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut respelt = BTreeMap::new();
        let named: BTreeSet<EntityUid> = policy.entity_literals().into_iter().collect();
        for uid in named {
            match self.literal(&uid, literals) {
                Ok(spelling) if spelling != uid => {
                    respelt.insert(uid, spelling);
                }
                Ok(_) => {}
                Err(problem) => faults.push((0, problem)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if respelt.is_empty() {
            return Ok(policy);
        }
        policy
            .sub_entity_literals(respelt)
            .map_err(|error| vec![(0, TextFault::Syntax { message: error.to_string(), help: None })])
    }

    fn literal(&self, uid: &EntityUid, literals: &mut Literals) -> Result<EntityUid, TextFault> {
        let text: &str = uid.id().unescaped();
        let text = || text.to_owned();
        match Kind::of(uid) {
            Some(Kind::Gateway) if !self.gateways.contains(&text()) => {
                Err(TextFault::UnknownGateway { text: text() })
            }
            Some(Kind::Broker) if text() != BROKER => Err(TextFault::UnknownBroker { text: text() }),
            Some(Kind::Group) => {
                let spelt = literals.take(uid)?;
                // A group of the same spelling is the same group.
                let group = literals.group(&spelt);
                let realm = group.and_then(GroupRef::realm);
                if realm.is_none_or(|realm| self.realms.contains(realm)) {
                    Ok(spelt)
                } else {
                    Err(TextFault::UnknownRealm { text: text() })
                }
            }
            _ => Ok(literals.take(uid)?),
        }
    }
}

/// Whether a text can name a policy.
pub(super) fn is_id(id: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(fits)
}

fn annotations(policy: &cedar_policy::Policy) -> (Obligations, Option<String>, Vec<Fault>) {
    let (mut obligations, mut words, mut faults) = (Obligations::default(), None, Vec::new());
    let permits = policy.effect() == Effect::Permit;
    for (key, text) in policy.annotations() {
        let read = match key {
            "id" => Ok(()),
            "description" => is_told(text),
            "words" if permits => Err(AnnotationError::OfForbid),
            "words" => is_told(text).map(|()| words = Some(text.to_owned())),
            _ => match obligations::read(&mut obligations, key, text) {
                Ok(true) if !permits => Err(AnnotationError::OfPermit),
                Ok(true) => Ok(()),
                Ok(false) => Err(AnnotationError::Unknown),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = read {
            faults.push((0, TextFault::Annotation { key: key.to_owned(), error }));
        }
    }
    (obligations, words, faults)
}

fn is_told(text: &str) -> Result<(), AnnotationError> {
    let fits = !text.trim().is_empty()
        && text.chars().count() <= LONGEST_TEXT
        && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(AnnotationError::Text) }
}

fn actions(policy: &cedar_policy::Policy) -> BTreeSet<Action> {
    let named: Vec<EntityUid> = match policy.action_constraint() {
        ActionConstraint::Any => return Action::ALL.into(),
        ActionConstraint::Eq(action) => vec![action],
        ActionConstraint::In(actions) => actions,
    };
    let is_named = |action: &Action| named.iter().any(|uid| uid.id().unescaped() == action.as_str());
    Action::ALL.into_iter().filter(is_named).collect()
}

fn key(policy: &cedar_policy::Policy) -> Key {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => Key::Any,
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
            Key::In(uid)
        }
    }
}

/// Where Cedar points to, and its words.
fn told(error: DetailedError) -> (usize, String, Option<String>) {
    let offset = error.source_locations.first().map_or(0, |label| label.loc.start);
    (offset, error.message, error.help)
}
