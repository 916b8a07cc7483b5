//! Oracles for the fuzz targets in `broker/fuzz`. Each must return for any input.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;

use super::revocation::{Crl, OcspResponse};
use super::{Check, Description, IdentityError, PeerCertificates, Revocation, Settings, Validator};

/// 2026-01-01, inside the validity of the seeds.
const NOW: Duration = Duration::from_secs(1_767_225_600);

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let root = CertificateDer::from_slice(include_bytes!("../../fuzz/seeds/root.der"));
    let mut settings = Settings::new(vec![root]);
    settings.revocation = Revocation::Off;
    Validator::new(settings, now()).expect("the seed root is a root")
});

/// Validates a chain: every certificate behind its length in two octets, big-endian, the card first. True where
/// it was accepted, which only the unchanged seeds are.
pub fn peer_certificates(input: &[u8]) -> bool {
    let mut chain = Vec::new();
    let mut rest = input;
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(tail.len());
        let (certificate, tail) = tail.split_at(length);
        chain.push(CertificateDer::from(certificate.to_vec()));
        rest = tail;
    }
    PeerCertificates::new(chain).is_ok_and(|peer| VALIDATOR.judge(&peer, now()).is_ok())
}

/// What the validator says of a card alone, and the checks that held.
pub(crate) fn explained(card: &[u8]) -> (Result<(), IdentityError>, Vec<Check>) {
    let mut held = Vec::new();
    let Ok(peer) = PeerCertificates::new(vec![CertificateDer::from(card.to_vec())]) else {
        return (Ok(()), held);
    };
    let verdict = VALIDATOR.explain(&peer, now(), &mut held).map(drop);
    (verdict, held)
}

/// Reads a CRL. True where it is one.
pub fn crl(input: &[u8]) -> bool {
    Crl::parse(input).is_ok()
}

/// Reads an OCSP response. True where it is one that answers.
pub fn ocsp(input: &[u8]) -> bool {
    OcspResponse::parse(input).is_ok()
}

/// Reads what a certificate says. True where it is one. What is said of it must be fit for a line of a log.
pub fn certificate_facts(input: &[u8]) -> bool {
    match Description::read(input) {
        Ok(description) => {
            assert!(description.validity().0.as_second() >= 0);
            true
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            false
        }
    }
}

fn now() -> SystemTime {
    UNIX_EPOCH + NOW
}
