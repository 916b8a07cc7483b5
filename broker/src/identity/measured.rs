//! What `broker/benches` measures of the first step and is not public otherwise.

use super::certificate::ParsedCertificate;
use super::revocation::{Crl, OcspResponse};

/// A certificate, read once.
pub struct Certificate(ParsedCertificate);

impl Certificate {
    /// Reads DER; `None` where it is none.
    #[must_use]
    pub fn read(encoded: &[u8]) -> Option<Self> {
        ParsedCertificate::parse(encoded).ok().map(Self)
    }
}

/// A CRL whose signature holds.
pub struct List(Crl);

impl List {
    /// Reads DER and verifies its signature with the key of `issuer`.
    #[must_use]
    pub fn load(encoded: &[u8], issuer: &Certificate) -> Option<Self> {
        Crl::parse(encoded).ok().filter(|crl| crl.is_signed_by(&issuer.0)).map(Self)
    }

    /// Whether the list speaks of a certificate.
    #[must_use]
    pub fn revokes(&self, certificate: &Certificate) -> bool {
        self.0.entry(&certificate.0).is_some()
    }

    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.0.entries()
    }
}

/// Whether an OCSP response in DER, signed by the issuer itself, answers about a certificate.
#[must_use]
pub fn answers(response: &[u8], certificate: &Certificate, issuer: &Certificate) -> bool {
    OcspResponse::parse(response).is_ok_and(|response| {
        response.answers(&certificate.0, &issuer.0).next().is_some() && response.is_signed_by(&issuer.0)
    })
}
