//! The line, to be read first: five named steps from a card to a handoff.
//!
//! Does I/O: the directory and the domain controllers are asked. Each step takes what only the step before it can make.

mod narrate;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ldap_map::computer::Computer;
use rand_core::CryptoRng;
use tracing::Instrument as _;

use self::report::Report;
use crate::directory::{DirectoryAccount, Domains, ResolveError, UserHint, computer, resolve};
use crate::error::{Code, Refusal, Step};
use crate::handoff::{Desk, EndsWith, HandOffError, Handoff, Login};
use crate::identity::{PeerCertificates, ValidatedIdentity, Validator};
use crate::policy::{
    Channel, Circumstances, Decision, Denial, Grant, Origin, Person, Policy, Request, Revocation, Shadow,
    Target, Targets,
};
use crate::tickets::Issuer;

pub use self::report::StepReport;

/// What a login asks for.
#[derive(Clone, Debug)]
pub struct LoginRequest {
    /// The gateway that will redeem the code, by its configured name.
    pub gateway: String,
    /// The desktop, a DNS host name.
    pub target: String,
    /// The name that the person gave, who may have several accounts for one card.
    pub user: Option<String>,
    /// How the card's certificate reached us, and from where.
    pub origin: Origin,
    /// Joins everything this login causes.
    pub login_id: String,
    /// When the caller no longer waits; a refusal is explained until then at the latest.
    pub answer_by: Instant,
}

/// The steps' configuration and connections. Shared by all logins.
pub struct Line {
    /// The configured gateways.
    pub gateways: BTreeSet<String>,
    /// Judges certificates.
    pub validator: Arc<Validator>,
    /// Asks the directories, and judges their answers.
    pub domains: Arc<Domains>,
    /// Decides.
    pub policy: Arc<Policy>,
    /// What the configuration says of targets.
    pub targets: Arc<Targets>,
    /// What is tried beside the policies that decide.
    pub shadow: Shadow,
    /// Whether a host is a domain controller, which is no target.
    pub is_controller: IsController,
    /// Asks the domain controllers.
    pub issuer: Arc<Issuer>,
    /// Keeps codes and sessions.
    pub desk: Arc<Desk<Issuer>>,
}

/// Says of a host name whether it is a domain controller's.
pub type IsController = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The request's gateway, named in the span of its log line, is none of the configuration's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no gateway of the requested name is configured")]
struct GatewayNotConfigured;

impl Line {
    /// Takes a card through the five steps. `now` is the wall clock when the login began, `elapsed` the time since then.
    ///
    /// Bounded by the caller: a login that is dropped at any point leaves nothing behind but what caches hold anyway.
    ///
    /// # Errors
    /// The refusal of the first step that does not hold.
    pub async fn login(
        &self,
        peer: Option<PeerCertificates>,
        request: &LoginRequest,
        now: SystemTime,
        elapsed: impl Fn() -> Duration + Send,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Handoff, Refusal> {
        let LoginRequest { gateway, target, login_id, origin, .. } = request;
        let channel = origin.channel.as_str();
        let client_address = origin.client_address.map(tracing::field::display);
        let span = tracing::info_span!("line", login_id, gateway, desktop = target, channel, client_address);
        self.steps(peer, request, now, Report::new(elapsed), rng).instrument(span).await
    }

    async fn steps<E: Fn() -> Duration + Send>(
        &self,
        peer: Option<PeerCertificates>,
        request: &LoginRequest,
        now: SystemTime,
        mut report: Report<E>,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Handoff, Refusal> {
        let (peer, checked_at) = (peer.ok_or(Refusal::new(Code::CertificateMissing, Step::Validate))?, now);
        let identity = self.validator.validate(&peer, now, rng).await?;
        narrate::revocation(identity.revocation(), now);
        report.establish(Step::Validate, narrate::identity(&identity));

        // After the card, so that strangers do not learn which gateways there are.
        let target = self.target(request)?;

        let hint = request.user.as_deref().map(UserHint::parse).transpose().map_err(ResolveError::from)?;
        let account = resolve(&self.domains, &identity, hint.as_ref(), now).await?;
        report.establish(Step::Resolve, narrate::account(&account));

        let computer = self.computer(&target).await?;
        let asker = (&identity, &account);
        let decided = self.decide(asker, request, target, computer.as_ref(), now + report.elapsed());
        let grant = decided.inspect_err(|_| self.domains.forget(&account))?;
        report.establish(Step::Decide, narrate::grant(&grant));

        let left = left(identity.not_after().into(), now + report.elapsed())?;
        let issued = self.issuer.issue(&account, &grant, left, request.answer_by).await;
        let issued = issued.inspect_err(|_| self.domains.forget(&account));
        let ticket = issued.map_err(|error| Refusal::from_ticket(error, Step::Issue))?;
        report.establish(Step::Issue, narrate::ticket(&ticket));

        let now = now + report.elapsed();
        let (gateway, login_id) = (request.gateway.as_str(), request.login_id.as_str());
        let (certificates, account, identity) = (identity.chain(peer), &account, &identity);
        // As far as the domain controller confirms it.
        let grant = &ticket.grant().clone();
        let login = Login { identity, certificates, checked_at, account, grant, ticket, gateway, login_id };
        let handoff = self.desk.hand_off(login, now, rng)?;
        report.establish(Step::HandOff, narrate::handoff(&handoff));
        Ok(handoff)
    }

    /// The request's two names must be ones that exist.
    fn target(&self, request: &LoginRequest) -> Result<Target, Refusal> {
        if !self.gateways.contains(&request.gateway) {
            return Err(Refusal::because(Code::GatewayUnknown, Step::Request, GatewayNotConfigured));
        }
        Target::new(&request.target)
            .map_err(|error| Refusal::because(Code::RequestInvalid, Step::Request, error))
    }

    /// The target's computer object, where policies are to know of it.
    async fn computer(&self, target: &Target) -> Result<Option<Computer>, Refusal> {
        if !self.targets.are_in_directory() {
            return Ok(None);
        }
        Ok(computer(&self.domains, target.as_str()).await?)
    }

    fn decide(
        &self,
        (identity, account): (&ValidatedIdentity, &DirectoryAccount),
        request: &LoginRequest,
        target: Target,
        computer: Option<&Computer>,
        now: SystemTime,
    ) -> Result<Grant, Refusal> {
        let LoginRequest { gateway, origin, .. } = request;
        self.may_present(request, &target, now)?;
        let asked = Request {
            person: Person::of(account, identity, self.policy.levels()),
            is_controller: computer.is_some_and(Computer::is_domain_controller)
                || (self.is_controller)(target.as_str()),
            services: self.targets.services(&target).to_vec(),
            no_others: false,
            target: self.targets.facts(target, computer),
            circumstances: Circumstances {
                gateway: gateway.clone(),
                client_address: origin.client_address,
                time: now,
                channel: origin.channel,
                revocation: Revocation::of(identity.revocation(), now),
            },
        };
        let tried = self.shadow.is_trying().then(|| asked.clone());
        let decision = self.policy.decide(asked);
        if let Some(asked) = tried {
            self.shadow.ask(asked, &decision);
        }
        match decision {
            Decision::Permit(grant) => Ok(grant),
            Decision::Deny(denial) => Err(denial.into()),
        }
    }

    /// Whether the gateway's right to present certificates, which the configuration gives, is not taken away by a policy.
    fn may_present(&self, request: &LoginRequest, target: &Target, now: SystemTime) -> Result<(), Refusal> {
        let LoginRequest { gateway, origin, .. } = request;
        let proof = match origin.channel {
            Channel::CardListener | Channel::Terminator => return Ok(()),
            Channel::GatewayWithProof => true,
            Channel::GatewayWithoutProof => false,
        };
        let may = self.policy.may_present(gateway, origin.client_address, now, proof);
        may.map_err(|reasons| Denial::new(gateway.clone(), target.clone(), reasons).into())
    }
}

/// How long a ticket may live whose person's certificates end at `end`.
fn left(end: SystemTime, now: SystemTime) -> Result<Duration, HandOffError> {
    let left = end.duration_since(now).ok().filter(|left| !left.is_zero());
    left.ok_or(HandOffError::NoTimeLeft { end, with: EndsWith::Certificate })
}

#[cfg(test)]
mod tests;
