//! S4U2Proxy (MS-SFU section 3.1.5.2): a ticket for another service in the name of the evidence ticket's user.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::clock::Clock;
use super::s4u2self::Evidence;
use super::tgs_call::{Ask, Received, TgsCall};
use super::tgs_exchange::till;
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, ReplyError, RequestError};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::message::padata::{self, pac_option};
use crate::message::types::{PaData, principal};
use crate::principal::{Principal, PrincipalName};
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
}

/// An S4U2Proxy exchange that waits for a reply.
#[derive(Debug)]
pub struct S4u2Proxy {
    call: TgsCall,
    user: Principal,
    evidence_end: KerberosTime,
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
        Ok((Self { call, user: evidence.user().clone(), evidence_end }, request))
    }
}

impl Exchange for S4u2Proxy {
    type Output = ServiceTicket;

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
            Received::Reply(opened) => {
                if opened.times.endtime > self.evidence_end {
                    return Err(ReplyError::EndTime.into());
                }
                // The outer client is not protected and the ticket is not ours to open: the user is the one of the
                // evidence, whatever the reply says.
                let named = principal(&opened.reply.cname, &opened.reply.crealm);
                if !named.is_ok_and(|named| named.eq_ignoring_case(&self.user)) {
                    tracing::warn!(user = %self.user, "s4u2proxy reply names another client; the evidence counts");
                }
                Ok(Step::Done(opened.into_ticket(self.user)))
            }
        }
    }
}

fn elements() -> Vec<PaData> {
    vec![padata::pac_options(pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION)]
}
