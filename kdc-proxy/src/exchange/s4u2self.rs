//! S4U2Self (MS-SFU section 3.1.5.1): a ticket to ourselves in the name of a user, as evidence of who the user is.
//!
//! The reply is believed only after the ticket has been opened with our own long-term key: that proves that the KDC
//! made it, and that the user in it is the one we asked for.
//!
//! A user of another realm is asked for at that realm with a ticket-granting ticket for it. Its KDC refers back to our own
//! realm, through others perhaps, and each is asked in turn; the last, our own, issues the ticket to ourselves
//! (MS-SFU section 3.1.5.1.1.2).

mod verify;
mod x509_user;

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::clock::Clock;
use super::realms::{Path, TrustedRealms};
use super::reply::Opened;
use super::secret::LongTermKeys;
use super::tgs_call::{Ask, Received, TgsCall};
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, ReferralError, ReplyError, RequestError};
use crate::key::EtypeList;
use crate::message::kdc_req::options;
use crate::message::pac::Pac;
use crate::message::padata::{self, pac_option};
use crate::message::types::PaData;
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{ServiceTicket, TicketFlags, TicketGrantingTicket};
use x509_user::SentUserId;

/// What is asked of the KDC.
#[derive(Clone, Debug)]
pub struct S4u2SelfAsk {
    /// A ticket-granting ticket in our own name for the user's realm.
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
    /// The other realms that users may be of, and that the KDCs may refer to.
    pub trusted: TrustedRealms,
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
    server: PrincipalName,
    long_term_keys: LongTermKeys,
    sent: SentUserId,
    path: Path,
}

impl S4u2Self {
    /// Makes the request, with PA-FOR-USER and PA-S4U-X509-USER both: some KDCs know the one, some the other.
    ///
    /// # Errors
    /// [`RequestError`] when the user is of another realm than the ticket-granting ticket is for, or of one that is not
    /// configured, the ticket-granting ticket has ended, or a clock reading cannot be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: S4u2SelfAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        let own = ask.tgt.ticket().client().clone();
        let realm = ask.user.realm();
        let is_known = realm.eq_ignoring_case(own.realm()) || ask.trusted.get(realm).is_some();
        if !is_known || !realm.eq_ignoring_case(ask.tgt.realm()) {
            return Err(RequestError::ForeignUser(realm.clone()).into());
        }
        let path = Path::homeward(ask.tgt.realm(), own.realm(), ask.trusted);
        let (server, aliases) = name_at(ask.tgt.realm(), &ask.server, &own)?;
        let till = ask.tgt.ticket().times().endtime;
        let call = TgsCall::new(
            Ask {
                tgt: ask.tgt,
                server,
                aliases,
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
        let S4u2SelfAsk { user, server, long_term_keys, .. } = ask;
        let exchange = Self { call, user, server, long_term_keys, sent, path };
        let request = exchange.request(now, rng)?;
        Ok((exchange, request))
    }

    /// Follows a referral on the way back to our own realm.
    fn follow<R: CryptoRng + ?Sized>(
        mut self,
        referral: Opened,
        realm: &Realm,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Self, ExchangeError> {
        let is_home = self.call.ask.tgt.realm().eq_ignoring_case(self.path.own());
        let realm = self.path.follow(realm)?;
        if is_home {
            return Err(ReferralError::AwayFromHome { realm }.into());
        }
        let own = self.call.check_client(&referral)?;
        self.sent.verify_reply(&referral, &self.user)?;
        let (server, aliases) = name_at(&realm, &self.server, &own)?;
        (self.call.ask.server, self.call.ask.aliases) = (server, aliases);
        self.call = self.call.refer(referral, realm, now, rng)?;
        Ok(self)
    }

    /// Checks the last reply, which is that of our own realm.
    fn finish(self, opened: Opened) -> Result<Evidence, ExchangeError> {
        let own = self.call.ask.tgt.ticket().client();
        if !self.call.ask.tgt.realm().eq_ignoring_case(own.realm()) {
            return Err(ReplyError::ReferralMissing.into());
        }
        verify::reply_names_user(&opened, &self.user, own)?;
        self.sent.verify_reply(&opened, &self.user)?;
        let (ticket, pac) = verify::evidence(opened, &self.user, &self.long_term_keys, &self.path)?;
        Ok(Evidence { ticket, pac })
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
            Received::Again => self.call.renew(rng),
            Received::Referral(opened, realm) => self = self.follow(*opened, &realm, now, rng)?,
            Received::Reply(opened) => return Ok(Step::Done(self.finish(*opened)?)),
        }
        self.sent = SentUserId::new(&self.user, &self.call);
        let request = self.request(now, rng)?;
        Ok(Step::Send { request, exchange: self })
    }
}

/// What we are called at `realm`, and how else its KDC may call us: at our own by the configured name, elsewhere by our
/// account's name and realm as an enterprise name (MS-SFU section 3.1.5.1.1.2).
fn name_at(
    realm: &Realm,
    server: &PrincipalName,
    own: &Principal,
) -> Result<(PrincipalName, Vec<PrincipalName>), RequestError> {
    if realm.eq_ignoring_case(own.realm()) {
        return Ok((server.clone(), vec![own.name().clone()]));
    }
    let name = format!("{}@{}", own.name().joined(), own.realm());
    Ok((PrincipalName::enterprise(&name)?, Vec::new()))
}
