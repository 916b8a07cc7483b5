//! TLS towards the directory: the server's name verified against the configured CA certificates, nothing else.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

use super::bind::Bind;
use super::error::SettingsError;

/// The client side of the handshake. The provider is named, so that no process-wide choice matters.
pub(super) fn connector(
    roots: &[CertificateDer<'static>],
    bind: &Bind,
) -> Result<TlsConnector, SettingsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(SettingsError::Tls)?
        .with_root_certificates(root_store(roots)?);
    let mut config = match bind {
        Bind::Simple { .. } | Bind::Changing { .. } => builder.with_no_client_auth(),
        Bind::External { certificates, key } => builder
            .with_client_auth_cert(certificates.clone(), key.clone_key())
            .map_err(SettingsError::ClientCertificate)?,
    };
    // Connections live long; a full handshake each keeps the certificate checks in force.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, SettingsError> {
    if roots.is_empty() {
        return Err(SettingsError::NoRoots);
    }
    let mut store = RootCertStore::empty();
    for (index, root) in roots.iter().enumerate() {
        store.add(root.clone()).map_err(|source| SettingsError::Root { position: index + 1, source })?;
    }
    Ok(store)
}
