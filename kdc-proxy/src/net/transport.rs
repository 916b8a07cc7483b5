//! How a message gets to a KDC and its reply back, whatever carries it. Does network I/O.
//!
//! The one seam between the exchanges and the wire: an [`Endpoint`] says where a KDC is and by what it is reached, and
//! [`exchange`] sends one message there and reads one reply. What a reply says is judged by the exchange, never here.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use super::kkdcp::{self, KdcProxy, TlsFailure};
use super::locate::{KdcAddress, KdcAddressError};
use super::tcp;
use crate::message::kdc_proxy::ProxyReplyError;
use crate::principal::Realm;

/// A KDC and what carries messages to it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Endpoint {
    /// TCP with the framing of RFC 4120 section 7.2.2.
    Tcp(KdcAddress),
    /// A KDC proxy (MS-KKDCP), which finds a KDC by itself.
    Https(KdcProxy),
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
    /// No TLS with the KDC proxy: it is not the one that was meant, or speaks none.
    #[error("no tls with the kdc proxy: {0}")]
    Tls(#[from] TlsFailure),
    /// The KDC proxy answered with an HTTP status that is not 200: it found no KDC, or does not want to.
    #[error("kdc proxy answered with status {0}")]
    Status(u16),
    /// What the KDC proxy sent is no HTTP, or holds no reply.
    #[error("kdc proxy sent no reply: {0}")]
    ProxyReply(#[from] ProxyReplyError),
}

impl TransportError {
    /// Whether the KDC may have had the message, and have counted it.
    #[must_use]
    pub const fn may_have_been_received(self) -> bool {
        !matches!(
            self,
            Self::Resolve(_) | Self::Connect(_) | Self::ConnectTimeout | Self::RequestTooLong | Self::Tls(_)
        )
    }
}

/// Sends `message`, which is for a KDC of `realm`, to `endpoint` and reads the reply, both without any framing.
///
/// TCP has no use for the realm; a KDC proxy looks for a KDC of it. Dropping the future closes the connection.
///
/// # Errors
///
/// [`TransportError`]. An announced length is judged before any memory is reserved for it.
pub async fn exchange(
    endpoint: &Endpoint,
    realm: &Realm,
    message: &[u8],
    deadlines: Deadlines,
) -> Result<Vec<u8>, TransportError> {
    match endpoint {
        Endpoint::Tcp(kdc) => tcp::exchange(kdc, message, deadlines).await,
        Endpoint::Https(proxy) => kkdcp::exchange(proxy, realm, message, deadlines).await,
    }
}

impl Endpoint {
    /// Whether both are the same KDC, wherever it is dialled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => one.is_same(other),
            (Self::Https(one), Self::Https(other)) => one == other,
            (Self::Tcp(_), Self::Https(_)) | (Self::Https(_), Self::Tcp(_)) => false,
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

    /// Reads a [`KdcAddress`]. A [`KdcProxy`] is not only its text: it is made with what it is trusted by.
    fn from_str(text: &str) -> Result<Self, KdcAddressError> {
        text.parse().map(Self::Tcp)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(kdc) => kdc.fmt(f),
            Self::Https(proxy) => proxy.fmt(f),
        }
    }
}
