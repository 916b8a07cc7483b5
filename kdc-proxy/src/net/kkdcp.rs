//! One exchange with a KDC through a KDC proxy (MS-KKDCP section 3.1): a POST over TLS. Does network I/O.
//!
//! The proxy is known by its certificate, which must come from the authorities it was configured with and bear its name. It
//! is trusted to find a KDC and with nothing else: what it brings is proven by keys like everything a KDC says. Every
//! exchange has a connection of its own, no redirection is followed, and what is read is bounded.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::locate::{KdcAddress, KdcAddressError};
use super::tcp;
use super::transport::{Deadlines, TransportError};
use crate::message::MAX_MESSAGE_LENGTH;
use crate::message::kdc_proxy::{ProxyReplyError, decode_reply, encode_request};
use crate::principal::Realm;

/// The path that proxies serve unless they are told otherwise.
const DEFAULT_PATH: &str = "/KdcProxy";
const HTTPS_PORT: u16 = 443;
const MAX_PATH_LENGTH: usize = 512;

/// Most octets of a reply's body: the longest message and what is around it.
const MAX_BODY: usize = MAX_MESSAGE_LENGTH + 1024;

/// What the certificate of a KDC proxy is judged by.
#[derive(Clone, Debug)]
pub struct ProxyTrust(Arc<ClientConfig>);

/// Why certificates cannot be trust anchors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyTrustError {
    /// There is none.
    #[error("no certificate of an authority is given")]
    NoRoots,
    /// One of them cannot be used.
    #[error("certificate {position} cannot be a trust anchor")]
    Root {
        /// Which one, counted from one.
        position: usize,
        /// Why.
        source: rustls::Error,
    },
    /// The provider of cryptography has no version of TLS.
    #[error("tls cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl ProxyTrust {
    /// Trusts proxies with a certificate of these authorities and of no others.
    ///
    /// # Errors
    /// [`ProxyTrustError`].
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Self, ProxyTrustError> {
        if roots.is_empty() {
            return Err(ProxyTrustError::NoRoots);
        }
        let mut store = RootCertStore::empty();
        for (index, root) in roots.iter().enumerate() {
            let refused = |source| ProxyTrustError::Root { position: index.saturating_add(1), source };
            store.add(root.clone()).map_err(refused)?;
        }
        // The provider is named, so that no process-wide choice matters.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ProxyTrustError::Tls)?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }
}

/// A KDC proxy: where it is, and what its certificate is judged by.
///
/// The text form is `https://host/path`, `https://host:port/path` or, to dial a fixed address, either of them with
/// `=address:port` after it. Two of them are the same if their texts are.
#[derive(Clone)]
pub struct KdcProxy(Arc<Parts>);

struct Parts {
    address: KdcAddress,
    path: String,
    /// Where to dial; the certificate must bear the host's name all the same.
    fixed: Option<SocketAddr>,
    trust: ProxyTrust,
}

/// Why a text is no KDC proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcProxyError {
    /// Another scheme than https.
    #[error("url does not begin with https://")]
    Scheme,
    /// No host or port, or wrong ones.
    #[error(transparent)]
    Address(#[from] KdcAddressError),
    /// The path is too long or has a character that needs an escape.
    #[error("path has a character that is not allowed, or is too long")]
    Path,
}

impl KdcProxy {
    /// Whether a text is meant as one.
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads a proxy's text form.
    ///
    /// # Errors
    /// [`KdcProxyError`].
    pub fn parse(text: &str, trust: &ProxyTrust) -> Result<Self, KdcProxyError> {
        let rest = text.strip_prefix("https://").ok_or(KdcProxyError::Scheme)?;
        let (rest, fixed) = match rest.split_once('=') {
            Some((rest, fixed)) => (rest, Some(fixed.parse().map_err(|_| KdcAddressError::FixedAddress)?)),
            None => (rest, None),
        };
        let (host, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
            Some((host, "/")) => (host, DEFAULT_PATH),
            Some((host, path)) => (host, path),
            None => (rest, DEFAULT_PATH),
        };
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-._~".contains(&octet);
        if path.len() > MAX_PATH_LENGTH || !path.bytes().all(is_plain) {
            return Err(KdcProxyError::Path);
        }
        let address: KdcAddress = host.parse()?;
        // What was read as the port of the Kerberos service was not written.
        let address = if has_port(host) { address } else { address.with_port(HTTPS_PORT) };
        Ok(Self(Arc::new(Parts { address, path: path.to_owned(), fixed, trust: trust.clone() })))
    }

    fn key(&self) -> (&KdcAddress, &str, Option<SocketAddr>) {
        (&self.0.address, &self.0.path, self.0.fixed)
    }

    fn authority(&self) -> String {
        let text = self.0.address.to_string();
        text.strip_suffix(":443").map(str::to_owned).unwrap_or(text)
    }
}

/// Whether a host as it stands in a URL is followed by a port.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(before, _)| !before.contains(':') || before.ends_with(']'))
}

impl fmt::Display for KdcProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows the usual path may be a token that opens it.
        let (path, more) = match self.0.path.strip_prefix(DEFAULT_PATH) {
            Some("") | None => (self.0.path.as_str(), ""),
            Some(_) => (DEFAULT_PATH, "/..."),
        };
        write!(f, "https://{}{path}{more}", self.authority())?;
        self.0.fixed.map_or(Ok(()), |fixed| write!(f, "={fixed}"))
    }
}

impl fmt::Debug for KdcProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KdcProxy({self})")
    }
}

impl PartialEq for KdcProxy {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for KdcProxy {}

impl PartialOrd for KdcProxy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KdcProxy {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for KdcProxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Why there is no TLS with a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFailure {
    /// Its certificate is of no configured authority.
    #[error("its certificate comes from no authority of kdc_proxy_ca")]
    UntrustedIssuer,
    /// Its certificate is for another name.
    #[error("its certificate is for another name")]
    OtherName,
    /// Its certificate has ended, or has not begun.
    #[error("its certificate is not valid now")]
    NotNow,
    /// Anything else about its certificate.
    #[error("its certificate is refused")]
    Certificate,
    /// The handshake failed for another reason.
    #[error("the handshake failed")]
    Handshake,
}

/// Sends `message`, for a KDC of `realm`, to the proxy and reads the reply. Dropping the future closes the connection.
///
/// # Errors
/// [`TransportError`].
pub(super) async fn exchange(
    proxy: &KdcProxy,
    realm: &Realm,
    message: &[u8],
    deadlines: Deadlines,
) -> Result<Vec<u8>, TransportError> {
    let body = encode_request(realm, message).map_err(|_| TransportError::RequestTooLong)?;
    let connecting = timeout(deadlines.connect, connect(proxy, deadlines));
    let stream = connecting.await.map_err(|_| TransportError::ConnectTimeout)??;
    let exchanging = timeout(deadlines.exchange, post(proxy, stream, body));
    let reply = exchanging.await.map_err(|_| TransportError::ExchangeTimeout)??;
    Ok(decode_reply(&reply)?)
}

async fn connect(proxy: &KdcProxy, deadlines: Deadlines) -> Result<TlsStream<TcpStream>, TransportError> {
    let name = ServerName::try_from(proxy.0.address.host().to_owned()).map_err(|_| TlsFailure::OtherName)?;
    let stream = match proxy.0.fixed {
        Some(address) => {
            let connected = TcpStream::connect(address).await;
            connected.map_err(|error| TransportError::Connect(error.kind()))?
        }
        None => tcp::connect(&proxy.0.address, deadlines.connect).await?,
    };
    let connector = TlsConnector::from(Arc::clone(&proxy.0.trust.0));
    Ok(connector.connect(name, stream).await.map_err(|error| tls_failure(&error))?)
}

fn tls_failure(error: &io::Error) -> TlsFailure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            // The latter is an authority of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UntrustedIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFailure::OtherName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFailure::NotNow,
            _ => TlsFailure::Certificate,
        },
        _ => TlsFailure::Handshake,
    }
}

async fn post(
    proxy: &KdcProxy,
    stream: TlsStream<TcpStream>,
    body: Vec<u8>,
) -> Result<Bytes, TransportError> {
    let broken = |_: hyper::Error| TransportError::Broken(io::ErrorKind::InvalidData);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = Method::POST;
    // Both were judged when the proxy was configured.
    *request.uri_mut() = proxy.0.path.parse().map_err(|_| TransportError::RequestTooLong)?;
    let host = HeaderValue::from_str(&proxy.authority()).map_err(|_| TransportError::RequestTooLong)?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/kerberos"));
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(TransportError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                ProxyReplyError::TooLong.into()
            } else {
                TransportError::Broken(io::ErrorKind::UnexpectedEof)
            }
        })
    };
    let connection = async {
        // What came before the end is still to be read.
        if connection.await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = connection => Err(TransportError::Broken(io::ErrorKind::InvalidData)),
    }
}

#[cfg(test)]
mod tests;
