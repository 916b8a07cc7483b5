//! Kerberos client for a service: AS, TGS, S4U2Self, S4U2Proxy, keytab, ccache, PAC.
//!
//! **Deterministic, no network, no clock outside `net/`.** Every exchange is a value: `start(now, rng)` and
//! `step(reply, now, rng)` return the bytes to send and the realm to send them to, or the result. The same inputs give
//! the same bytes. Sockets and clocks live in `net/`, behind the feature `net`; without it the crate does no I/O.
//!
//! Who may import whom: `net` imports the pure modules, never the other way round; `exchange` imports `message`;
//! `message` imports `key`, `principal`, `time` and `ticket`. Wire types stay inside `message`, and the crate that
//! does the arithmetic of the encryption types is named in `key` alone.
//!
//! Everything that comes from the network is bounded and parsed by types of this crate; every check of a reply has
//! a variant of its own in the error of its exchange.

#![forbid(unsafe_code)]

pub mod ccache;
pub mod error;
pub mod exchange;
pub mod gss;
pub mod key;
pub mod keytab;
pub mod message;
#[cfg(feature = "net")]
pub mod net;
pub mod principal;
#[cfg(any(test, feature = "__testing"))]
pub mod testing;
pub mod ticket;
pub mod ticket_cache;
pub mod time;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod vectors;
