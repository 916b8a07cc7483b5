//! Fetches what certificates point at: revocation lists, OCSP answers, certificates of issuers. Does network I/O.
//!
//! A URL in a certificate is the word of a stranger, and it is followed before he is believed. So the question goes to public
//! addresses and usual ports alone unless the configuration allows more, to the very address that was judged (whatever DNS
//! says a moment later), and to no other place that the answer names. What comes is bounded in size and in time. Nothing
//! of it is secret or trusted: it is signed, and judged by that.

mod address;
mod gates;
mod http;
mod ldap;
mod url;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use ldap_map::message::response::ResultCode;
use ldap_map::net::directory::{Directory, DirectoryError};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

pub use self::address::AddressKind;
use self::gates::{Gates, Permit};
use self::http::Question;
pub use self::ldap::LdapUrl;
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
    /// The configuration: this host is not among those that are asked for this. Nothing was sent.
    #[error("the host is not configured (identity.aia.hosts)")]
    Host,
    /// The network: DNS does not know the host.
    #[error("the host has no address")]
    Resolve,
    /// The network: there is no connection.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// Too many questions to this host are under way. Nothing was sent.
    #[error("too many other questions to this host are under way")]
    Busy,
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
    /// The server: it refuses to search for somebody it does not know.
    #[error("the server refuses to search: {0}")]
    Refused(ResultCode),
    /// The server: there is no such object, or no list in it.
    #[error("the directory has no such object, or no list in it")]
    NoList,
    /// The URL means our own directory, and none is configured.
    #[error("the url names no host, and there is no directory to look in")]
    NoDirectory,
    /// Our own directory does not answer.
    #[error("the directory does not answer")]
    Directory,
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
    directory: RwLock<Option<Arc<Directory>>>,
}

impl Fetcher {
    /// A fetcher that has asked nothing yet.
    #[must_use]
    pub fn new(settings: FetchSettings) -> Self {
        Self { settings, gates: Gates::new(), names: Names::System, directory: RwLock::default() }
    }

    /// The same, with the directory that ldap URLs without a host mean.
    #[must_use]
    pub fn in_directory(self, directory: Arc<Directory>) -> Self {
        self.look_in(directory);
        self
    }

    /// Takes another directory as the one that ldap URLs without a host mean.
    pub fn look_in(&self, directory: Arc<Directory>) {
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Some(directory);
    }

    fn directory(&self) -> Option<Arc<Directory>> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whom it may ask.
    pub(crate) fn settings(&self) -> &FetchSettings {
        &self.settings
    }

    /// Fetches what is at a URL.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &Url, limits: Limits) -> Result<Vec<u8>, FetchError> {
        self.ask(url, Question::Get, limits, Line::Believed).await
    }

    /// The same for somebody whom nobody believes yet. Strangers wait in a line of their own: however many they are, they take
    /// no turn from a question about a certificate that was found rightly signed.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(super) async fn get_for_stranger(&self, url: &Url, limits: Limits) -> Result<Vec<u8>, FetchError> {
        self.ask(url, Question::Get, limits, Line::Strangers).await
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
        self.ask(url, Question::Post { content_type, body }, limits, Line::Believed).await
    }

    /// Reads the revocation lists that a directory holds at a URL; at least one.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn lists(&self, url: &LdapUrl, limits: Limits) -> Result<Vec<Vec<u8>>, FetchError> {
        let asking = async {
            match url.server() {
                Some((host, port)) if !self.is_own(host) => {
                    let (stream, _permit) = self.connect(host, port, limits, Line::Believed).await?;
                    ldap::ask(stream, url, limits.octets).await
                }
                _ => self.own_lists(url, limits).await,
            }
        };
        timeout(limits.time, asking).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// Whether a host is a server of our own directory.
    fn is_own(&self, host: &Host) -> bool {
        let servers = self.directory().into_iter().flat_map(|directory| directory.server_status());
        let host = host.to_string();
        servers.into_iter().any(|status| status.server.eq_ignore_ascii_case(&host))
    }

    async fn own_lists(&self, url: &LdapUrl, limits: Limits) -> Result<Vec<Vec<u8>>, FetchError> {
        let directory = self.directory().ok_or(FetchError::NoDirectory)?;
        let _permit = self.turn("", limits).await?;
        match directory.published(url.dn(), url.list(), limits.octets).await {
            Ok(lists) if lists.is_empty() => Err(FetchError::NoList),
            Ok(lists) => Ok(lists),
            Err(DirectoryError::TooLarge { limit }) => Err(FetchError::TooLarge { limit }),
            Err(DirectoryError::SearchRefused { code, .. }) => Err(FetchError::Refused(code)),
            Err(error) => {
                tracing::debug!(%url, %error, "no revocation list from our own directory");
                Err(FetchError::Directory)
            }
        }
    }

    async fn ask(
        &self,
        url: &Url,
        question: Question,
        limits: Limits,
        line: Line,
    ) -> Result<Vec<u8>, FetchError> {
        let asking = async {
            let (stream, _permit) = self.connect(url.place(), url.port(), limits, line).await?;
            http::ask(stream, url, question, limits.octets).await
        };
        timeout(limits.time, asking).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// Judges, waits for a turn, and connects. The turn ends with the permit.
    async fn connect(
        &self,
        host: &Host,
        port: u16,
        limits: Limits,
        line: Line,
    ) -> Result<(TcpStream, Permit), FetchError> {
        if !USUAL_PORTS.contains(&port) && !self.settings.allow_ports.contains(&port) {
            return Err(FetchError::Port(port));
        }
        let permit = match line {
            Line::Believed => self.turn(&format!("{host} {port}"), limits).await?,
            Line::Strangers => self.turn(&format!("{host} {port} strangers"), limits).await?,
        };
        let (addresses, permit) = self.addresses(host, port, permit).await?;
        Ok((dial(&addresses, limits.time).await?, permit))
    }

    /// Waits for a turn for half of the time, so that the host has as much to answer in: what waited here for the others is
    /// not its failure.
    async fn turn(&self, host: &str, limits: Limits) -> Result<Permit, FetchError> {
        timeout(limits.time / 2, self.gates.enter(host)).await.map_err(|_| FetchError::Busy)
    }

    /// The addresses of a host that may be asked; at least one. The permit is kept while names are looked up, also
    /// when nobody waits for it any more: the system does not let go of it.
    async fn addresses(
        &self,
        host: &Host,
        port: u16,
        permit: Permit,
    ) -> Result<(Vec<SocketAddr>, Permit), FetchError> {
        let (found, permit) = match host {
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
                Ok(()) => addresses.push(SocketAddr::new(address, port)),
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

/// Where a question waits for its turn.
#[derive(Clone, Copy)]
enum Line {
    Believed,
    Strangers,
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
    Scripted(Arc<tests::Script>),
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
