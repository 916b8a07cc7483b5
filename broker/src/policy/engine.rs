//! A set of policies that can be asked, filed by what they are about.
//!
//! Policies that by their scope say nothing of a request are not evaluated for it, so that a decision costs what the policies about its
//! target cost, and not what all of them do. The rest are evaluated one by one and each gives its own verdict; what these amount to is
//! decided here, more strictly than Cedar does: a policy that cannot be evaluated is a refusal, where Cedar leaves it out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{Authorizer, Context, Effect, Entities, EntityUid};
use ldap_map::sid::Sid;

use super::bounds::Bounds;
use super::compiled::{Action, BROKER, Compiled, Key};
use super::facts::{AuthenticationLevels, FactError, Person, TargetFacts};
use super::literals::{Kind, Literals};
use super::rule::{CompiledRule, GroupRef};
use super::service::ServiceClass;

/// A compiled policy; made by [`Policy::compile`].
#[derive(Clone, Default)]
pub struct Policy {
    pub(super) policies: Vec<Compiled>,
    pub(super) rules: Vec<CompiledRule>,
    pub(super) services: Vec<ServiceClass>,
    pub(super) bounds: Bounds,
    pub(super) levels: AuthenticationLevels,
    pub(super) index: BTreeMap<(Action, Key), Vec<usize>>,
    /// The groups that policies are filed under.
    pub(super) groups: Literals,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("policies", &self.policies.len()).finish_non_exhaustive()
    }
}

impl Policy {
    /// The same, with what it is filed under.
    pub(super) fn filed(mut self) -> Self {
        for (place, policy) in self.policies.iter().enumerate() {
            for key in &policy.keys {
                if let Key::In(uid) = key
                    && Kind::of(uid) == Some(Kind::Group)
                {
                    // It has been read before, in the policy.
                    drop(self.groups.take(uid));
                }
                for action in &policy.actions {
                    self.index.entry((*action, key.clone())).or_default().push(place);
                }
            }
        }
        self
    }

    /// The ids of all policies, those of rules first; each once.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let is_second = |policy: &&Compiled| policy.rule.is_none() || policy.actions.contains(&Action::Login);
        self.policies.iter().filter(is_second).map(|policy| policy.id.as_str())
    }

    /// The groups that permits of files name by a SID, with the policies' ids.
    pub(crate) fn groups_of_files<'s>(&'s self) -> impl Iterator<Item = (&'s str, &'s Sid)> {
        let permits =
            self.policies.iter().filter(|policy| policy.rule.is_none() && policy.effect == Effect::Permit);
        permits.flat_map(|policy| {
            let sid = |group: &'s GroupRef| match group {
                GroupRef::Sid(sid) => Some((policy.id.as_str(), sid)),
                GroupRef::Name { .. } => None,
            };
            policy.literals.groups().filter_map(sid)
        })
    }

    /// The levels of authentication that certificate policies stand for.
    #[must_use]
    pub const fn levels(&self) -> &AuthenticationLevels {
        &self.levels
    }

    /// What is never granted.
    #[must_use]
    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The ids of policies that ask in which groups a target is, which its computer object alone says.
    pub(crate) fn about_groups_of_targets(&self) -> impl Iterator<Item = &str> {
        self.policies
            .iter()
            .filter(|policy| policy.asks_for_groups_of_targets())
            .map(|policy| policy.id.as_str())
    }

    /// The policies that can say something of an action on a target.
    pub(super) fn about_target(&self, action: Action, target: &TargetFacts) -> Slice<'_> {
        let host = target.host.as_str();
        let domains = host.match_indices('.').filter_map(|(dot, _)| host.get(dot.saturating_add(1)..));
        let domains = domains.map(|domain| Kind::Domain.named(domain));
        let groups = self.groups.of_member(&target.membership);
        self.slice(action, [target.uid()].into_iter().chain(domains).chain(groups))
    }

    /// The policies that can say something of an action on this broker.
    pub(super) fn about_broker(&self, action: Action) -> Slice<'_> {
        self.slice(action, [Kind::Broker.named(BROKER)].into_iter())
    }

    fn slice(&self, action: Action, keys: impl Iterator<Item = EntityUid>) -> Slice<'_> {
        let filed = |key: Key| self.index.get(&(action, key)).into_iter().flatten().copied();
        let places: BTreeSet<usize> =
            [Key::Any].into_iter().chain(keys.map(Key::In)).flat_map(filed).collect();
        let policies = places.into_iter().filter_map(|place| self.policies.get(place));
        Slice { action, policies: policies.collect() }
    }
}

/// The policies that can say something of a request, in the order of the configuration.
pub(super) struct Slice<'p> {
    action: Action,
    pub(super) policies: Vec<&'p Compiled>,
}

/// What policies say of one request.
#[derive(Default)]
pub(super) struct Verdict<'p> {
    pub(super) permits: Vec<&'p Compiled>,
    pub(super) forbids: Vec<&'p Compiled>,
    /// Those that cannot be evaluated, and why not.
    pub(super) failures: Vec<(&'p Compiled, String)>,
}

impl Verdict<'_> {
    /// Somebody permits, nobody forbids, and everybody could be asked.
    pub(super) fn is_permitted(&self) -> bool {
        !self.permits.is_empty() && self.forbids.is_empty() && self.failures.is_empty()
    }
}

impl<'p> Slice<'p> {
    /// Everything that the policies name.
    pub(super) fn literals(&self, literals: &mut Literals) {
        for policy in &self.policies {
            literals.extend(&policy.literals);
        }
    }

    /// Asks every policy.
    pub(super) fn judge(&self, question: &Question, context: &Context) -> Result<Verdict<'p>, FactError> {
        let request = question.request(self.action, context)?;
        let mut verdict = Verdict::default();
        for policy in &self.policies {
            match question.ask(&policy.alone, &request) {
                Ok(false) => {}
                Ok(true) if policy.effect == Effect::Permit => verdict.permits.push(policy),
                Ok(true) => verdict.forbids.push(policy),
                Err(error) => verdict.failures.push((policy, error)),
            }
        }
        Ok(verdict)
    }
}

/// Who asks about what, with everything that is known of them.
pub(super) struct Question {
    principal: EntityUid,
    resource: EntityUid,
    entities: Entities,
}

impl Question {
    /// A person about a target.
    pub(super) fn of_person(
        person: &Person,
        target: &TargetFacts,
        literals: &Literals,
    ) -> Result<Self, FactError> {
        let entities = person.entities(literals)?.into_iter().chain([target.entity(literals)?]);
        let entities = Entities::from_entities(entities, None).map_err(|_| FactError::Record)?;
        Ok(Self { principal: person.uid(), resource: target.uid(), entities })
    }

    /// A gateway about this broker.
    pub(super) fn of_gateway(gateway: &str) -> Self {
        let (principal, resource) = (Kind::Gateway.named(gateway), Kind::Broker.named(BROKER));
        Self { principal, resource, entities: Entities::empty() }
    }

    /// A person about this broker.
    pub(super) fn of_administrator(person: &Person, literals: &Literals) -> Result<Self, FactError> {
        let entities =
            Entities::from_entities(person.entities(literals)?, None).map_err(|_| FactError::Record)?;
        Ok(Self { principal: person.uid(), resource: Kind::Broker.named(BROKER), entities })
    }

    pub(super) fn request(
        &self,
        action: Action,
        context: &Context,
    ) -> Result<cedar_policy::Request, FactError> {
        let (principal, resource) = (self.principal.clone(), self.resource.clone());
        cedar_policy::Request::new(principal, action.uid(), resource, context.clone(), None)
            .map_err(|_| FactError::Record)
    }

    /// Whether the one policy of a set applies.
    pub(super) fn ask(
        &self,
        alone: &cedar_policy::PolicySet,
        request: &cedar_policy::Request,
    ) -> Result<bool, String> {
        let response = Authorizer::new().is_authorized(request, alone, &self.entities);
        match response.diagnostics().errors().next() {
            Some(cedar_policy::AuthorizationError::PolicyEvaluationError(error)) => {
                Err(error.inner().to_string())
            }
            None => Ok(response.diagnostics().reason().next().is_some()),
        }
    }
}
