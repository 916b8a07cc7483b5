//! Changing our own password (RFC 3244): an AS exchange for kadmin/changepw, then one request to the server that changes
//! passwords, and the judgement of its answer.
//!
//! ```text
//! PasswordTicketExchange::start(ask) ... -> PasswordTicket        with a KDC, as any exchange
//! PasswordChange::start(&ticket, change) -> (waiting, request)    over TCP to port 464 of the same domain controller
//! waiting.finish(&reply)                 -> changed, refused, or unknown
//! ```
//!
//! Only what the server has proven counts: success and refusal under the key we sent. After anything else, silence
//! included, the password may be the old one or the new one, and only an AS exchange tells which.

use std::net::IpAddr;
use std::time::SystemTime;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::as_exchange::{AsAsk, AsExchange, Progress};
use super::clock::Clock;
use super::{Exchange, Request, Step};
use crate::error::{ExchangeError, KpasswdError, KpasswdReplyError, RequestError};
use crate::key::{Key, KeyUsage};
use crate::message::ap_rep::ApRep;
use crate::message::ap_req::{ApReq, Authenticator};
use crate::message::kpasswd::{self, ChangePasswdData, Reply};
use crate::message::krb_priv::{EncKrbPrivPart, KrbPriv, Unopened};
use crate::message::types::{
    EncryptedData, Flags, HostAddress, SequenceNumber, encode, encode_secret, encoded,
};
use crate::principal::{Principal, Realm};
use crate::ticket::ServiceTicket;
use crate::time::KerberosTime;

/// `addr-type` of RFC 4120 section 7.5.3.
const IPV4: i32 = 2;
const IPV6: i32 = 24;

/// An AS exchange for a ticket to kadmin/changepw, which takes no other tickets.
#[derive(Debug)]
pub struct PasswordTicketExchange(AsExchange);

/// A ticket to kadmin/changepw of our realm.
#[derive(Clone, Debug)]
pub struct PasswordTicket {
    ticket: ServiceTicket,
    clock: Clock,
}

/// Which of the protocol's two requests is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Version 1: our own password, by the right that everybody has.
    Change,
    /// Version 0xff80: the password of `target`, our own one where there is none.
    Set {
        /// Whose password.
        target: Option<Principal>,
    },
}

/// A new password.
#[derive(Clone)]
pub struct Change {
    /// Which request.
    pub form: Form,
    /// The password itself.
    pub password: Zeroizing<String>,
    /// The address we send from.
    pub local: IpAddr,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct PasswordChange {
    realm: Realm,
    pub(super) session_key: Key,
    pub(super) subkey: Key,
    pub(super) ctime: KerberosTime,
    pub(super) cusec: u32,
}

impl PasswordTicketExchange {
    /// Makes the first request.
    ///
    /// # Errors
    /// As [`AsExchange::start`].
    pub fn start<R: CryptoRng + ?Sized>(
        ask: AsAsk,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Request), ExchangeError> {
        let (exchange, request) = AsExchange::start_for_changing_password(ask, now, rng)?;
        Ok((Self(exchange), request))
    }
}

impl Exchange for PasswordTicketExchange {
    type Output = PasswordTicket;

    fn step<R: CryptoRng + ?Sized>(
        self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError> {
        Ok(match self.0.advance(reply, now, rng)? {
            Progress::Send { request, exchange } => Step::Send { request, exchange: Self(*exchange) },
            Progress::Granted(granted) => {
                Step::Done(PasswordTicket { ticket: granted.ticket, clock: granted.clock })
            }
        })
    }
}

impl PasswordTicket {
    /// Whose password it changes.
    #[must_use]
    pub const fn client(&self) -> &Principal {
        self.ticket.client()
    }
}

impl PasswordChange {
    /// Makes the request, without the framing of TCP.
    ///
    /// # Errors
    /// [`RequestError`] where the ticket has ended, a clock reading cannot be written, or the request is longer than its own
    /// length field can say.
    pub fn start<R: CryptoRng + ?Sized>(
        ticket: &PasswordTicket,
        change: &Change,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<(Self, Vec<u8>), RequestError> {
        let PasswordTicket { ticket, clock } = ticket;
        if ticket.endtime() <= clock.kdc_time(now) {
            return Err(RequestError::TicketEnded);
        }
        let session_key = ticket.session_key().clone();
        let subkey = Key::random(session_key.etype(), rng);
        let (ctime, cusec) = clock.stamp(now)?;
        // Below 2^30, as older implementations take it for a signed number and count on from it.
        let sequence = rng.next_u32() >> 2;
        let authenticator = encode_secret(&Authenticator {
            authenticator_vno: 5,
            crealm: ticket.client().realm().into(),
            cname: ticket.client().name().into(),
            cksum: None,
            cusec,
            ctime,
            subkey: Some((&subkey).into()),
            seq_number: Some(sequence),
            authorization_data: None,
        });
        let cipher = session_key.encrypt(KeyUsage::AP_REQ_AUTHENTICATOR, &authenticator, rng).into();
        let etype = session_key.etype().number();
        let ap_req = encode(&ApReq {
            pvno: 5,
            msg_type: 14,
            ap_options: Flags(0),
            ticket: encoded(ticket.bytes()),
            authenticator: EncryptedData { etype, kvno: None, cipher },
        });
        let part = EncKrbPrivPart {
            user_data: change.data().to_vec().into(),
            timestamp: None,
            usec: None,
            seq_number: Some(SequenceNumber(sequence)),
            s_address: host_address(change.local),
            r_address: None,
        };
        let krb_priv = KrbPriv::seal(&part, &subkey, rng);
        let request = kpasswd::request(change.version(), &ap_req, &krb_priv)
            .map_err(|_| RequestError::PasswordRequestTooLong)?;
        let realm = ticket.client().realm().clone();
        Ok((Self { realm, session_key, subkey, ctime, cusec }, request))
    }

    /// Judges the answer.
    ///
    /// # Errors
    /// [`KpasswdError`]; only [`KpasswdError::Refused`] says that the password is still the old one.
    pub fn finish(self, reply: &[u8]) -> Result<(), KpasswdError> {
        let (ap_rep, krb_priv) = match Reply::parse(reply)? {
            Reply::Result { ap_rep, krb_priv } => (ap_rep, krb_priv),
            Reply::Error(error) => {
                let data = error.e_data.as_deref().map(kpasswd::result);
                let result = match data {
                    Some(Ok(Ok(()))) => return Err(KpasswdReplyError::SuccessInError.into()),
                    Some(Ok(Err(refusal))) => Some(refusal),
                    Some(Err(_)) | None => None,
                };
                return Err(KpasswdError::Unproven { error: error.refusal(&self.realm), result });
            }
        };
        ApRep::verify(ap_rep, &self.session_key, self.ctime, self.cusec).map_err(KpasswdReplyError::from)?;
        let part = KrbPriv::open(krb_priv, &self.subkey).map_err(|unopened| match unopened {
            Unopened::Malformed => KpasswdReplyError::Malformed,
            Unopened::Key => KpasswdReplyError::Decryption,
        })?;
        kpasswd::result(&part.user_data.0)?.map_err(KpasswdError::Refused)
    }
}

impl Change {
    const fn version(&self) -> u16 {
        match self.form {
            Form::Change => kpasswd::CHANGE,
            Form::Set { .. } => kpasswd::SET,
        }
    }

    fn data(&self) -> Zeroizing<Vec<u8>> {
        let password = self.password.as_bytes();
        match &self.form {
            Form::Change => Zeroizing::new(password.to_vec()),
            Form::Set { target } => encode_secret(&ChangePasswdData {
                newpasswd: password.into(),
                targname: target.as_ref().map(|target| target.name().into()),
                targrealm: target.as_ref().map(|target| target.realm().into()),
            }),
        }
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change").field("form", &self.form).finish_non_exhaustive()
    }
}

fn host_address(address: IpAddr) -> HostAddress {
    match address {
        IpAddr::V4(address) => HostAddress { addr_type: IPV4, address: address.octets().to_vec().into() },
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => host_address(IpAddr::V4(address)),
            None => HostAddress { addr_type: IPV6, address: address.octets().to_vec().into() },
        },
    }
}
