//! S4U2Self (MS-SFU section 3.1.5.1): a ticket to ourselves in the name of a user, as evidence of who the user is.
//!
//! The reply is believed only after the ticket has been opened with our own long-term key: that proves that the KDC
//! made it, and that the user in it is the one we asked for.

mod verify;
mod x509_user;

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::clock::Clock;
use super::secret::LongTermKeys;
use super::tgs_call::{Ask, Received, TgsCall};
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, RequestError};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::message::pac::Pac;
use crate::message::padata::{self, pac_option};
use crate::message::types::PaData;
use crate::principal::{Principal, PrincipalName};
use crate::ticket::{ServiceTicket, TicketFlags, TicketGrantingTicket};
use x509_user::SentUserId;

/// What is asked of the KDC.
#[derive(Clone, Debug)]
pub struct S4u2SelfAsk {
    /// Our own ticket-granting ticket.
    pub tgt: TicketGrantingTicket,
    /// In whose name: account name and realm.
    pub user: Principal,
    /// One of our own service principal names.
    pub server: PrincipalName,
    /// Our own keys, which open the ticket.
    pub long_term_keys: LongTermKeys,
    /// Which encryption types may be used.
    pub etypes: EtypeList,
    /// What is known of the KDC's clock.
    pub clock: Clock,
}

/// A verified evidence ticket: the user in it was read from the ticket itself, opened with our own key, and so was
/// the PAC.
#[derive(Clone, Debug)]
pub struct Evidence {
    ticket: ServiceTicket,
    pac: Pac,
}

impl Evidence {
    /// The user, as the KDC wrote the name into the ticket.
    pub const fn user(&self) -> &Principal {
        self.ticket.client()
    }

    /// The ticket.
    pub const fn ticket(&self) -> &ServiceTicket {
        &self.ticket
    }

    /// Whether the KDC lets the ticket be used for S4U2Proxy. It does not for sensitive accounts, nor where the
    /// service may not act for others.
    pub const fn is_forwardable(&self) -> bool {
        self.ticket.flags().contains(TicketFlags::FORWARDABLE)
    }

    /// What the KDC knows of the user, its server signature verified with our key.
    pub const fn pac(&self) -> &Pac {
        &self.pac
    }
}

/// An S4U2Self exchange that waits for a reply.
#[derive(Debug)]
pub struct S4u2Self {
    call: TgsCall,
    user: Principal,
    long_term_keys: LongTermKeys,
    sent: SentUserId,
}

impl S4u2Self {
    /// Makes the request, with PA-FOR-USER and PA-S4U-X509-USER both: some KDCs know the one, some the other.
    ///
    /// # Errors
    /// [`RequestError`] when the user is of another realm, the ticket-granting ticket has ended, or a clock reading
    /// cannot be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: S4u2SelfAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        if !ask.user.realm().eq_ignoring_case(ask.tgt.realm()) {
            return Err(RequestError::ForeignUser(ask.user.realm().clone()).into());
        }
        let own_name = ask.tgt.ticket().client().name().clone();
        let till = ask.tgt.ticket().times().endtime;
        let call = TgsCall::new(
            Ask {
                tgt: ask.tgt,
                server: ask.server,
                aliases: vec![own_name],
                options: options::FORWARDABLE | options::CANONICALIZE,
                till,
                etypes: ask.etypes,
                additional_ticket: None,
                clock: ask.clock,
            },
            now,
            rng,
        )?;
        let sent = SentUserId::new(&ask.user, &call);
        let exchange = Self { call, user: ask.user, long_term_keys: ask.long_term_keys, sent };
        let request = exchange.request(now, rng)?;
        Ok((exchange, request))
    }

    fn request<R: CryptoRng + ?Sized>(&self, now: SystemTime, rng: &mut R) -> Result<Request, RequestError> {
        let elements: Vec<PaData> = vec![
            self.sent.padata(),
            padata::for_user(&self.user, self.call.session_key()),
            padata::pac_options(pac_option::CLAIMS | pac_option::RESOURCE_BASED_CONSTRAINED_DELEGATION),
        ];
        self.call.request(elements, now, rng)
    }
}

impl Exchange for S4u2Self {
    type Output = Evidence;

    fn step<R: CryptoRng + ?Sized>(
        mut self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        match self.call.receive(reply, now)? {
            Received::Again => {
                self.call.renew(rng);
                self.sent = SentUserId::new(&self.user, &self.call);
                let request = self.request(now, rng)?;
                Ok(Step::Send { request, exchange: self })
            }
            Received::Reply(opened) => {
                let own = self.call.ask.tgt.ticket().client();
                verify::reply_names_user(&opened, &self.user, own)?;
                self.sent.verify_reply(&opened, &self.user)?;
                let (ticket, pac) = verify::evidence(*opened, &self.user, &self.long_term_keys)?;
                Ok(Step::Done(Evidence { ticket, pac }))
            }
        }
    }
}
