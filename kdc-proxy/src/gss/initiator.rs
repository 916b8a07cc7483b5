//! The initiator's side of a context in the making (RFC 2743 section 2.2.1): token out, token in, until it is established.

use std::time::SystemTime;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::ap_req;
use super::bindings::ChannelBindings;
use super::context::{Context, MAX_MESSAGE_LENGTH};
use super::flags::ContextFlags;
use super::framing::{TokenId, kerberos_token, neg_token_init, open_kerberos_token};
use super::message::{Protection, Side};
use super::negotiate::Negotiation;
use crate::error::{ApRepError, ErrorCode};
use crate::key::{Etype, Key, KeyError};
use crate::message::ap_rep::ApRep;
use crate::message::krb_error::KrbError;
use crate::ticket::ServiceTicket;
use crate::time::{KerberosTime, TimeError};

/// How the tokens that make a context are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SPNEGO (RFC 4178), with Kerberos as the one mechanism offered.
    Spnego,
    /// Kerberos by itself (RFC 4121).
    Kerberos,
}

/// What a context is to be.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The ticket for the acceptor.
    pub ticket: &'a ServiceTicket,
    /// The framing of the tokens.
    pub mechanism: Mechanism,
    /// The services of the context. Replay detection comes with every context, integrity with confidentiality.
    pub flags: ContextFlags,
    /// What ties the context to one channel.
    pub bindings: Option<&'a ChannelBindings>,
}

/// What follows from a token.
#[derive(Debug)]
#[must_use]
pub enum Progress {
    /// The token goes to the acceptor, whose answer goes to the initiator.
    Continue {
        /// What to send.
        token: Zeroizing<Vec<u8>>,
        /// The rest of the making.
        initiator: Box<Initiator>,
    },
    /// The context is established.
    Established {
        /// What to send before the first message, if anything.
        token: Option<Zeroizing<Vec<u8>>>,
        /// The context.
        context: Box<Context>,
    },
}

/// Why no context came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// The time cannot be expressed.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The ticket's session key or the acceptor's subkey is of a type whose messages (RFC 4757) are not spoken here.
    #[error("messages under a key of type {0} are not supported, only those of AES are")]
    Etype(Etype),
    /// Longer than any token of a context in the making.
    #[error("token is longer than {MAX_MESSAGE_LENGTH} octets")]
    TooLong,
    /// Not a token of the mechanism, or not the one that is due.
    #[error("token is not the one that is due from the acceptor")]
    Malformed,
    /// The acceptor answered with a KRB-ERROR. Nobody vouches for it.
    #[error("the acceptor refused with {0}")]
    Refused(ErrorCode),
    /// The acceptor rejects what SPNEGO offers.
    #[error("the acceptor rejected the negotiation")]
    Rejected,
    /// The acceptor chose a mechanism that was not offered.
    #[error("the acceptor chose a mechanism that was not offered")]
    OtherMechanism,
    /// The acceptor's proof does not hold.
    #[error("the acceptor did not prove itself: {0}")]
    Proof(#[from] ApRepError),
    /// The acceptor's subkey cannot be used.
    #[error("the acceptor's subkey cannot be used: {0}")]
    Subkey(#[from] KeyError),
    /// The acceptor calls the context complete without the proof that was asked for.
    #[error("the acceptor ended the negotiation without proving itself")]
    NotProven,
    /// The MIC over the offered mechanisms is wrong, or missing where it is due.
    #[error("the acceptor's MIC over the offered mechanisms does not hold")]
    MechListMic,
}

/// A context in the making, which waits for the acceptor's token. Keys are wiped on drop; `Debug` shows none.
#[derive(Debug)]
pub struct Initiator {
    flags: ContextFlags,
    stage: Stage,
    negotiation: Option<Negotiation>,
}

/// How far the Kerberos mechanism itself is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The AP-REP is due.
    Sent(Sent),
    /// Kerberos is done; SPNEGO has something left to say.
    Done(Box<Context>),
}

/// What is remembered of the AP-REQ.
#[derive(Debug)]
pub(super) struct Sent {
    session_key: Key,
    subkey: Key,
    ctime: KerberosTime,
    cusec: u32,
    seq_number: u32,
}

impl Initiator {
    /// Makes the first token. `now` is what the KDC's clock shows: acceptors refuse a token whose time is more than five
    /// minutes off, and accept each only once.
    ///
    /// Kerberos by itself and without mutual authentication is established at once.
    ///
    /// # Errors
    /// [`ContextError::Time`], and [`ContextError::Etype`] for a session key of RC4.
    pub fn start<R: CryptoRng + ?Sized>(
        ask: &Ask<'_>,
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Progress, ContextError> {
        let session_key = ask.ticket.session_key();
        check_etype(session_key)?;
        let flags = ask.flags.complete();
        let request = ap_req::make(ask.ticket, flags, ask.bindings, now, rng)?;
        let token = kerberos_token(TokenId::ApReq, &request.bytes);
        let stage = if flags.contains(ContextFlags::MUTUAL) {
            Stage::Sent(Sent {
                session_key: session_key.clone(),
                subkey: request.subkey,
                ctime: request.ctime,
                cusec: request.cusec,
                seq_number: request.seq_number,
            })
        } else {
            // Without an AP-REP both sides count from the initiator's number (as the other implementations do).
            let protection = Protection::new(request.subkey, false, Side::Initiator);
            Stage::Done(Box::new(Context::new(flags, protection, request.seq_number, request.seq_number)))
        };
        Ok(match (ask.mechanism, stage) {
            (Mechanism::Kerberos, Stage::Done(context)) => {
                Progress::Established { token: Some(Zeroizing::new(token)), context }
            }
            (Mechanism::Kerberos, stage) => Progress::Continue {
                token: Zeroizing::new(token),
                initiator: Box::new(Self { flags, stage, negotiation: None }),
            },
            (Mechanism::Spnego, stage) => Progress::Continue {
                token: Zeroizing::new(neg_token_init(&token)),
                initiator: Box::new(Self { flags, stage, negotiation: Some(Negotiation::default()) }),
            },
        })
    }

    /// Takes the acceptor's answer.
    ///
    /// # Errors
    /// [`ContextError`]; the making is over then.
    pub fn step(self, token: &[u8]) -> Result<Progress, ContextError> {
        if token.len() > MAX_MESSAGE_LENGTH {
            return Err(ContextError::TooLong);
        }
        let Self { flags, stage, negotiation } = self;
        match (negotiation, stage) {
            (Some(negotiation), stage) => negotiation.step(token, stage, flags),
            (None, Stage::Sent(sent)) => {
                Ok(Progress::Established { token: None, context: Box::new(sent.prove(token, flags)?) })
            }
            (None, Stage::Done(_)) => Err(ContextError::Malformed),
        }
    }

    pub(super) const fn negotiating(flags: ContextFlags, stage: Stage, negotiation: Negotiation) -> Self {
        Self { flags, stage, negotiation: Some(negotiation) }
    }
}

impl Sent {
    /// Opens the acceptor's AP-REP, or says why it sent none.
    pub(super) fn prove(self, token: &[u8], flags: ContextFlags) -> Result<Context, ContextError> {
        match open_kerberos_token(token) {
            Some((TokenId::ApRep, message)) => self.established(message, flags),
            Some((TokenId::Error, message)) => Err(refusal(message)),
            Some((TokenId::ApReq, _)) | None => Err(ContextError::Malformed),
        }
    }

    fn established(self, ap_rep: &[u8], flags: ContextFlags) -> Result<Context, ContextError> {
        let part = ApRep::verify(ap_rep, &self.session_key, self.ctime, self.cusec)?;
        let (key, asserted) = match &part.subkey {
            Some(subkey) => (Key::try_from(subkey)?, true),
            None => (self.subkey, false),
        };
        check_etype(&key)?;
        let received = part.seq_number.map_or(0, |number| number.0);
        let protection = Protection::new(key, asserted, Side::Initiator);
        Ok(Context::new(flags, protection, self.seq_number, received))
    }
}

/// What a KRB-ERROR token says.
pub(super) fn refusal(message: &[u8]) -> ContextError {
    KrbError::parse(message).map_or(ContextError::Malformed, |error| ContextError::Refused(error.code()))
}

const fn check_etype(key: &Key) -> Result<(), ContextError> {
    match key.etype() {
        Etype::Aes256 | Etype::Aes128 => Ok(()),
        Etype::Rc4 => Err(ContextError::Etype(Etype::Rc4)),
    }
}
