//! AS exchange (RFC 4120 section 3.1): a ticket-granting ticket for our own secret.
//!
//! The first request carries no pre-authentication; the KDC answers with the salt and its time, and the second
//! request proves the key with an encrypted timestamp. A clock that differs is noticed and tried once more, and so is
//! the next older key where the KDC does not accept the newest.

use std::time::{Duration, SystemTime};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::clock::Clock;
use super::reply::{Answer, Opened};
use super::secret::{LongTermKeys, Prepared, Secret, Trials};
use super::{Exchange, Request, Step, nonce};
use crate::error::{CredentialError, ErrorCode, ExchangeError, ReplyError};
use crate::key::{Etype, EtypeList, Key, KeyError, KeyUsage};
use crate::message::kdc_rep::{EncAsRepPart, EncKdcRepPart, KdcRep};
use crate::message::kdc_req::{KdcReqBody, RequestKind, kdc_req, options};
use crate::message::krb_error::KrbError;
use crate::message::padata::{self, EtypeInfo2Entry, PaEncTsEnc, kind};
use crate::message::types::{EncryptedData, Flags, PaData, WireChecksum, decode, encode, principal};
use crate::principal::{Principal, PrincipalName, Realm};
use crate::ticket::{ServiceTicket, TicketFlags, TicketGrantingTicket};
use crate::time::{ClockOffset, KerberosTime};

/// What is asked of the KDC.
#[derive(Clone, Debug)]
pub struct AsAsk {
    /// Ourselves: account name and realm.
    pub client: Principal,
    /// What we authenticate with.
    pub secret: Secret,
    /// How many keys of it may be tried.
    pub trials: Trials,
    /// Which encryption types may be used.
    pub etypes: EtypeList,
    /// How long the ticket shall live; the KDC may shorten it.
    pub lifetime: Duration,
    /// What is known of the KDC's clock.
    pub clock: Clock,
}

/// A complete AS exchange.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The ticket-granting ticket.
    pub tgt: TicketGrantingTicket,
    /// Our own keys, which open tickets made for us.
    pub long_term_keys: LongTermKeys,
    /// The KDC's clock against ours, derived from the verified reply.
    pub clock_offset: ClockOffset,
}

/// Which service the ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// krbtgt of our realm.
    TicketGranting,
    /// kadmin/changepw of our realm (RFC 3244), which takes tickets from AS exchanges only.
    ChangePassword,
}

/// A ticket of an AS exchange, whatever service it is for.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) ticket: ServiceTicket,
    pub(super) clock: Clock,
    keys: LongTermKeys,
}

/// What follows from a reply, before it is said what the ticket is.
pub(super) enum Progress {
    Send { request: Request, exchange: Box<AsExchange> },
    Granted(Box<Granted>),
}

/// An AS exchange that waits for a reply.
#[derive(Debug)]
pub struct AsExchange {
    ask: AsAsk,
    server: Server,
    etypes: Vec<Etype>,
    till: KerberosTime,
    nonce: u32,
    sent: Vec<u8>,
    state: State,
}

/// How far the exchange is.
#[derive(Debug)]
enum State {
    /// Asked without pre-authentication.
    Asked,
    /// Sent a timestamp.
    Proved { proof: Box<Proof>, attempts: Attempts },
}

/// What a timestamp was encrypted with, and what else there is.
#[derive(Debug)]
struct Proof {
    key: Key,
    older: Option<Key>,
    keys: LongTermKeys,
}

impl From<Prepared> for Box<Proof> {
    fn from(prepared: Prepared) -> Self {
        let Prepared { first, second, keys } = prepared;
        Self::new(Proof { key: first, older: second, keys })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempts {
    First,
    AfterSkew,
}

impl AsExchange {
    /// Makes the first request.
    ///
    /// # Errors
    /// [`CredentialError::NoCommonEtype`] when the secret has no key of an allowed type, [`crate::error::RequestError::Time`] when
    /// a clock reading cannot be written.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: AsAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        Self::start_for(Server::TicketGranting, ask, now, rng)
    }

    /// Makes the first request for a ticket to kadmin/changepw.
    pub(super) fn start_for_changing_password<R: CryptoRng + ?Sized>(
        ask: AsAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        Self::start_for(Server::ChangePassword, ask, now, rng)
    }

    fn start_for<R: CryptoRng + ?Sized>(
        server: Server,
        ask: AsAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        let etypes = ask.secret.etypes(ask.etypes);
        if etypes.is_empty() {
            return Err(CredentialError::NoCommonEtype.into());
        }
        let (till, nonce, sent, state) = (KerberosTime::EPOCH, 0, Vec::new(), State::Asked);
        let mut exchange = Self { ask, server, etypes, till, nonce, sent, state };
        let request = exchange.request(None, now, rng)?;
        Ok((exchange, request))
    }

    /// A request with a fresh nonce, with the timestamp where there is one.
    fn request<R: CryptoRng + ?Sized>(
        &mut self,
        timestamp: Option<PaData>,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Request, ExchangeError> {
        let realm = self.ask.client.realm();
        self.till = self.ask.clock.end(now, self.ask.lifetime)?;
        self.nonce = nonce(rng);
        let body = encode(&KdcReqBody {
            kdc_options: Flags(self.server.options()),
            cname: Some(self.ask.client.name().into()),
            realm: realm.into(),
            sname: Some((&self.server.name(realm)).into()),
            from: None,
            till: self.till,
            rtime: None,
            nonce: self.nonce,
            etype: self.etypes.iter().map(|etype| etype.number()).collect(),
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        });
        let mut elements: Vec<PaData> = timestamp.into_iter().collect();
        elements.push(padata::pac_request());
        elements.push(padata::req_enc_pa_rep());
        self.sent = kdc_req(RequestKind::As, &body, elements);
        Ok(Request { realm: realm.clone(), bytes: self.sent.clone() })
    }

    /// A KRB-ERROR to the request without pre-authentication.
    fn asked_error<R: CryptoRng + ?Sized>(
        mut self,
        error: &KrbError,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Progress, ExchangeError> {
        if error.code() != ErrorCode::KDC_ERR_PREAUTH_REQUIRED {
            return Err(ExchangeError::Kdc(error.refusal(self.ask.client.realm())));
        }
        let methods = error.method_data().map_err(ReplyError::from)?;
        if !methods.iter().any(|method| method.padata_type == kind::ENC_TIMESTAMP) {
            return Err(CredentialError::TimestampNotOffered.into());
        }
        let prepared = self.prepare(&methods)?;
        self.ask.clock.claim(now, error.kdc_time())?;
        self.prove(prepared.into(), Attempts::First, now, rng)
    }

    fn prepare(&self, elements: &[PaData]) -> Result<Prepared, ExchangeError> {
        let offered = etype_info(elements)?;
        Ok(self.ask.secret.prepare(&offered, &self.etypes, self.ask.trials)?)
    }

    /// A KRB-ERROR to the request with a timestamp.
    fn proved_error<R: CryptoRng + ?Sized>(
        mut self,
        error: &KrbError,
        mut proof: Box<Proof>,
        attempts: Attempts,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Progress, ExchangeError> {
        if error.code() == ErrorCode::KDC_ERR_PREAUTH_FAILED
            && let Some(older) = proof.older.take()
        {
            tracing::warn!(client = %self.ask.client, "kdc did not accept our newest key; trying the one before it");
            proof.key = older;
            return self.prove(proof, attempts, now, rng);
        }
        if error.code() != ErrorCode::KRB_AP_ERR_SKEW {
            return Err(ExchangeError::Kdc(error.refusal(self.ask.client.realm())));
        }
        if attempts == Attempts::AfterSkew {
            return Err(ExchangeError::ClaimedSkew { offset: ClockOffset::between(now, error.kdc_time()) });
        }
        self.ask.clock.claim(now, error.kdc_time())?;
        self.prove(proof, Attempts::AfterSkew, now, rng)
    }

    /// Sends the timestamp (RFC 4120 section 5.2.7.2) under the proof's key.
    fn prove<R: CryptoRng + ?Sized>(
        mut self,
        proof: Box<Proof>,
        attempts: Attempts,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Progress, ExchangeError> {
        let (patimestamp, pausec) = self.ask.clock.stamp(now)?;
        let plain = encode(&PaEncTsEnc { patimestamp, pausec: Some(pausec) });
        let cipher = proof.key.encrypt(KeyUsage::AS_REQ_TIMESTAMP, &plain, rng).into();
        let value = encode(&EncryptedData { etype: proof.key.etype().number(), kvno: None, cipher });
        let timestamp = PaData { padata_type: kind::ENC_TIMESTAMP, padata_value: value.into() };
        let request = self.request(Some(timestamp), now, rng)?;
        self.state = State::Proved { proof, attempts };
        Ok(Progress::Send { request, exchange: Box::new(self) })
    }

    /// The checks of an AS-REP, in the order of RFC 4120 section 3.1.5.
    fn accept(
        mut self,
        reply: KdcRep,
        keys: LongTermKeys,
        now: SystemTime,
    ) -> Result<Progress, ExchangeError> {
        let (part, reply_key) = self.open(&reply, &keys)?;
        let opened = Opened::new(reply, part, self.nonce, self.ask.etypes)?;
        self.check_server(&opened)?;
        let client = self.check_client(&opened)?;
        self.ask.clock.prove(now, opened.times.authtime)?;
        opened.check_times(self.ask.clock, now, self.till)?;
        self.check_request_checksum(&opened, &reply_key)?;
        if !opened.flags.contains(TicketFlags::INITIAL) {
            return Err(ReplyError::NotInitial.into());
        }
        let ticket = opened.into_ticket(client);
        Ok(Progress::Granted(Box::new(Granted { ticket, clock: self.ask.clock, keys })))
    }

    /// Decrypts under our key, usage 3; the etype must be one we asked for.
    fn open(&self, reply: &KdcRep, keys: &LongTermKeys) -> Result<(EncKdcRepPart, Key), ReplyError> {
        let number = reply.enc_part.etype;
        let etype = match Etype::from_number(number) {
            Ok(etype) if self.etypes.contains(&etype) => etype,
            _ => return Err(ReplyError::Etype(number)),
        };
        let kvno = reply.enc_part.kvno.map(|kvno| kvno.0);
        let (plain, key): (Zeroizing<Vec<u8>>, Key) = keys
            .candidates(etype, kvno)
            .into_iter()
            .find_map(|key| Some((key.decrypt(KeyUsage::AS_REP, &reply.enc_part.cipher).ok()?, key.clone())))
            .ok_or(ReplyError::Decryption)?;
        let part: EncAsRepPart = decode(&plain).map_err(|_| ReplyError::EncryptedPart)?;
        Ok((part.into_part(), key))
    }

    fn check_server(&self, opened: &Opened) -> Result<(), ReplyError> {
        let realm = self.ask.client.realm();
        if !opened.server.realm().eq_ignoring_case(realm) {
            return Err(ReplyError::ServerRealm);
        }
        let name = opened.server.name();
        let is_asked = match self.server {
            Server::TicketGranting => {
                name.krbtgt_realm().is_some_and(|granted| granted.eq_ignoring_case(realm))
            }
            Server::ChangePassword => name.eq_ignoring_type(&self.server.name(realm)),
        };
        if is_asked { Ok(()) } else { Err(ReplyError::ServerName) }
    }

    /// The KDC may write our name in other letters. It is not protected, so it must be our name all the same; whether these
    /// are the ticket's letters shows when the ticket is used.
    fn check_client(&self, opened: &Opened) -> Result<Principal, ReplyError> {
        let client =
            principal(&opened.reply.cname, &opened.reply.crealm).map_err(|_| ReplyError::ClientName)?;
        if client.eq_ignoring_case(&self.ask.client) { Ok(client) } else { Err(ReplyError::ClientName) }
    }

    /// PA-REQ-ENC-PA-REP of RFC 6806 section 11: the KDC saw exactly the request we sent.
    fn check_request_checksum(&self, opened: &Opened, reply_key: &Key) -> Result<(), ReplyError> {
        if !opened.flags.contains(TicketFlags::ENC_PA_REP) {
            tracing::debug!("kdc does not confirm the request with a checksum");
            return Ok(());
        }
        let value = padata::only(&opened.encrypted_padata, kind::REQ_ENC_PA_REP)
            .ok_or(ReplyError::RequestChecksumMissing)?;
        let checksum: WireChecksum = decode(value).map_err(|_| ReplyError::RequestChecksum)?;
        reply_key
            .verify_checksum(KeyUsage::AS_REQ_CHECKSUM, &self.sent, checksum.cksumtype, &checksum.checksum)
            .map_err(|_: KeyError| ReplyError::RequestChecksum)
    }

    /// Takes a reply, whichever service the ticket is for.
    pub(super) fn advance<R: CryptoRng + ?Sized>(
        mut self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Progress, ExchangeError> {
        let state = std::mem::replace(&mut self.state, State::Asked);
        match (Answer::read(RequestKind::As, reply)?, state) {
            (Answer::Error(error), State::Asked) => self.asked_error(&error, now, rng),
            (Answer::Error(error), State::Proved { proof, attempts }) => {
                self.proved_error(&error, proof, attempts, now, rng)
            }
            (Answer::Reply(reply), State::Asked) => {
                tracing::warn!(client = %self.ask.client, "kdc asks for no pre-authentication of this account");
                let prepared = self.prepare(reply.padata.as_deref().unwrap_or_default())?;
                self.accept(*reply, prepared.keys, now)
            }
            (Answer::Reply(reply), State::Proved { proof, .. }) => self.accept(*reply, proof.keys, now),
        }
    }
}

impl Exchange for AsExchange {
    type Output = Authenticated;

    fn step<R: CryptoRng + ?Sized>(
        self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        match self.advance(reply, now, rng)? {
            Progress::Send { request, exchange } => Ok(Step::Send { request, exchange: *exchange }),
            Progress::Granted(granted) => {
                let Granted { ticket, clock, keys } = *granted;
                if !ticket.flags().contains(TicketFlags::FORWARDABLE) {
                    tracing::warn!(
                        client = %ticket.client(),
                        "ticket-granting ticket is not forwardable: s4u2proxy will be refused"
                    );
                }
                let tgt = TicketGrantingTicket::new(ticket).map_err(|_| ReplyError::ServerName)?;
                Ok(Step::Done(Authenticated { tgt, long_term_keys: keys, clock_offset: clock.offset }))
            }
        }
    }
}

impl Server {
    /// A password is changed with a ticket that nobody can pass on, for the very name asked for.
    const fn options(self) -> u32 {
        match self {
            Self::TicketGranting => options::FORWARDABLE | options::CANONICALIZE,
            Self::ChangePassword => 0,
        }
    }

    fn name(self, realm: &Realm) -> PrincipalName {
        match self {
            Self::TicketGranting => PrincipalName::krbtgt(realm),
            Self::ChangePassword => PrincipalName::change_password(),
        }
    }
}

/// PA-ETYPE-INFO2, empty when the KDC sent none.
fn etype_info(elements: &[PaData]) -> Result<Vec<EtypeInfo2Entry>, ReplyError> {
    match elements.iter().find(|element| element.padata_type == kind::ETYPE_INFO2) {
        Some(element) => Ok(decode(&element.padata_value)?),
        None => Ok(Vec::new()),
    }
}
