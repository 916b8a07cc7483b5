//! S4U2Proxy (MS-SFU section 3.1.5.2): a ticket for another service in the name of the evidence ticket's user.
//!
//! For a service of another realm our own KDC gives a [`ProxyTicket`] to take there, where [`across::S4u2ProxyAcross`] goes on.

pub mod across;

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::clock::Clock;
use super::realms::{Path, TrustedRealms};
use super::reply::Opened;
use super::s4u2self::Evidence;
use super::tgs_call::{Ask, Received, TgsCall};
use super::tgs_exchange::till;
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, ReferralError, ReplyError, RequestError};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::message::padata::{self, kind, pac_option};
use crate::message::types::{PaData, principal};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{ServiceTicket, TicketGrantingTicket};
use crate::time::KerberosTime;

/// What is asked of the KDC.
#[derive(Clone, Debug)]
pub struct S4u2ProxyAsk {
    /// Our own ticket-granting ticket.
    pub tgt: TicketGrantingTicket,
    /// The service the user shall be able to reach.
    pub server: PrincipalName,
    /// Which encryption types may be used.
    pub etypes: EtypeList,
    /// How long the ticket shall live; it ends no later than the `tgt` and the evidence.
    pub lifetime: Duration,
    /// What is known of the KDC's clock.
    pub clock: Clock,
    /// To which realms it may refer.
    pub trusted: TrustedRealms,
}

/// What our own KDC gives for the evidence.
#[derive(Clone, Debug)]
pub enum Delegated {
    /// The ticket for the service, in the user's name.
    Ticket(ServiceTicket),
    /// The service is of another realm.
    Referred(ProxyTicket),
}

/// A ticket-granting ticket for another realm that carries the user's evidence with it.
#[derive(Clone, Debug)]
pub struct ProxyTicket {
    tgt: TicketGrantingTicket,
    user: Principal,
    evidence_end: KerberosTime,
}

impl ProxyTicket {
    /// The realm it leads to.
    pub const fn realm(&self) -> &Realm {
        self.tgt.realm()
    }

    /// In whose name the ticket will be.
    pub const fn user(&self) -> &Principal {
        &self.user
    }
}

/// An S4U2Proxy exchange that waits for a reply.
#[derive(Debug)]
pub struct S4u2Proxy {
    call: TgsCall,
    user: Principal,
    evidence_end: KerberosTime,
    path: Path,
}

impl S4u2Proxy {
    /// Makes the request around the evidence ticket, whose bytes go out as they came in. Classic delegation and
    /// resource-based delegation are asked for at once; the KDC takes the one that is configured.
    ///
    /// # Errors
    /// [`RequestError`] when a ticket has ended, the server is a ticket-granting service, or a clock reading cannot
    /// be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: S4u2ProxyAsk,
        evidence: &Evidence,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        if ask.server.is_krbtgt() {
            return Err(RequestError::TicketGrantingService.into());
        }
        let evidence_end = evidence.ticket().times().endtime;
        if evidence_end.to_system() <= ask.clock.kdc_time(now) {
            return Err(RequestError::EvidenceEnded.into());
        }
        let till = till(ask.clock, now, ask.lifetime, &[&ask.tgt.ticket().times().endtime, &evidence_end])?;
        let path = Path::outward(ask.tgt.realm(), ask.tgt.ticket().client().realm(), ask.trusted);
        let ask = Ask {
            tgt: ask.tgt,
            server: ask.server,
            aliases: Vec::new(),
            options: options::FORWARDABLE | options::CNAME_IN_ADDL_TKT | options::CANONICALIZE,
            till,
            etypes: ask.etypes,
            additional_ticket: Some(evidence.ticket().bytes().to_vec()),
            clock: ask.clock,
        };
        let call = TgsCall::new(ask, now, rng)?;
        let request = call.request(elements(), now, rng)?;
        Ok((Self { call, user: evidence.user().clone(), evidence_end, path }, request))
    }

    /// The service is of another realm: our KDC must have taken the evidence into the ticket for it.
    fn referred(mut self, referral: Opened, realm: &Realm) -> Result<ProxyTicket, ExchangeError> {
        let realm = self.path.follow(realm)?;
        let own = self.call.check_client(&referral)?;
        if !is_resource_based(&referral) {
            return Err(ReferralError::WithoutDelegation { realm }.into());
        }
        check_end(&referral, self.evidence_end)?;
        let tgt = TicketGrantingTicket::taken_by(realm, referral.into_ticket(own));
        Ok(ProxyTicket { tgt, user: self.user, evidence_end: self.evidence_end })
    }
}

impl Exchange for S4u2Proxy {
    type Output = Delegated;

    fn step<R: CryptoRng + ?Sized>(
        mut self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        match self.call.receive(reply, now)? {
            Received::Again => {
                self.call.renew(rng);
                let request = self.call.request(elements(), now, rng)?;
                Ok(Step::Send { request, exchange: self })
            }
            Received::Referral(opened, realm) => {
                Ok(Step::Done(Delegated::Referred(self.referred(*opened, &realm)?)))
            }
            Received::Reply(opened) => {
                let ticket = ticket_of(self.user, *opened, self.evidence_end)?;
                Ok(Step::Done(Delegated::Ticket(ticket)))
            }
        }
    }
}

fn elements() -> Vec<PaData> {
    vec![padata::pac_options(pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION)]
}

/// The ticket in the name of `user`, who is the one of the evidence whatever the reply says: its outer client is not
/// protected, and the ticket is not ours to open.
fn ticket_of(
    user: Principal,
    opened: Opened,
    evidence_end: KerberosTime,
) -> Result<ServiceTicket, ReplyError> {
    check_end(&opened, evidence_end)?;
    let named = principal(&opened.reply.cname, &opened.reply.crealm);
    if !named.is_ok_and(|named| named.eq_ignoring_case(&user)) {
        tracing::warn!(%user, "s4u2proxy reply names another client; the evidence counts");
    }
    Ok(opened.into_ticket(user))
}

/// No ticket outlives the evidence it rests on.
fn check_end(opened: &Opened, evidence_end: KerberosTime) -> Result<(), ReplyError> {
    if opened.times.endtime > evidence_end { Err(ReplyError::EndTime) } else { Ok(()) }
}

/// Whether the KDC says, where nobody else can, that it knows resource-based delegation (MS-KILE section 2.2.10).
fn is_resource_based(opened: &Opened) -> bool {
    padata::only(&opened.encrypted_padata, kind::PAC_OPTIONS)
        .and_then(|value| padata::read_pac_options(value).ok())
        .is_some_and(|bits| bits & pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION != 0)
}
