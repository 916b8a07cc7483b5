//! The part of the TLS handshake that asks for a card: proof of possession, and nothing more.
//!
//! A refusal in the handshake is an alert without words, and in TLS 1.3 the client may not even see it. So the
//! handshake only proves that the peer holds the key of the certificate it shows; whether to believe that
//! certificate is decided after it, where every refusal carries a code and words. See the decision record
//! `0005-trust-after-the-handshake`.

use std::sync::Arc;

use der::Encode as _;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::ParsedCertificate;
use super::peer_certificates::PeerCertificates;
use super::signature;

/// Most octets of CA names that are sent as hints. Browsers stop reading at 32 KiB; where the names are more,
/// none are sent, which means "any".
const MAX_HINTS: usize = 16 * 1024;

/// Asks for a client certificate, lets a peer go on without one unless it is mandatory, and verifies the handshake's signature.
#[derive(Debug)]
pub struct ProofOfPossession {
    provider: Arc<CryptoProvider>,
    hints: Vec<DistinguishedName>,
    mandatory: bool,
}

impl ProofOfPossession {
    /// `ca_names` are DER names as [`super::Validator::ca_names`] gives them.
    #[must_use]
    pub fn new(provider: Arc<CryptoProvider>, ca_names: Vec<Vec<u8>>) -> Self {
        // Each name is sent behind a length of two octets.
        let size: usize = ca_names.iter().map(|name| name.len().saturating_add(2)).sum();
        let hints = if size > MAX_HINTS { Vec::new() } else { ca_names };
        let hints = hints.into_iter().map(DistinguishedName::from).collect();
        Self { provider, hints, mandatory: false }
    }

    /// The same, but a peer without a certificate gets no further than the handshake.
    #[must_use]
    pub fn mandatory(self) -> Self {
        Self { mandatory: true, ..self }
    }
}

impl ClientCertVerifier for ProofOfPossession {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        // The bounds only: what is too much to look at is not kept in memory either.
        match PeerCertificates::new(chain.map(|certificate| certificate.clone().into_owned()).collect()) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(_) => Err(BAD_ENCODING),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let card = parse(cert)?;
        let mapping = self.provider.signature_verification_algorithms.mapping;
        let algorithms =
            mapping.iter().find(|(scheme, _)| *scheme == dss.scheme).map(|(_, algorithms)| *algorithms);
        // In TLS 1.2 a scheme does not fix the curve, so that several algorithms can be meant.
        for algorithm in algorithms.unwrap_or_default() {
            if signature::verify_with(*algorithm, message, dss.signature(), card.spki()).is_ok() {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = parse(cert)?.spki().to_der().map_err(|_| BAD_ENCODING)?;
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &spki.into(), dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Reads the certificate by the same reader as the first step. rustls' own would refuse, without words, cards
/// whose critical extensions it does not know.
fn parse(certificate: &CertificateDer<'_>) -> Result<ParsedCertificate, Error> {
    ParsedCertificate::parse(certificate).map_err(|_| BAD_ENCODING)
}

const BAD_ENCODING: Error = Error::InvalidCertificate(CertificateError::BadEncoding);

#[cfg(test)]
mod tests;
