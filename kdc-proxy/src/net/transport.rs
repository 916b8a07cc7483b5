//! How a message gets to a KDC and its reply back, whatever carries it. Does network I/O.
//!
//! The one seam between the exchanges and the wire: an [`Endpoint`] says where a KDC is and by what it is reached, and
//! [`exchange`] sends one message there and reads one reply. What a reply says is judged by the exchange, never here.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use super::locate::{KdcAddress, KdcAddressError};
use super::tcp;
use crate::principal::Realm;

/// A KDC and what carries messages to it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP with the framing of RFC 4120 section 7.2.2.
    Tcp(KdcAddress),
}

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deadlines {
    /// Name resolution and connecting, over all addresses of the host.
    pub connect: Duration,
    /// Sending the request and reading the whole reply.
    pub exchange: Duration,
}

/// Why no reply could be read. Another KDC may answer, save for [`Self::FrameLength`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The host name has no address.
    #[error("host name could not be resolved: {0}")]
    Resolve(io::ErrorKind),
    /// No address took the connection.
    #[error("connection failed: {0}")]
    Connect(io::ErrorKind),
    /// Not connected in time.
    #[error("not connected in time")]
    ConnectTimeout,
    /// Connected, but no whole reply in time.
    #[error("no reply in time")]
    ExchangeTimeout,
    /// The connection broke before the whole reply was read.
    #[error("connection broke: {0}")]
    Broken(io::ErrorKind),
    /// The request is longer than a frame can be.
    #[error("request is too long")]
    RequestTooLong,
    /// The reply announces a length that no KDC sends: 0, more than 128 KiB, or with the reserved bit.
    #[error("reply announces {0} octets")]
    FrameLength(u32),
}

/// Sends `message`, which is for a KDC of `realm`, to `endpoint` and reads the reply, both without any framing.
///
/// TCP has no use for the realm. Dropping the future closes the connection.
///
/// # Errors
///
/// [`TransportError`]. An announced length is judged before any memory is reserved for it.
pub async fn exchange(
    endpoint: &Endpoint,
    _realm: &Realm,
    message: &[u8],
    deadlines: Deadlines,
) -> Result<Vec<u8>, TransportError> {
    match endpoint {
        Endpoint::Tcp(kdc) => tcp::exchange(kdc, message, deadlines).await,
    }
}

impl Endpoint {
    /// Whether both are the same KDC, wherever it is dialled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one.is_same(other),
        }
    }
}

impl From<KdcAddress> for Endpoint {
    fn from(kdc: KdcAddress) -> Self {
        Self::Tcp(kdc)
    }
}

impl FromStr for Endpoint {
    type Err = KdcAddressError;

    /// Reads a [`KdcAddress`].
    fn from_str(text: &str) -> Result<Self, KdcAddressError> {
        text.parse().map(Self::Tcp)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(kdc) => kdc.fmt(f),
        }
    }
}
