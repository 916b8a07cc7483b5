//! S4U2Proxy for a service of another realm (MS-SFU section 3.1.5.2.2): resource-based delegation only.
//!
//! Three things are asked for in turn: a ticket for the service in our own name, which tells its realm and gives us a
//! ticket-granting ticket there; the [`ProxyTicket`] for that same realm, where it is not for it yet; and with the two the
//! ticket in the user's name.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;

use super::{ProxyTicket, elements, is_resource_based, ticket_of};
use crate::error::{ExchangeError, ReplyError, RequestError};
use crate::exchange::clock::Clock;
use crate::exchange::realms::TrustedRealms;
use crate::exchange::tgs_call::{Ask, Received, TgsCall};
use crate::exchange::tgs_exchange::{Obtained, TgsAsk, TgsExchange, till};
use crate::exchange::{Exchange, Request, Step};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::principal::PrincipalName;
use crate::ticket::{ServiceTicket, TicketGrantingTicket};

/// What is asked of the KDCs.
#[derive(Clone, Debug)]
pub struct AcrossAsk {
    /// A ticket-granting ticket in our own name for the realm that the proxy ticket leads to.
    pub tgt: TicketGrantingTicket,
    /// The service the user shall be able to reach.
    pub server: PrincipalName,
    /// Which encryption types may be used.
    pub etypes: EtypeList,
    /// How long the ticket shall live.
    pub lifetime: Duration,
    /// What is known of the KDCs' clocks.
    pub clock: Clock,
    /// To which realms they may refer.
    pub trusted: TrustedRealms,
}

/// An S4U2Proxy exchange across realms that waits for a reply.
#[derive(Debug)]
pub struct S4u2ProxyAcross {
    holding: Holding,
    stage: Stage,
}

/// What is wanted, and the two tickets for it so far.
#[derive(Debug)]
struct Holding {
    ask: AcrossAsk,
    proxy: ProxyTicket,
}

/// What is being asked for.
#[derive(Debug)]
enum Stage {
    /// The service's realm.
    Service(TgsExchange),
    /// The proxy ticket for that realm.
    Proxy(TgsExchange),
    /// The ticket in the user's name.
    Target(TgsCall),
}

impl S4u2ProxyAcross {
    /// Makes the first request.
    ///
    /// # Errors
    /// [`RequestError`] when a ticket has ended, the two tickets are for different realms, the server is a
    /// ticket-granting service, or a clock reading cannot be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: AcrossAsk,
        proxy: ProxyTicket,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        if ask.server.is_krbtgt() {
            return Err(RequestError::TicketGrantingService.into());
        }
        if !ask.tgt.realm().eq_ignoring_case(proxy.realm()) {
            return Err(RequestError::TicketOfAnotherRealm(ask.tgt.realm().clone()).into());
        }
        if proxy.evidence_end.to_system() <= ask.clock.kdc_time(now) {
            return Err(RequestError::EvidenceEnded.into());
        }
        let holding = Holding { ask, proxy };
        let (tgt, server) = (holding.ask.tgt.clone(), holding.ask.server.clone());
        let (exchange, request) = holding.tgs_exchange(tgt, server, now, rng)?;
        Ok((Self { holding, stage: Stage::Service(exchange) }, request))
    }
}

impl Holding {
    /// Asks for a ticket in our own name.
    fn tgs_exchange<R: CryptoRng + ?Sized>(
        &self,
        tgt: TicketGrantingTicket,
        server: PrincipalName,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(TgsExchange, Request), ExchangeError> {
        let AcrossAsk { etypes, lifetime, clock, .. } = self.ask;
        let trusted = self.ask.trusted.clone();
        TgsExchange::start(TgsAsk { tgt, server, etypes, lifetime, clock, trusted }, now, rng)
    }

    /// The service's realm is known: `tgt` is for it.
    fn found<R: CryptoRng + ?Sized>(
        mut self,
        tgt: TicketGrantingTicket,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(S4u2ProxyAcross, Request), ExchangeError> {
        self.ask.tgt = tgt;
        let realm = self.ask.tgt.realm();
        if realm.eq_ignoring_case(self.proxy.realm()) {
            return self.target(now, rng);
        }
        let (tgt, server) = (self.proxy.tgt.clone(), PrincipalName::krbtgt(realm));
        let (exchange, request) = self.tgs_exchange(tgt, server, now, rng)?;
        Ok((S4u2ProxyAcross { holding: self, stage: Stage::Proxy(exchange) }, request))
    }

    /// Both tickets are for the service's realm.
    fn target<R: CryptoRng + ?Sized>(
        self,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(S4u2ProxyAcross, Request), ExchangeError> {
        let AcrossAsk { etypes, lifetime, clock, .. } = self.ask;
        let ends = [&self.ask.tgt.ticket().times().endtime, &self.proxy.evidence_end];
        let ask = Ask {
            tgt: self.ask.tgt.clone(),
            server: self.ask.server.clone(),
            aliases: Vec::new(),
            options: options::FORWARDABLE | options::CNAME_IN_ADDL_TKT | options::CANONICALIZE,
            till: till(clock, now, lifetime, &ends)?,
            etypes,
            additional_ticket: Some(self.proxy.tgt.ticket().bytes().to_vec()),
            clock,
        };
        let call = TgsCall::new(ask, now, rng)?;
        let request = call.request(elements(), now, rng)?;
        Ok((S4u2ProxyAcross { holding: self, stage: Stage::Target(call) }, request))
    }
}

impl Exchange for S4u2ProxyAcross {
    type Output = ServiceTicket;

    fn step<R: CryptoRng + ?Sized>(
        self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        let Self { mut holding, stage } = self;
        let (exchange, request) = match stage {
            Stage::Service(exchange) => match exchange.step(reply, now, rng)? {
                Step::Send { request, exchange } => {
                    (Self { holding, stage: Stage::Service(exchange) }, request)
                }
                Step::Done(Obtained { tgt, .. }) => holding.found(tgt, now, rng)?,
            },
            Stage::Proxy(exchange) => match exchange.step(reply, now, rng)? {
                Step::Send { request, exchange } => {
                    (Self { holding, stage: Stage::Proxy(exchange) }, request)
                }
                Step::Done(Obtained { ticket, .. }) => {
                    let realm = holding.ask.tgt.realm().clone();
                    holding.proxy.tgt = TicketGrantingTicket::taken_by(realm, ticket);
                    holding.target(now, rng)?
                }
            },
            Stage::Target(mut call) => match call.receive(reply, now)? {
                Received::Again => {
                    call.renew(rng);
                    let request = call.request(elements(), now, rng)?;
                    (Self { holding, stage: Stage::Target(call) }, request)
                }
                Received::Referral(..) => return Err(ReplyError::UnaskedTicketGranting.into()),
                Received::Reply(opened) if !is_resource_based(&opened) => {
                    return Err(ReplyError::DelegationOptionMissing.into());
                }
                Received::Reply(opened) => {
                    let ProxyTicket { user, evidence_end, .. } = holding.proxy;
                    return Ok(Step::Done(ticket_of(user, *opened, evidence_end)?));
                }
            },
        };
        Ok(Step::Send { request, exchange })
    }
}
