//! The delegated ticket: proof that the domain vouches for the person, and the right to act for the person at the target.
//!
//! Does I/O: asks domain controllers. S4U2Self gives evidence about the account; it is held against the account that the
//! directory named, byte for byte, and against the groups that policies decide by; S4U2Proxy gives the ticket for the target's first service, so that a missing
//! delegation is known at login and not when the desktop opens. Where the domain gives no ticket, the directory is asked what is
//! missing; that changes no verdict.

pub mod advice;
mod binding;
mod diagnosis;
mod error;
mod membership;
mod outlook;
mod plan;
mod subject;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kdc_proxy::exchange::s4u2self::Evidence;
use kdc_proxy::net::client::{Client, ClientError, Stage};
use kdc_proxy::principal::{Principal, PrincipalName, Realm};
use kdc_proxy::ticket::ServiceTicket;
use ldap_map::delegation::Question;

pub use self::binding::{AccountRefused, Mismatch};
pub use self::diagnosis::{Diagnosed, Finding};
pub use self::error::TicketError;
pub use self::outlook::Outlook;
pub use self::subject::{NameProblem, SubjectError};

use self::advice::command::Names;
use self::advice::symptom::Symptom;
use self::binding::Vouched;
use self::membership::Membership;
use self::plan::Plan;
use crate::directory::{DirectoryAccount, Testimony, Witness};
use crate::policy::Grant;

/// What issuing must know about this service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The realm of the service's own account.
    pub realm: Realm,
    /// The realms beside it whose accounts are served; accounts of others are refused.
    pub trusted: Vec<Realm>,
    /// The service's own account, named in the advice to administrators.
    pub account: PrincipalName,
    /// The service's own SPN, named likewise.
    pub spn: PrincipalName,
    /// No ticket is asked for longer than a session may live.
    pub session_lifetime: Duration,
}

impl Settings {
    /// The service's own principals: its account and its SPN.
    #[must_use]
    pub fn own_principals(&self) -> [Principal; 2] {
        subject::own(self.account.clone(), self.spn.clone(), &self.realm)
    }
}

/// Asks for delegated tickets.
pub struct Issuer {
    client: Arc<Client>,
    settings: Settings,
    witness: Witness,
}

/// A login's tickets: evidence about the person, and the ticket for the first granted service.
///
/// Only [`Issuer::issue`] makes one, after every check. The tickets' keys are wiped on drop; `Debug` names nothing but the kind.
pub struct DelegatedTicket {
    plan: Plan,
    grant: Grant,
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

    /// What was granted, as far as it holds by the domain controller's word about groups too.
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// By which group the policies permit, and whose word that is; a clause for the log.
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
    /// Issues with the tickets of `client`; `witness` is asked where there are none. No I/O.
    #[must_use]
    pub const fn new(client: Arc<Client>, settings: Settings, witness: Witness) -> Self {
        Self { client, settings, witness }
    }

    /// Proves the person and asks for the ticket to the grant's first service, to end after `at_most` at the latest and
    /// never later than the rule and the session allow. Whoever asks waits until `answer_by`.
    ///
    /// # Errors
    /// [`TicketError`]; none is retried under another name.
    pub async fn issue(
        &self,
        account: &DirectoryAccount,
        grant: &Grant,
        at_most: Duration,
        answer_by: Instant,
    ) -> Result<DelegatedTicket, TicketError> {
        let plan = Plan::new(account, grant, &self.settings.realm, &self.settings.trusted)?;
        let case = Case { plan: &plan, service: None, answer_by };
        let evidence = match self.client.s4u2self_near(&plan.subject, &plan.near).await {
            Ok(evidence) => evidence,
            Err(error) => return Err(self.explain(error, &case).await),
        };
        let judged = judge(account, grant, &evidence);
        let (grant, membership) = judged.inspect_err(|error| {
            // Evidence that was refused is not used again: the next login asks the domain controllers anew.
            self.client.forget(evidence.user());
            tell(error, account, &plan, &evidence);
        })?;
        if !evidence.is_forwardable() {
            self.client.forget(evidence.user());
            return Err(self.diagnose(Symptom::NotForwardable, None, &case).await);
        }
        let plan = plan.clone().within(&grant)?;
        let case = Case { plan: &plan, service: None, answer_by };
        let at_most = at_most.min(plan.lifetime).min(self.settings.session_lifetime);
        let first = self.ask(&case, &evidence, 0, at_most).await?;
        let sid = account.account().object_sid.to_string();
        Ok(DelegatedTicket { grant, sid, membership, plan, evidence, first })
    }

    /// Asks for the ticket to the `place`-th granted service of a login. Whoever asks waits until `answer_by`.
    ///
    /// # Errors
    /// [`TicketError`].
    pub async fn further(
        &self,
        login: &DelegatedTicket,
        place: usize,
        at_most: Duration,
        answer_by: Instant,
    ) -> Result<Arc<ServiceTicket>, TicketError> {
        let case = Case { plan: &login.plan, service: None, answer_by };
        self.ask(&case, &login.evidence, place, at_most.min(login.plan.lifetime)).await
    }

    /// The domain controllers' time at the local time `now`, as far as it is known.
    #[must_use]
    pub fn kdc_time(&self, now: SystemTime) -> SystemTime {
        self.client.clock_offset().map_or(now, |offset| offset.apply(now))
    }

    async fn ask(
        &self,
        case: &Case<'_>,
        evidence: &Evidence,
        place: usize,
        at_most: Duration,
    ) -> Result<Arc<ServiceTicket>, TicketError> {
        let service = case.plan.services.get(place).ok_or(TicketError::NotPlanned)?;
        let near = &case.plan.near;
        match self.client.s4u2proxy_near(evidence, service, at_most, near).await {
            Ok(ticket) => Ok(ticket),
            Err(error) => Err(self.explain(error, &Case { service: Some(service), ..*case }).await),
        }
    }

    /// Finds out what is missing, where the error is about the domain.
    async fn explain(&self, error: ClientError, case: &Case<'_>) -> TicketError {
        let asked = if case.service.is_some() { Stage::S4u2Proxy } else { Stage::S4u2Self };
        let across = Symptom::across(&error, &self.settings.realm, case.plan.subject.realm());
        match across.or_else(|| Symptom::of(&error, asked)) {
            Some(symptom) => self.diagnose(symptom, Some(error), case).await,
            None => TicketError::Client(error),
        }
    }

    /// Asks the directory. Only ever called when there is no ticket.
    async fn diagnose(&self, symptom: Symptom, error: Option<ClientError>, case: &Case<'_>) -> TicketError {
        let Settings { realm, account, spn, .. } = &self.settings;
        let (account, own_spn) = (account.joined(), spn.joined());
        let service = case.service.map(PrincipalName::joined);
        // The directory that is asked is that of our own domain.
        let is_ours = case.plan.subject.realm() == realm;
        let question = Question {
            account: &account,
            own_spn: &own_spn,
            user: is_ours.then_some(&case.plan.user),
            target_spn: service.as_deref(),
        };
        // What comes of a ticket that is not forwardable is neither, and the account may be mended by the next login.
        self.client.forget_unforwardable_ticket();
        let testimony = if is_ours || case.service.is_some() {
            self.witness.ask(&question, case.answer_by).await
        } else {
            Testimony::Elsewhere
        };
        let versions = self.client.key_versions();
        let listed = |versions: &Vec<u32>| {
            let texts: Vec<String> = versions.iter().map(u32::to_string).collect();
            texts.join(", ")
        };
        let names = Names {
            keytab_versions: versions.as_ref().map(listed),
            realm: Some(realm.to_string()),
            user: Some(if is_ours {
                case.plan.subject.name().joined()
            } else {
                case.plan.subject.to_string()
            }),
            spn: service,
            account: Some(account),
            own_spn: Some(own_spn),
            ..Names::default()
        };
        let diagnosed = Diagnosed::new(symptom, error, names, versions.as_deref(), &testimony);
        TicketError::Diagnosed(Box::new(diagnosed))
    }
}

/// What a ticket is asked for, and how long the one who asks waits.
#[derive(Clone, Copy)]
struct Case<'a> {
    plan: &'a Plan,
    service: Option<&'a PrincipalName>,
    answer_by: Instant,
}

/// Holds the evidence against what the directory says of the account and of its groups.
fn judge(
    account: &DirectoryAccount,
    grant: &Grant,
    evidence: &Evidence,
) -> Result<(Grant, Membership), TicketError> {
    let object_sid = &account.account().object_sid;
    binding::check(object_sid, account.domain_sid(), account.home(), &Vouched::by(evidence))?;
    Ok(membership::confirm(grant, evidence.pac().groups())?)
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
pub(crate) mod testing;
#[cfg(test)]
mod tests;
