//! Fetches what certificates point at: revocation lists, OCSP answers, certificates of issuers. Does network I/O.
//!
//! A URL in a certificate is the word of a stranger, and it is followed before he is believed. So the question goes to public
//! addresses and usual ports alone unless the configuration allows more, to the very address that was judged (whatever DNS
//! says a moment later), and to no other place that the answer names. What comes is bounded in size and in time. Nothing
//! of it is secret or trusted: it is signed, and judged by that.

mod address;
mod gates;
mod http;
mod url;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

pub use self::address::AddressKind;
use self::gates::{Gates, Permit};
use self::http::Question;
use self::url::Host;
pub use self::url::{Url, UrlError};

/// The ports that are asked without being configured: of http and of ldap.
const USUAL_PORTS: [u16; 2] = [80, 389];
/// Most addresses of one host that are tried.
const MAX_ADDRESSES: usize = 8;

/// Whom a [`Fetcher`] may ask beside the public internet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FetchSettings {
    /// Networks that are asked though they are not public.
    pub allow_networks: Vec<IpNet>,
    /// Ports that are asked beside 80 and 389.
    pub allow_ports: Vec<u16>,
}

/// Bounds of one question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most octets of the answer.
    pub octets: usize,
    /// Longest time for all of it, waiting for a turn included.
    pub time: Duration,
}

/// Why nothing was fetched.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL's author: it is none that is followed.
    #[error("the url is not followed: {0}")]
    Url(#[from] UrlError),
    /// The URL's author, or the configuration that does not allow the port. Nothing was sent.
    #[error("port {0} is not asked (identity.fetch.allow_ports)")]
    Port(u16),
    /// The URL's author, or the configuration that does not allow the network. Nothing was sent.
    #[error("{address} is not asked, it is {kind} (identity.fetch.allow_networks)")]
    Address {
        /// The address, of several the first.
        address: IpAddr,
        /// What it is.
        kind: AddressKind,
    },
    /// The network: DNS does not know the host.
    #[error("the host has no address")]
    Resolve,
    /// The network: there is no connection.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// The server, or the network: it takes too long.
    #[error("no answer in time")]
    Timeout,
    /// The server: the connection ended within the answer, or the answer is no HTTP.
    #[error("the connection broke: {0}")]
    Broken(io::ErrorKind),
    /// The server: it sends elsewhere, where nobody follows.
    #[error("the server sends elsewhere (http status {0}), which is not followed")]
    Redirected(u16),
    /// The server: it has nothing.
    #[error("the server answers with http status {0}")]
    Status(u16),
    /// The server: the answer is compressed, which was not asked for.
    #[error("the answer has a content encoding")]
    Encoded,
    /// The server: the answer is larger than anything that is expected.
    #[error("the answer has more than {limit} octets")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
}

/// Asks, within bounds. Shared by everybody, so that the bounds are those of the whole service.
pub struct Fetcher {
    settings: FetchSettings,
    gates: Gates,
    names: Names,
}

impl Fetcher {
    /// A fetcher that has asked nothing yet.
    #[must_use]
    pub fn new(settings: FetchSettings) -> Self {
        Self { settings, gates: Gates::new(), names: Names::System }
    }

    /// Fetches what is at a URL.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &Url, limits: Limits) -> Result<Vec<u8>, FetchError> {
        self.ask(url, Question::Get, limits).await
    }

    /// Asks with a body. The body must hold nothing that the whole world may not read.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn post(
        &self,
        url: &Url,
        content_type: &'static str,
        body: Vec<u8>,
        limits: Limits,
    ) -> Result<Vec<u8>, FetchError> {
        self.ask(url, Question::Post { content_type, body }, limits).await
    }

    async fn ask(&self, url: &Url, question: Question, limits: Limits) -> Result<Vec<u8>, FetchError> {
        if !USUAL_PORTS.contains(&url.port()) && !self.settings.allow_ports.contains(&url.port()) {
            return Err(FetchError::Port(url.port()));
        }
        let asking = async {
            let permit = self.gates.enter(&url.authority()).await;
            let (addresses, _permit) = self.addresses(url, permit).await?;
            let stream = dial(&addresses, limits.time).await?;
            http::ask(stream, url, question, limits.octets).await
        };
        timeout(limits.time, asking).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// The addresses of the URL's host that may be asked; at least one. The permit is kept while names are looked up, also
    /// when nobody waits for it any more: the system does not let go of it.
    async fn addresses(&self, url: &Url, permit: Permit) -> Result<(Vec<SocketAddr>, Permit), FetchError> {
        let (found, permit) = match url.place() {
            Host::Address(address) => (vec![*address], permit),
            Host::Name(name) => {
                let (names, name) = (self.names.clone(), name.clone());
                let looking = tokio::spawn(async move { (names.look_up(&name).await, permit) });
                let (found, permit) = looking.await.map_err(|_| FetchError::Resolve)?;
                (found.map_err(|_| FetchError::Resolve)?, permit)
            }
        };
        let mut refused = FetchError::Resolve;
        let mut addresses = Vec::new();
        for address in found.into_iter().take(MAX_ADDRESSES) {
            match address::judge(address, &self.settings.allow_networks) {
                Ok(()) => addresses.push(SocketAddr::new(address, url.port())),
                Err(kind) if refused == FetchError::Resolve => {
                    refused = FetchError::Address { address, kind }
                }
                Err(_) => {}
            }
        }
        if addresses.is_empty() { Err(refused) } else { Ok((addresses, permit)) }
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Tries the addresses one after another, each for its share of `within`, so that one that swallows packets leaves time
/// for the next, and for the answer.
async fn dial(addresses: &[SocketAddr], within: Duration) -> Result<TcpStream, FetchError> {
    let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut last = FetchError::Resolve;
    for address in addresses {
        match timeout(within / tries, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = FetchError::Connect(error.kind()),
            Err(_) => last = FetchError::Timeout,
        }
    }
    Err(last)
}

/// What names are looked up in.
#[derive(Clone)]
enum Names {
    /// What the system knows, files included.
    System,
    #[cfg(test)]
    Scripted(std::sync::Arc<tests::Script>),
}

impl Names {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::System => Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()),
            #[cfg(test)]
            Self::Scripted(script) => script.look_up(name),
        }
    }
}

#[cfg(test)]
mod tests;
