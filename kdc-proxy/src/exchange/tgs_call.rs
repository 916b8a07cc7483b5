//! What every TGS exchange does (RFC 4120 section 3.3): the authenticated request, and the checks of its reply.

use std::time::SystemTime;

use rand_core::CryptoRng;

use super::clock::Clock;
use super::reply::{Answer, Opened};
use super::{Request, nonce};
use crate::error::{ErrorCode, ExchangeError, ReplyError, RequestError};
use crate::key::{EtypeList, Key, KeyUsage};
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::kdc_rep::{EncTgsRepPart, KdcRep};
use crate::message::kdc_req::{KdcReqBody, RequestKind, kdc_req};
use crate::message::padata::kind;
use crate::message::types::{
    EncryptedData, Flags, PaData, decode, encode, encode_secret, encoded, principal,
};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::TicketGrantingTicket;
use crate::time::{ClockOffset, KerberosTime};

/// The parts of a request that stay the same when it is repeated.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) tgt: TicketGrantingTicket,
    pub(super) server: PrincipalName,
    /// Other names under which the KDC may canonicalize the server.
    pub(super) aliases: Vec<PrincipalName>,
    pub(super) options: u32,
    pub(super) till: KerberosTime,
    pub(super) etypes: EtypeList,
    pub(super) additional_ticket: Option<Vec<u8>>,
    pub(super) clock: Clock,
}

/// A TGS request under way.
#[derive(Debug)]
pub(super) struct TgsCall {
    pub(super) ask: Ask,
    /// What was known of the clock before this KDC was asked; another realm's KDC may have another one.
    clock: Clock,
    nonce: u32,
    subkey: Key,
    skew_was_claimed: bool,
}

/// What came of a reply.
pub(super) enum Received {
    /// The clocks differ: build the request anew and send it.
    Again,
    /// A reply that has passed all common checks.
    Reply(Box<Opened>),
    /// One that has passed them too, with a ticket for the ticket-granting service of another realm in place of the
    /// ticket asked for (RFC 6806 section 8).
    Referral(Box<Opened>, Realm),
}

impl TgsCall {
    /// A call with a fresh nonce and subkey.
    pub(super) fn new<R: CryptoRng + ?Sized>(
        ask: Ask,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Self, RequestError> {
        if ask.tgt.ticket().endtime() <= ask.clock.kdc_time(now) {
            return Err(RequestError::TicketEnded);
        }
        let subkey = Key::random(ask.tgt.ticket().session_key().etype(), rng);
        Ok(Self { clock: ask.clock, ask, nonce: nonce(rng), subkey, skew_was_claimed: false })
    }

    /// The same call at `realm`, to which `referral` leads.
    pub(super) fn refer<R: CryptoRng + ?Sized>(
        self,
        referral: Opened,
        realm: Realm,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Self, RequestError> {
        let client = self.ask.tgt.ticket().client().clone();
        let tgt = TicketGrantingTicket::taken_by(realm, referral.into_ticket(client));
        Self::new(Ask { tgt, clock: self.clock, ..self.ask }, now, rng)
    }

    /// Fresh nonce and subkey, for a repetition: the same bytes would count as a replay.
    pub(super) fn renew<R: CryptoRng + ?Sized>(&mut self, rng: &mut R) {
        self.subkey = Key::random(self.session_key().etype(), rng);
        self.nonce = nonce(rng);
    }

    pub(super) const fn nonce(&self) -> u32 {
        self.nonce
    }

    pub(super) const fn subkey(&self) -> &Key {
        &self.subkey
    }

    pub(super) const fn session_key(&self) -> &Key {
        self.ask.tgt.ticket().session_key()
    }

    /// The request, with `elements` after PA-TGS-REQ.
    pub(super) fn request<R: CryptoRng + ?Sized>(
        &self,
        elements: Vec<PaData>,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Request, RequestError> {
        let body = encode(&KdcReqBody {
            kdc_options: Flags(self.ask.options),
            cname: None,
            realm: self.ask.tgt.realm().into(),
            sname: Some((&self.ask.server).into()),
            from: None,
            till: self.ask.till,
            rtime: None,
            nonce: self.nonce,
            etype: self.ask.etypes.as_slice().iter().map(|etype| etype.number()).collect(),
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: self.ask.additional_ticket.as_deref().map(|ticket| vec![encoded(ticket)]),
        });
        let mut padata = vec![self.tgs_req(&body, now, rng)?];
        padata.extend(elements);
        let bytes = kdc_req(RequestKind::Tgs, &body, padata);
        Ok(Request { realm: self.ask.tgt.realm().clone(), bytes })
    }

    /// PA-TGS-REQ: the TGT and an authenticator whose checksum covers the exact bytes of `body`.
    fn tgs_req<R: CryptoRng + ?Sized>(
        &self,
        body: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<PaData, RequestError> {
        let ticket = self.ask.tgt.ticket();
        let session_key = self.session_key();
        let (ctime, cusec) = self.ask.clock.stamp(now)?;
        let authenticator = encode_secret(&Authenticator {
            authenticator_vno: 5,
            crealm: ticket.client().realm().into(),
            cname: ticket.client().name().into(),
            cksum: Some(session_key.checksum(KeyUsage::TGS_REQ_CHECKSUM, body).into()),
            cusec,
            ctime,
            subkey: Some((&self.subkey).into()),
            seq_number: None,
            authorization_data: None,
        });
        let cipher = session_key.encrypt(KeyUsage::TGS_REQ_AUTHENTICATOR, &authenticator, rng);
        let ap_req = ApReq {
            pvno: 5,
            msg_type: 14,
            ap_options: Flags(0),
            ticket: encoded(ticket.bytes()),
            authenticator: EncryptedData {
                etype: session_key.etype().number(),
                kvno: None,
                cipher: cipher.into(),
            },
        };
        Ok(PaData { padata_type: kind::TGS_REQ, padata_value: encode(&ap_req).into() })
    }

    /// Takes a reply: an error ends the exchange unless it is about the clock, everything else must pass the checks.
    pub(super) fn receive(&mut self, reply: &[u8], now: SystemTime) -> Result<Received, ExchangeError> {
        match Answer::read(RequestKind::Tgs, reply)? {
            Answer::Reply(reply) => self.open(*reply, now),
            Answer::Error(error) if error.code() == ErrorCode::KRB_AP_ERR_SKEW => {
                if self.skew_was_claimed {
                    let offset = ClockOffset::between(now, error.kdc_time());
                    return Err(ExchangeError::ClaimedSkew { offset });
                }
                self.ask.clock.claim(now, error.kdc_time())?;
                self.skew_was_claimed = true;
                Ok(Received::Again)
            }
            Answer::Error(error) => Err(ExchangeError::Kdc(error.refusal(self.ask.tgt.realm()))),
        }
    }

    /// The common checks, in the order of RFC 4120 section 3.3.4.
    fn open(&mut self, reply: KdcRep, now: SystemTime) -> Result<Received, ExchangeError> {
        if reply.enc_part.etype != self.subkey.etype().number() {
            return Err(ReplyError::Etype(reply.enc_part.etype).into());
        }
        let plain = self
            .subkey
            .decrypt(KeyUsage::TGS_REP_SUBKEY, &reply.enc_part.cipher)
            .map_err(|_| ReplyError::Decryption)?;
        let part: EncTgsRepPart = decode(&plain).map_err(|_| ReplyError::EncryptedPart)?;
        let opened = Opened::new(reply, part.0, self.nonce, self.ask.etypes)?;
        let referral = self.check_server(&opened)?;
        if self.skew_was_claimed {
            // No start was asked for, so the ticket starts at the KDC's present time.
            self.ask.clock.prove(now, opened.times.starttime)?;
        }
        let till = self.ask.till.min(self.ask.tgt.ticket().times().endtime);
        opened.check_times(self.ask.clock, now, till)?;
        Ok(match referral {
            Some(realm) => Received::Referral(Box::new(opened), realm),
            None => Received::Reply(Box::new(opened)),
        })
    }

    /// The outer client must be ourselves, as in every reply that gives a ticket in our own name.
    pub(super) fn check_client(&self, opened: &Opened) -> Result<Principal, ReplyError> {
        let named = principal(&opened.reply.cname, &opened.reply.crealm);
        let client = self.ask.tgt.ticket().client();
        match named {
            Ok(named) if named.eq_ignoring_type(client) => Ok(client.clone()),
            _ => Err(ReplyError::ClientName),
        }
    }

    /// The server must be the one asked for, in any case of letters or under a known alias. A ticket for the
    /// ticket-granting service of another realm is a referral (RFC 6806 section 8).
    fn check_server(&self, opened: &Opened) -> Result<Option<Realm>, ReplyError> {
        let here = self.ask.tgt.realm();
        if !opened.server.realm().eq_ignoring_case(here) {
            return Err(ReplyError::ServerRealm);
        }
        let name = opened.server.name();
        let asked_for = std::iter::once(&self.ask.server)
            .chain(&self.ask.aliases)
            .any(|asked| name.eq_ignoring_case(asked));
        if asked_for {
            return Ok(None);
        }
        match name.krbtgt_realm() {
            Some(other) if !other.eq_ignoring_case(here) => Ok(Some(other)),
            Some(_) => Err(ReplyError::UnaskedTicketGranting),
            None => Err(ReplyError::ServerName),
        }
    }
}
