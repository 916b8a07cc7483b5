//! The exchanges with a KDC, as values: `start` gives the first request, `step` takes a reply and gives the next
//! request or the result. No socket, clock or random source inside.
//!
//! ```text
//! let (mut exchange, mut request) = AsExchange::start(ask, now, rng)?;
//! loop {
//!     let reply = send(request)?;
//!     match exchange.step(&reply, now, rng)? {
//!         Step::Send { request: next, exchange: rest } => (request, exchange) = (next, rest),
//!         Step::Done(result) => break result,
//!     }
//! }
//! ```
//!
//! A reply that fails a check ends the exchange; nothing is tried a second time with it.

pub mod as_exchange;
mod clock;
pub mod kpasswd;
pub mod realms;
mod reply;
pub mod s4u2proxy;
pub mod s4u2self;
pub mod secret;
mod tgs_call;
pub mod tgs_exchange;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use rand_core::CryptoRng;

use crate::error::ExchangeError;
use crate::principal::Realm;

pub use clock::Clock;

/// Bytes to send, and the realm whose KDC they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Request {
    /// A KDC of this realm is to be asked.
    pub realm: Realm,
    /// The message without any framing.
    pub bytes: Vec<u8>,
}

/// What follows from a reply.
#[derive(Debug)]
#[must_use]
pub enum Step<E: Exchange> {
    /// Send this and give the reply to the rest of the exchange.
    Send {
        /// What to send.
        request: Request,
        /// The rest of the exchange.
        exchange: E,
    },
    /// The exchange is complete.
    Done(E::Output),
}

/// An exchange that waits for a reply.
pub trait Exchange: Sized {
    /// What a complete exchange gives.
    type Output;

    /// Takes the reply to the last request. `now` is our clock when it came.
    ///
    /// # Errors
    /// [`ExchangeError`]; the exchange is over then.
    fn step<R: CryptoRng + ?Sized>(
        self,
        reply: &[u8],
        now: SystemTime,
        rng: &mut R,
    ) -> Result<Step<Self>, ExchangeError>;
}

/// A nonce: random, not 0, below 2^31 because some KDCs read it as a signed number.
fn nonce<R: CryptoRng + ?Sized>(rng: &mut R) -> u32 {
    (rng.next_u32() >> 1).max(1)
}
