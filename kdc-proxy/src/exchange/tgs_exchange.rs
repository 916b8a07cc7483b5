//! TGS exchange (RFC 4120 section 3.3): a ticket for a service in our own name, through other realms where the KDC refers to
//! them (RFC 6806 section 8).

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::clock::Clock;
use super::realms::{Path, TrustedRealms};
use super::tgs_call::{Ask, Received, TgsCall};
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, RequestError};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::principal::PrincipalName;
use crate::ticket::{ServiceTicket, TicketGrantingTicket};
use crate::time::KerberosTime;

/// What is asked of the KDC.
#[derive(Clone, Debug)]
pub struct TgsAsk {
    /// The ticket to ask with.
    pub tgt: TicketGrantingTicket,
    /// The service.
    pub server: PrincipalName,
    /// Which encryption types may be used.
    pub etypes: EtypeList,
    /// How long the ticket shall live; it ends no later than the `tgt`.
    pub lifetime: Duration,
    /// What is known of the KDC's clock.
    pub clock: Clock,
    /// To which realms it may refer.
    pub trusted: TrustedRealms,
}

/// A ticket in our own name, and with which ticket it was got.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The ticket.
    pub ticket: ServiceTicket,
    /// The ticket-granting ticket of the realm that issued it.
    pub tgt: TicketGrantingTicket,
}

/// A TGS exchange that waits for a reply.
#[derive(Debug)]
pub struct TgsExchange {
    call: TgsCall,
    path: Path,
}

impl TgsExchange {
    /// Makes the request.
    ///
    /// # Errors
    /// [`RequestError`] when the ticket-granting ticket has ended or a clock reading cannot be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: TgsAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        let till = till(ask.clock, now, ask.lifetime, &[&ask.tgt.ticket().times().endtime])?;
        let path = Path::outward(ask.tgt.realm(), ask.tgt.ticket().client().realm(), ask.trusted);
        let ask = Ask {
            tgt: ask.tgt,
            server: ask.server,
            aliases: Vec::new(),
            options: options::FORWARDABLE | options::CANONICALIZE,
            till,
            etypes: ask.etypes,
            additional_ticket: None,
            clock: ask.clock,
        };
        let call = TgsCall::new(ask, now, rng)?;
        let request = call.request(Vec::new(), now, rng)?;
        Ok((Self { call, path }, request))
    }
}

impl Exchange for TgsExchange {
    type Output = Obtained;

    fn step<R: CryptoRng + ?Sized>(
        mut self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        match self.call.receive(reply, now)? {
            Received::Again => self.call.renew(rng),
            Received::Referral(opened, realm) => {
                let realm = self.path.follow(&realm)?;
                self.call.check_client(&opened)?;
                self.call = self.call.refer(*opened, realm, now, rng)?;
            }
            Received::Reply(opened) => {
                let client = self.call.check_client(&opened)?;
                let ticket = opened.into_ticket(client);
                return Ok(Step::Done(Obtained { ticket, tgt: self.call.ask.tgt }));
            }
        }
        let request = self.call.request(Vec::new(), now, rng)?;
        Ok(Step::Send { request, exchange: self })
    }
}

/// The end to ask for: `lifetime` from now, and no later than any of `bounds`.
pub(super) fn till(
    clock: Clock,
    now: SystemTime,
    lifetime: Duration,
    bounds: &[&KerberosTime],
) -> Result<KerberosTime, RequestError> {
    let wanted = clock.end(now, lifetime)?;
    Ok(bounds.iter().fold(wanted, |end, bound| end.min(**bound)))
}
