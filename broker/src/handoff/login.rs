//! Handing a finished login over: what the earlier steps established becomes a session.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kdc_proxy::ticket::ServiceTicket;
use rand_core::CryptoRng;

use super::desk::{Desk, Further, Handoff, Opening, earliest};
use super::error::{EndsWith, HandOffError};
use super::presented::PresentedChain;
use super::session::{SessionFacts, Subject};
use crate::directory::DirectoryAccount;
use crate::identity::{PeerCertificates, ValidatedIdentity};
use crate::policy::{Grant, ServiceName};
use crate::tickets::{DelegatedTicket, Issuer, TicketError};

/// What the steps before this one earned.
pub struct Login<'a> {
    /// The first step's result.
    pub identity: &'a ValidatedIdentity,
    /// What it was made of.
    pub certificates: PeerCertificates,
    /// When the first step began.
    pub checked_at: SystemTime,
    /// The second step's result.
    pub account: &'a DirectoryAccount,
    /// The third step's result.
    pub grant: &'a Grant,
    /// The fourth step's result.
    pub ticket: DelegatedTicket,
    /// The gateway that asked, by its configured name.
    pub gateway: &'a str,
    /// Joins everything this login causes.
    pub login_id: &'a str,
}

impl Desk<Issuer> {
    /// Takes a login in and makes the code for it. The session ends with whatever ends first: the configured lifetime, the
    /// rule's, the evidence, or a certificate of the card's path.
    ///
    /// # Errors
    /// [`HandOffError`].
    pub fn hand_off(
        &self,
        login: Login<'_>,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Handoff, HandOffError> {
        let Login { identity, certificates, checked_at, account, grant, ticket, gateway, login_id } = login;
        let evidence_left = ticket.evidence_endtime().duration_since(self.source().kdc_time(now));
        let (expires_at, ends_with) = earliest([
            (identity.not_after().into(), EndsWith::Certificate),
            (now + evidence_left.unwrap_or_default(), EndsWith::Evidence),
            (now + grant.maximum_session(), EndsWith::Rule),
        ]);
        let facts = SessionFacts {
            subject: Subject {
                upn: account.upn().to_owned(),
                sam_account_name: ticket.sam_account_name(),
                realm: ticket.realm().to_string(),
                sid: ticket.sid().to_owned(),
                certificate_sha256: *identity.fingerprint_sha256(),
            },
            target: grant.target().to_string(),
            granted_spns: grant.services().iter().map(ServiceName::to_string).collect(),
            expires_at,
            rule: grant.decided_by(),
            obligations: grant.obligations().clone(),
            login_id: login_id.to_owned(),
            revocation: identity.revocation().clone(),
        };
        let first = Arc::clone(ticket.first());
        let gateway = gateway.to_owned();
        let chain = Arc::new(PresentedChain::new(certificates));
        let opening = Opening { gateway, facts, ends_with, first, basis: ticket, chain, checked_at };
        self.open(opening, now, rng)
    }
}

impl Further for Issuer {
    type Basis = DelegatedTicket;
    type Error = TicketError;

    async fn further(
        &self,
        basis: &DelegatedTicket,
        place: usize,
        lifetime: Duration,
        answer_by: Instant,
    ) -> Result<Arc<ServiceTicket>, TicketError> {
        Self::further(self, basis, place, lifetime, answer_by).await
    }

    fn kdc_time(&self, now: SystemTime) -> SystemTime {
        Self::kdc_time(self, now)
    }
}
