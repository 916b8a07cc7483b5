//! GSS-API contexts, the initiator's side: Kerberos (RFC 4121) by itself or inside SPNEGO (RFC 4178).
//!
//! [`initial_token`] is one token for one login, for a gateway that never holds a key. [`Initiator`] makes a whole context for a
//! gateway that must not see keys at all: token out, token in, until there is a [`Context`], which then wraps and signs
//! messages and opens and verifies those of the acceptor. Credentials are never delegated.
//!
//! ```text
//! let mut progress = Initiator::start(&ask, now, rng)?;
//! let context = loop {
//!     progress = match progress {
//!         Progress::Continue { token, initiator } => initiator.step(&exchange(token)?)?,
//!         Progress::Established { token, context } => { send(token)?; break context }
//!     };
//! };
//! send(context.wrap(b"message", MessageProtection::Confidentiality, rng)?)?;
//! ```

mod ap_req;
mod bindings;
mod context;
mod flags;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod initiator;
mod message;
mod mic;
mod negotiate;
mod sequence;
#[cfg(any(test, fuzzing, feature = "__testing"))]
mod still;
#[cfg(any(test, feature = "__testing"))]
pub mod testing;
mod wrap;

use std::time::SystemTime;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use bindings::{BindingsError, ChannelBindings};
pub use context::{Context, MAX_MESSAGE_LENGTH, MAX_TOKEN_LENGTH, MessageError, MessageProtection};
pub use flags::ContextFlags;
pub use initiator::{Ask, ContextError, Initiator, Mechanism, Progress};

use crate::ticket::ServiceTicket;
use crate::time::TimeError;
use framing::{TokenId, kerberos_token, neg_token_init};

/// Makes the token that a client of `ticket` sends first, as the HTTP header `Negotiate` or SASL carry it.
///
/// `now` is what the KDC's clock shows: acceptors refuse a token whose time is more than five minutes off, and
/// accept each only once. With `bindings` the token is worth something on that one channel only, and acceptors that
/// know their channel are told to check.
///
/// Nobody keeps the keys of the context it begins, so it promises no protection of messages: directories that want either
/// signed messages or TLS take it over TLS.
///
/// # Errors
///
/// [`TimeError`] for a time outside of what Kerberos can express.
pub fn initial_token<R: CryptoRng + ?Sized>(
    ticket: &ServiceTicket,
    bindings: Option<&ChannelBindings>,
    now: SystemTime,
    rng: &mut R,
) -> Result<Zeroizing<Vec<u8>>, TimeError> {
    let flags = ContextFlags::MUTUAL.complete();
    let request = ap_req::make(ticket, flags, bindings, now, rng)?;
    Ok(Zeroizing::new(neg_token_init(&kerberos_token(TokenId::ApReq, &request.bytes))))
}

#[cfg(test)]
mod tests;
