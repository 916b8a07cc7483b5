//! The chain a card presented, as it came: bounded, not yet believed.

use rustls_pki_types::CertificateDer;

use super::certificate::ParsedCertificate;

/// Most certificates a peer may send: its own and nine issuers.
pub const MAX_CERTIFICATES: usize = 10;

/// Most octets of one certificate. A card's certificate is 1 to 3 KiB.
pub const MAX_CERTIFICATE_SIZE: usize = 16 * 1024;

/// Most octets of the whole chain; also the most a TLS handshake message may carry.
pub const MAX_CHAIN_SIZE: usize = 64 * 1024;

/// Most OCSP responses that may come along with a chain, and most octets of one of them.
pub const MAX_STAPLED: usize = 4;
/// See [`MAX_STAPLED`]. A response with the responder's certificate has 2 KiB.
pub const MAX_STAPLED_SIZE: usize = 16 * 1024;

/// The certificates of one TLS handshake, DER, the card's own first (RFC 8446 section 4.4.2).
///
/// Possession of the first certificate's key has been proven by the handshake. Nothing else has been checked:
/// the rest are hints from a stranger, in any order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerCertificates {
    chain: Vec<CertificateDer<'static>>,
    stapled: Vec<Vec<u8>>,
}

impl PeerCertificates {
    /// Takes what the handshake handed over.
    ///
    /// # Errors
    /// The chain is empty, has more than [`MAX_CERTIFICATES`], or is larger than the bounds of this module.
    pub fn new(chain: Vec<CertificateDer<'static>>) -> Result<Self, PeerError> {
        if chain.is_empty() {
            return Err(PeerError::Empty);
        }
        if chain.len() > MAX_CERTIFICATES {
            return Err(PeerError::TooMany { count: chain.len() });
        }
        let mut total: usize = 0;
        for certificate in &chain {
            if certificate.len() > MAX_CERTIFICATE_SIZE {
                return Err(PeerError::CertificateTooLarge { size: certificate.len() });
            }
            total = total.saturating_add(certificate.len());
        }
        if total > MAX_CHAIN_SIZE {
            return Err(PeerError::ChainTooLarge { size: total });
        }
        Ok(Self { chain, stapled: Vec::new() })
    }

    /// The same with OCSP responses that came along, DER; judged like any other, where an issuer's order names them.
    ///
    /// # Errors
    /// There are more than [`MAX_STAPLED`], or one is larger than [`MAX_STAPLED_SIZE`].
    pub fn stapling(self, stapled: Vec<Vec<u8>>) -> Result<Self, PeerError> {
        if stapled.len() > MAX_STAPLED {
            return Err(PeerError::TooManyStapled { count: stapled.len() });
        }
        match stapled.iter().find(|one| one.len() > MAX_STAPLED_SIZE) {
            Some(large) => Err(PeerError::StapledTooLarge { size: large.len() }),
            None => Ok(Self { stapled, ..self }),
        }
    }

    /// The OCSP responses that came along.
    pub(super) fn stapled(&self) -> &[Vec<u8>] {
        &self.stapled
    }

    /// The certificates alone: what came along at a login says nothing of a later time.
    pub(crate) fn without_stapled(self) -> Self {
        Self { stapled: Vec::new(), ..self }
    }

    /// The same with further hints, as far as they are new and the bounds allow it; `None` where nothing is added.
    pub(super) fn with(&self, more: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut extended = self.clone();
        for certificate in more {
            let mut chain = extended.chain.clone();
            if !chain.contains(&certificate) {
                chain.push(certificate);
                extended = Self::new(chain).unwrap_or(extended);
            }
        }
        (extended.chain.len() > self.chain.len()).then(|| Self { stapled: self.stapled.clone(), ..extended })
    }

    /// The certificate whose key the peer holds.
    #[must_use]
    pub fn card(&self) -> &CertificateDer<'static> {
        self.chain.first().expect("the constructor refuses an empty chain")
    }

    /// The name of the card's issuer, DER; nothing where it cannot be read.
    pub(crate) fn issuer(&self) -> Option<Vec<u8>> {
        use der::Encode as _;
        ParsedCertificate::parse(self.card()).ok()?.issuer().to_der().ok()
    }

    /// What else the peer sent, in its order.
    #[must_use]
    pub fn others(&self) -> &[CertificateDer<'static>] {
        self.chain.get(1..).unwrap_or_default()
    }
}

/// A chain that is not even looked at.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The handshake carried no certificate.
    #[error("the peer sent no certificate")]
    Empty,
    /// More certificates than any real chain has.
    #[error("the peer sent {count} certificates, more than {MAX_CERTIFICATES}")]
    TooMany {
        /// How many were sent.
        count: usize,
    },
    /// One certificate is too large.
    #[error("a certificate of {size} octets is larger than {MAX_CERTIFICATE_SIZE}")]
    CertificateTooLarge {
        /// Its size in octets.
        size: usize,
    },
    /// More OCSP responses than a chain has certificates.
    #[error("{count} OCSP responses came along, more than {MAX_STAPLED}")]
    TooManyStapled {
        /// How many came.
        count: usize,
    },
    /// One OCSP response is too large.
    #[error("an OCSP response of {size} octets is larger than {MAX_STAPLED_SIZE}")]
    StapledTooLarge {
        /// Its size in octets.
        size: usize,
    },
    /// All together are too large.
    #[error("a chain of {size} octets is larger than {MAX_CHAIN_SIZE}")]
    ChainTooLarge {
        /// Their size in octets.
        size: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(sizes: &[usize]) -> Vec<CertificateDer<'static>> {
        sizes.iter().map(|size| CertificateDer::from(vec![0; *size])).collect()
    }

    #[test]
    fn an_empty_chain_is_refused() {
        assert_eq!(PeerCertificates::new(Vec::new()), Err(PeerError::Empty));
    }

    #[test]
    fn ten_certificates_are_taken_and_eleven_refused() {
        assert!(PeerCertificates::new(chain(&[100; 10])).is_ok());
        assert_eq!(PeerCertificates::new(chain(&[100; 11])), Err(PeerError::TooMany { count: 11 }));
    }

    #[test]
    fn an_oversized_certificate_is_refused() {
        let size = MAX_CERTIFICATE_SIZE + 1;
        assert_eq!(PeerCertificates::new(chain(&[100, size])), Err(PeerError::CertificateTooLarge { size }));
    }

    #[test]
    fn an_oversized_chain_is_refused() {
        let refused = PeerCertificates::new(chain(&[MAX_CERTIFICATE_SIZE, 16_384, 16_384, 16_384, 1]));
        assert_eq!(refused, Err(PeerError::ChainTooLarge { size: MAX_CHAIN_SIZE + 1 }));
    }

    #[test]
    fn hints_are_added_within_the_bounds_and_each_once() {
        let peer = PeerCertificates::new(chain(&[1, 2])).expect("a small chain");
        assert_eq!(peer.with(chain(&[1, 2])), None);
        let more = peer.with(chain(&[3, 3, 2, 20_000])).expect("one is new");
        assert_eq!(more.others().len(), 2);
        let full = peer.with(chain(&[3, 4, 5, 6, 7, 8, 9, 10, 11, 12])).expect("some fit");
        assert_eq!(full.others().len(), MAX_CERTIFICATES - 1);
    }

    #[test]
    fn the_card_comes_first_and_the_others_follow() {
        let peer = PeerCertificates::new(chain(&[1, 2, 3])).expect("a small chain");
        assert_eq!((peer.card().len(), peer.others().len()), (1, 2));
    }
}
