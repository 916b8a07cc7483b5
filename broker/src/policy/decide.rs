//! The decision.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ldap_map::sid::Sid;

use super::compiled::{Action, Compiled};
use super::denial::{Asked, Denial, Reason};
use super::engine::{Policy, Question, Slice, Verdict};
use super::facts::{self, Circumstances, FactError, Person, TargetFacts};
use super::literals::Literals;
use super::obligations::{LONGEST_LIFETIME, Obligations};
use super::service::{ServiceClass, ServiceName};
use super::target::Target;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who.
    pub person: Person,
    /// To what.
    pub target: TargetFacts,
    /// Through which gateway, from where, when.
    pub circumstances: Circumstances,
    /// The service classes that the target is known to have, the first to be tried first.
    pub services: Vec<ServiceClass>,
    /// Whether these are all that is asked about.
    pub no_others: bool,
    /// Whether the target is a domain controller.
    pub is_controller: bool,
}

/// The answer.
#[derive(Clone, Debug)]
#[must_use]
pub enum Decision {
    /// Yes, within these limits.
    Permit(Grant),
    /// No, and why not.
    Deny(Denial),
}

/// A permission with its limits. Only [`Policy::decide`] makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Grant {
    pub(super) policy: Arc<Policy>,
    pub(super) request: Arc<Request>,
    pub(super) ruling: Ruling,
}

/// What a permission amounts to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ruling {
    pub(super) policies: Vec<String>,
    pub(super) services: Vec<ServiceName>,
    pub(super) obligations: Obligations,
    pub(super) groups: Vec<Sid>,
}

impl Grant {
    /// The ids of the policies that decided, at least one.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.ruling.policies
    }

    /// The same in one text, separated by commas.
    #[must_use]
    pub fn decided_by(&self) -> String {
        self.ruling.policies.join(", ")
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.request.target.host
    }

    /// The services on the target, at least one; the first is the one tried at login.
    #[must_use]
    pub fn services(&self) -> &[ServiceName] {
        &self.ruling.services
    }

    /// What the policies that decided oblige to: of each the strictest.
    #[must_use]
    pub const fn obligations(&self) -> &Obligations {
        &self.ruling.obligations
    }

    /// The longest life of the session.
    #[must_use]
    pub fn maximum_session(&self) -> Duration {
        self.ruling.obligations.maximum_session.unwrap_or(LONGEST_LIFETIME)
    }

    /// The longest life of a ticket, which no session outlives.
    #[must_use]
    pub fn maximum_ticket(&self) -> Duration {
        self.ruling.obligations.maximum_ticket.unwrap_or(LONGEST_LIFETIME).min(self.maximum_session())
    }

    /// The groups of the account that the policies which decided name. So far this is the directory's word alone.
    #[must_use]
    pub fn groups(&self) -> &[Sid] {
        &self.ruling.groups
    }
}

impl Policy {
    /// Decides: whether the login is permitted, and for which services of the target.
    pub fn decide(self: &Arc<Self>, request: Request) -> Decision {
        match self.judge(&request, &request.person) {
            Ok(ruling) => {
                Decision::Permit(Grant { policy: Arc::clone(self), request: Arc::new(request), ruling })
            }
            Err(denial) => Decision::Deny(denial),
        }
    }

    /// Whether a gateway may present certificates: the configuration's word, unless a policy forbids it. `proof` says whether the
    /// card signed a challenge of ours.
    ///
    /// # Errors
    /// What forbids it.
    pub fn may_present(
        &self,
        gateway: &str,
        client: Option<IpAddr>,
        now: SystemTime,
        proof: bool,
    ) -> Result<(), Vec<Reason>> {
        let slice = self.about_broker(Action::PresentCertificate);
        if slice.policies.is_empty() {
            return Ok(());
        }
        let context = facts::presenting(client, now, proof);
        let verdict = context.and_then(|context| slice.judge(&Question::of_gateway(gateway), &context));
        let asked = Asked { action: Action::PresentCertificate, service: None };
        let reasons = match &verdict {
            Ok(verdict) => against(verdict, &asked),
            Err(error) => vec![Reason::Facts(error.to_string())],
        };
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// Whether a person may administer this broker: the ids of the policies that permit it.
    ///
    /// # Errors
    /// What forbids it; nothing where only nobody permits it.
    pub fn may_administer(
        &self,
        person: &Person,
        client: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<Vec<String>, Vec<Reason>> {
        let slice = self.about_broker(Action::Administer);
        let mut literals = Literals::default();
        slice.literals(&mut literals);
        let asked = Asked { action: Action::Administer, service: None };
        let verdict = Question::of_administrator(person, &literals)
            .and_then(|question| slice.judge(&question, &facts::administering(client, now)?));
        match verdict {
            Ok(verdict) if verdict.is_permitted() => Ok(ids(&verdict.permits)),
            Ok(verdict) => Err(against(&verdict, &asked)),
            Err(error) => Err(vec![Reason::Facts(error.to_string())]),
        }
    }

    /// Decides for the person of the request, or the same person with other groups.
    pub(super) fn judge(&self, request: &Request, person: &Person) -> Result<Ruling, Denial> {
        let matter = Matter {
            policy: self,
            request,
            person,
            login: self.about_target(Action::Login, &request.target),
            delegate: self.about_target(Action::Delegate, &request.target),
        };
        let candidates = matter.candidates()?;
        let question = Question::of_person(person, &request.target, &matter.literals());
        let question = question.map_err(|error| matter.unfit(&error))?;
        let login = matter.login(&question)?;
        let (services, delegate) = matter.services(&question, candidates)?;
        matter.ruling(&login, services, &delegate)
    }
}

/// A request with the policies about it.
struct Matter<'a> {
    policy: &'a Policy,
    request: &'a Request,
    person: &'a Person,
    login: Slice<'a>,
    delegate: Slice<'a>,
}

impl<'a> Matter<'a> {
    fn literals(&self) -> Literals {
        let mut literals = Literals::default();
        self.login.literals(&mut literals);
        self.delegate.literals(&mut literals);
        literals
    }

    /// The services to ask about: those of the target, those of the rules about it, those for all targets; each once. None that is
    /// beyond the bounds.
    fn candidates(&self) -> Result<Vec<ServiceName>, Denial> {
        let Request { target, services, no_others, is_controller, .. } = self.request;
        let of_rules = self.delegate.policies.iter().flat_map(|policy| &policy.services);
        let mut candidates: Vec<ServiceName> = Vec::new();
        let mut beyond = Vec::new();
        let others = of_rules.chain(&self.policy.services).filter(|_| !no_others);
        for class in services.iter().chain(others) {
            if candidates
                .iter()
                .chain(beyond.iter().map(|(service, _)| service))
                .any(|one| one.class() == class)
            {
                continue;
            }
            let service = ServiceName::new(class.clone(), target.host.clone());
            match self.policy.bounds.forbid(class, &target.host, *is_controller) {
                Some(bound) => beyond.push((service, bound)),
                None => candidates.push(service),
            }
        }
        if candidates.is_empty() && !beyond.is_empty() {
            let reason = |(service, bound)| Reason::Bound { service, bound };
            return Err(self.denied(beyond.into_iter().map(reason).collect()));
        }
        Ok(candidates)
    }

    fn login(&self, question: &Question) -> Result<Verdict<'a>, Denial> {
        let context = self.request.circumstances.context(None).map_err(|error| self.unfit(&error))?;
        let verdict = self.login.judge(question, &context).map_err(|error| self.unfit(&error))?;
        if verdict.is_permitted() {
            return Ok(verdict);
        }
        let reasons = against(&verdict, &Asked { action: Action::Login, service: None });
        let near_misses = if reasons.is_empty() {
            let asked = question.request(Action::Login, &context).map_err(|error| self.unfit(&error))?;
            self.policy.near_misses(self.request, &self.person.membership, &self.login, question, &asked)
        } else {
            Vec::new()
        };
        Err(Denial { near_misses, ..self.denied(reasons) })
    }

    /// The services that are permitted, and the policies that permit them.
    fn services(
        &self,
        question: &Question,
        candidates: Vec<ServiceName>,
    ) -> Result<(Vec<ServiceName>, Vec<&'a Compiled>), Denial> {
        let (mut granted, mut permits, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        let mut near_misses = Vec::new();
        for service in &candidates {
            let context = self.request.circumstances.context(Some(service.class().as_str()));
            let context = context.map_err(|error| self.unfit(&error))?;
            let verdict = self.delegate.judge(question, &context).map_err(|error| self.unfit(&error))?;
            if verdict.is_permitted() {
                granted.push(service.clone());
                permits.extend(verdict.permits);
                continue;
            }
            let asked = Asked { action: Action::Delegate, service: Some(service.clone()) };
            let against = against(&verdict, &asked);
            if against.is_empty() && near_misses.is_empty() {
                let asked =
                    question.request(Action::Delegate, &context).map_err(|error| self.unfit(&error))?;
                let Self { request, person, delegate, .. } = self;
                near_misses =
                    self.policy.near_misses(request, &person.membership, delegate, question, &asked);
            }
            reasons.extend(against);
        }
        if granted.is_empty() {
            reasons.insert(0, Reason::NoService { services: candidates });
            return Err(Denial { near_misses, ..self.denied(reasons) });
        }
        Ok((granted, permits))
    }

    fn ruling(
        &self,
        login: &Verdict<'a>,
        services: Vec<ServiceName>,
        delegate: &[&'a Compiled],
    ) -> Result<Ruling, Denial> {
        let deciding: Vec<&Compiled> = login.permits.iter().chain(delegate).copied().collect();
        let policies = ids(&deciding);
        let each = deciding.iter().map(|policy| policy.obligations.clone());
        let obligations = each.fold(Obligations::default(), Obligations::and);
        if !obligations.leave_a_form() {
            return Err(self.denied(vec![Reason::NoForm { policies }]));
        }
        let mut literals = Literals::default();
        deciding.iter().for_each(|policy| literals.extend(&policy.literals));
        let groups = literals.sids(&self.person.membership);
        Ok(Ruling { policies, services, obligations, groups })
    }

    fn denied(&self, reasons: Vec<Reason>) -> Denial {
        denied(self.request, reasons)
    }

    fn unfit(&self, error: &FactError) -> Denial {
        self.denied(vec![Reason::Facts(error.to_string())])
    }
}

pub(super) fn denied(request: &Request, reasons: Vec<Reason>) -> Denial {
    let (gateway, target) = (request.circumstances.gateway.clone(), request.target.host.clone());
    Denial::new(gateway, target, reasons)
}

/// The ids of policies, each once.
fn ids(policies: &[&Compiled]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for policy in policies {
        if !ids.contains(&policy.id) {
            ids.push(policy.id.clone());
        }
    }
    ids
}

/// What forbids, and what cannot be evaluated.
fn against(verdict: &Verdict<'_>, asked: &Asked) -> Vec<Reason> {
    let forbidden = verdict.forbids.iter().map(|policy| Reason::Forbidden {
        policy: policy.id.clone(),
        asked: asked.clone(),
        words: policy.words.clone(),
    });
    let failed = verdict.failures.iter().map(|(policy, error)| Reason::Failed {
        policy: policy.id.clone(),
        asked: asked.clone(),
        error: error.clone(),
    });
    forbidden.chain(failed).collect()
}
