//! The delegated ticket: proof that the domain vouches for the person, and the right to act for the person at the target.
//!
//! Does I/O: asks domain controllers. S4U2Self gives evidence about the account; it is held against the account that the
//! directory named, byte for byte, and against the groups that the rule permits; S4U2Proxy gives the ticket for the target's first service, so that a missing
//! delegation is known at login and not when the desktop opens.

mod binding;
mod error;
mod membership;
mod plan;
mod refusal;
mod subject;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kdc_proxy::exchange::s4u2self::Evidence;
use kdc_proxy::net::client::{Client, ClientError};
use kdc_proxy::principal::{PrincipalName, Realm};
use kdc_proxy::ticket::ServiceTicket;

pub use self::binding::{AccountRefused, Mismatch};
pub use self::error::TicketError;
pub use self::membership::NotVouched;
pub(crate) use self::membership::is_vouchable;
pub use self::refusal::{KdcRefusal, Meaning};
pub use self::subject::{NameProblem, SubjectError};

use self::binding::Vouched;
use self::membership::Membership;
use self::plan::Plan;
use crate::directory::DirectoryAccount;
use crate::policy::Grant;

/// What issuing must know about this service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm of the service's own account; accounts of other realms are refused.
    pub realm: Realm,
    /// The service's own account, named in the advice to administrators.
    pub account: PrincipalName,
    /// The service's own SPN, named likewise.
    pub spn: PrincipalName,
    /// No ticket is asked for longer than a session may live.
    pub session_lifetime: Duration,
}

/// Asks for delegated tickets.
pub struct Issuer {
    client: Arc<Client>,
    settings: Settings,
}

/// A login's tickets: evidence about the person, and the ticket for the first granted service.
///
/// Only [`Issuer::issue`] makes one, after every check. The tickets' keys are wiped on drop; `Debug` names nothing but the kind.
pub struct DelegatedTicket {
    plan: Plan,
    sid: String,
    membership: Membership,
    evidence: Arc<Evidence>,
    first: Arc<ServiceTicket>,
}

impl DelegatedTicket {
    /// The person's name in the realm: the account's `sAMAccountName`.
    #[must_use]
    pub fn sam_account_name(&self) -> String {
        self.plan.subject.name().joined()
    }

    /// The realm of the account.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        self.plan.subject.realm()
    }

    /// The security identifier that directory and domain controller agree on, `S-1-5-21-...`.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// By which group the rule permits, and whose word that is; a clause for the log.
    #[must_use]
    pub fn membership(&self) -> String {
        self.membership.to_string()
    }

    /// The ticket for the first granted service.
    #[must_use]
    pub const fn first(&self) -> &Arc<ServiceTicket> {
        &self.first
    }

    /// When the evidence ends, by the domain controllers' clock: no further ticket after that.
    #[must_use]
    pub fn evidence_endtime(&self) -> SystemTime {
        self.evidence.ticket().endtime()
    }
}

impl std::fmt::Debug for DelegatedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DelegatedTicket").finish_non_exhaustive()
    }
}

impl Issuer {
    /// Issues with the tickets of `client`. No I/O.
    #[must_use]
    pub const fn new(client: Arc<Client>, settings: Settings) -> Self {
        Self { client, settings }
    }

    /// Proves the person and asks for the ticket to the grant's first service, to end after `at_most` at the latest and
    /// never later than the rule and the session allow.
    ///
    /// # Errors
    /// [`TicketError`]; none is retried under another name.
    pub async fn issue(
        &self,
        account: &DirectoryAccount,
        grant: &Grant,
        at_most: Duration,
    ) -> Result<DelegatedTicket, TicketError> {
        let at_most = at_most.min(grant.maximum_lifetime()).min(self.settings.session_lifetime);
        let plan = Plan::new(account, grant, &self.settings.realm)?;
        let evidence = self.client.s4u2self_near(&plan.subject, &plan.near).await;
        let evidence = evidence.map_err(|error| self.explain(error, &plan, None))?;
        let judged = self.judge(account, grant, &evidence);
        let membership = judged.inspect_err(|error| {
            // Evidence that was refused is not used again: the next login asks the domain controllers anew.
            self.client.forget(evidence.user());
            tell(error, account, &plan, &evidence);
        })?;
        let first = self.ask(&plan, &evidence, 0, at_most).await?;
        let sid = account.account().object_sid.to_string();
        Ok(DelegatedTicket { sid, membership, plan, evidence, first })
    }

    /// Holds the evidence against what the directory says of the account and of its groups.
    fn judge(
        &self,
        account: &DirectoryAccount,
        grant: &Grant,
        evidence: &Evidence,
    ) -> Result<Membership, TicketError> {
        let object_sid = &account.account().object_sid;
        binding::check(object_sid, account.domain_sid(), &Vouched::by(evidence))?;
        let membership = membership::check(grant.rule(), grant.groups(), evidence.pac().groups())?;
        if evidence.is_forwardable() {
            Ok(membership)
        } else {
            Err(TicketError::NotForwardable { account: self.settings.account.joined() })
        }
    }

    /// Asks for the ticket to the `place`-th granted service of a login.
    ///
    /// # Errors
    /// [`TicketError`].
    pub async fn further(
        &self,
        login: &DelegatedTicket,
        place: usize,
        at_most: Duration,
    ) -> Result<Arc<ServiceTicket>, TicketError> {
        self.ask(&login.plan, &login.evidence, place, at_most.min(login.plan.lifetime)).await
    }

    /// The domain controllers' time at the local time `now`, as far as it is known.
    #[must_use]
    pub fn kdc_time(&self, now: SystemTime) -> SystemTime {
        self.client.clock_offset().map_or(now, |offset| offset.apply(now))
    }

    async fn ask(
        &self,
        plan: &Plan,
        evidence: &Evidence,
        place: usize,
        at_most: Duration,
    ) -> Result<Arc<ServiceTicket>, TicketError> {
        let service = plan.services.get(place).ok_or(TicketError::NotPlanned)?;
        let asked = self.client.s4u2proxy_near(evidence, service, at_most, &plan.near).await;
        asked.map_err(|error| self.explain(error, plan, Some(service)))
    }

    /// Adds the names that the administrator needs to a refusal.
    fn explain(&self, error: ClientError, plan: &Plan, service: Option<&PrincipalName>) -> TicketError {
        match error {
            ClientError::KdcRefused { stage, code, status, .. } => TicketError::Kdc(KdcRefusal {
                stage,
                code,
                status,
                account: self.settings.account.joined(),
                own_spn: self.settings.spn.joined(),
                user: plan.subject.to_string(),
                service: service.map(PrincipalName::joined),
            }),
            other => TicketError::Client(other),
        }
    }
}

/// Tells of evidence that contradicts the directory, in an event of its own: somebody forges, or renames accounts at this
/// moment. The refusal itself is told where the login ends.
fn tell(error: &TicketError, account: &DirectoryAccount, plan: &Plan, evidence: &Evidence) {
    let event = match error {
        TicketError::Mismatch(_) => "account_mismatch",
        TicketError::Membership(_) => "membership_mismatch",
        _ => return,
    };
    tracing::error!(
        security_event = true,
        event,
        user = %plan.subject,
        object_sid = %account.account().object_sid,
        domain_sid = %account.domain_sid(),
        pac_user_sid = %evidence.pac().user_sid(),
        pac_domain_sid = %evidence.pac().domain_sid(),
        "directory and domain controller contradict each other about an account"
    );
}

#[cfg(test)]
mod tests;
