//! What is kept of a login so that it can be judged again while its session lives.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::session::SessionFacts;
use crate::identity::PeerCertificates;

/// The certificates a session was earned with, and their digest, by which equal ones are judged once. Not secret, and bounded as
/// [`PeerCertificates`] are.
#[derive(Clone)]
pub struct PresentedChain {
    certificates: PeerCertificates,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl PresentedChain {
    /// Takes the certificates of a login.
    #[must_use]
    pub fn new(certificates: PeerCertificates) -> Self {
        let mut context = Context::new(&SHA256);
        for certificate in std::iter::once(certificates.card()).chain(certificates.others()) {
            // With its length, so that no two chains are the same octets.
            context.update(&certificate.len().to_be_bytes());
            context.update(certificate);
        }
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(context.finish().as_ref());
        Self { certificates: certificates.without_stapled(), digest }
    }

    /// The certificates, as they were presented.
    #[must_use]
    pub const fn certificates(&self) -> &PeerCertificates {
        &self.certificates
    }

    /// SHA-256 over all of them in their order.
    #[must_use]
    pub const fn digest(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.digest
    }
}

impl fmt::Debug for PresentedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedChain").finish_non_exhaustive()
    }
}

/// A login that is not over: a code that waits, or a session that lives. None of it is secret.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The gateway it was made for.
    pub gateway: String,
    /// Who logged in, for what.
    pub facts: Arc<SessionFacts>,
    /// The card's certificates.
    pub chain: Arc<PresentedChain>,
    /// When they were judged at the login.
    pub checked_at: SystemTime,
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::CertificateDer;

    use super::*;

    fn digest(chain: &[&'static [u8]]) -> [u8; SHA256_OUTPUT_LEN] {
        let chain = chain.iter().map(|one| CertificateDer::from(*one)).collect();
        *PresentedChain::new(PeerCertificates::new(chain).unwrap()).digest()
    }

    #[test]
    fn chains_are_one_only_if_every_certificate_is() {
        assert_eq!(digest(&[b"ab", b"c"]), digest(&[b"ab", b"c"]));
        for other in [&[b"ab".as_slice()][..], &[b"a", b"bc"], &[b"abc"], &[b"c", b"ab"]] {
            assert_ne!(digest(&[b"ab", b"c"]), digest(other), "{other:?}");
        }
    }
}
