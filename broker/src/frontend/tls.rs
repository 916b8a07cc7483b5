//! The TLS settings of the two listeners: which versions, which certificates are asked for, and no resumption.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    server::{
        NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier,
    },
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// A server's certificate chain, its own first, and the private key that belongs to it.
pub struct ServerCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Zeroizing<PrivateKeyDer<'static>>,
}

impl ServerCertificate {
    /// Joins the two, if they belong together.
    ///
    /// # Errors
    /// The key is of no usable kind, or belongs to another certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: Zeroizing<PrivateKeyDer<'static>>,
    ) -> Result<Self, TlsError> {
        rustls::sign::CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider())
            .map_err(of_server)?;
        Ok(Self { chain, key })
    }

    /// The chain, the server's own certificate first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// TLS 1.2, the newest that cards without RSA-PSS can speak.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Settings for the listener cards log in at.
///
/// The verifier decides what a handshake needs; all further trust is decided after it. HTTP/1.1 and HTTP/2.
///
/// # Errors
/// No version is named, or the server's key cannot be used.
pub fn for_cards(
    server: &ServerCertificate,
    versions: &[Version],
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let versions: Vec<&'static SupportedProtocolVersion> =
        [(Version::Tls13, &TLS13), (Version::Tls12, &TLS12)]
            .into_iter()
            .filter(|(version, _)| versions.contains(version))
            .map(|(_, supported)| supported)
            .collect();
    settings(server, &versions, verifier, &[b"h2", b"http/1.1"])
}

/// Settings for the gateways' listener: a certificate of the gateways' CA is mandatory, HTTP/2 only.
///
/// # Errors
/// The CA's certificates or revocation lists cannot be used, or the server's key cannot.
pub fn for_gateways(
    server: &ServerCertificate,
    client_ca: &[CertificateDer<'static>],
    client_crls: &[Vec<u8>],
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier = clients_of(client_ca, client_crls, Asked::Required)?;
    settings(server, &[&TLS13, &TLS12], verifier, &[b"h2"])
}

/// Settings for the KDC proxy: the clients the verifier lets in; HTTP/1.1.
///
/// # Errors
/// The server's key cannot be used.
pub fn for_kdc_proxy(
    server: &ServerCertificate,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsError> {
    settings(server, &[&TLS13, &TLS12], verifier, &[b"http/1.1"])
}

/// How a client's certificate is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// A client may go on without one.
    Optional,
    /// A handshake without one fails.
    Required,
}

/// Asks no client for a certificate.
#[must_use]
pub fn no_clients() -> Arc<dyn ClientCertVerifier> {
    WebPkiClientVerifier::no_client_auth()
}

/// Takes the clients of one CA: a certificate of another, or a revoked one, fails the handshake.
///
/// # Errors
/// The CA's certificates or revocation lists cannot be used.
pub fn clients_of(
    client_ca: &[CertificateDer<'static>],
    client_crls: &[Vec<u8>],
    asked: Asked,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in client_ca {
        roots.add(certificate.clone()).map_err(TlsError::ClientCa)?;
    }
    let crls = client_crls.iter().map(|list| CertificateRevocationListDer::from(list.clone()));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .with_crls(crls)
        // A list that has ended says nothing any more: its clients are refused until a new one is loaded.
        .enforce_revocation_expiration();
    let verifier = match asked {
        Asked::Optional => verifier.allow_unauthenticated(),
        Asked::Required => verifier,
    };
    verifier.build().map_err(TlsError::ClientVerifier)
}

/// The one provider of cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Why TLS settings cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The private key belongs to another certificate.
    #[error("the key does not belong to the first certificate of the chain")]
    KeyMismatch,
    /// The server's certificate or key cannot be used.
    #[error("the server's certificate or key cannot be used")]
    Server(#[source] rustls::Error),
    /// No version of TLS is left.
    #[error("no usable version of TLS is configured")]
    Version(#[source] rustls::Error),
    /// A certificate of the clients' CA cannot be a trust anchor.
    #[error("a certificate of the clients' ca cannot be used")]
    ClientCa(#[source] rustls::Error),
    /// The clients' CA or its revocation lists cannot be used.
    #[error("the clients' ca or its revocation lists cannot be used")]
    ClientVerifier(#[source] VerifierBuilderError),
}

fn settings(
    server: &ServerCertificate,
    versions: &[&'static SupportedProtocolVersion],
    verifier: Arc<dyn ClientCertVerifier>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(TlsError::Version)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(server.chain.clone(), server.key.clone_key())
        .map_err(of_server)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // A resumed session never asks for the certificate again, and early data can be replayed. Each connection is a
    // full handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

fn of_server(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch,
        other => TlsError::Server(other),
    }
}
