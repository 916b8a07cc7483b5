//! What one certificate says, for an administrator who wants to see it as this program does. Nothing is believed of it.

use jiff::Timestamp;
use ldap_map::certificate::CertificateFacts;
use x509_cert::ext::pkix::KeyUsages;

use super::certificate::{ParsedCertificate, timestamp};
use super::error::Malformed;
use super::signature::KeyKind;
use super::validator::sha256;

/// One certificate, read.
#[derive(Clone, Debug)]
pub struct Description {
    facts: CertificateFacts,
    key: KeyKind,
    signature_algorithm: String,
    is_ca: bool,
    key_usage: Vec<&'static str>,
    extensions: Vec<(String, bool)>,
    not_before: Timestamp,
    not_after: Timestamp,
    fingerprint_sha256: [u8; 32],
}

impl Description {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// It is none, contradicts itself, or names in it cannot be read.
    pub fn read(certificate: &[u8]) -> Result<Self, Malformed> {
        let parsed = ParsedCertificate::parse(certificate)?;
        let (not_before, not_after) = parsed.validity();
        let extensions = parsed.extensions().iter();
        Ok(Self {
            facts: CertificateFacts::parse(certificate)?,
            key: parsed.key(),
            signature_algorithm: parsed.signature_algorithm(),
            is_ca: parsed.is_ca(),
            key_usage: parsed.key_usage().map(|usage| key_usage(usage.0)).unwrap_or_default(),
            extensions: extensions.map(|one| (one.extn_id.to_string(), one.critical)).collect(),
            not_before: timestamp(not_before),
            not_after: timestamp(not_after),
            fingerprint_sha256: sha256(certificate),
        })
    }

    /// What the mapping to an account uses.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> KeyKind {
        self.key
    }

    /// The object identifier of the algorithm it is signed with.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// basicConstraints says cA.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// The names of its key usages (RFC 5280 section 4.2.1.3); empty where it states none.
    #[must_use]
    pub fn key_usage(&self) -> &[&'static str] {
        &self.key_usage
    }

    /// The object identifier of each extension, and whether it is critical.
    #[must_use]
    pub fn extensions(&self) -> &[(String, bool)] {
        &self.extensions
    }

    /// notBefore and notAfter; what lies before 1970 counts as 1970.
    #[must_use]
    pub fn validity(&self) -> (Timestamp, Timestamp) {
        (self.not_before, self.not_after)
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> &[u8; 32] {
        &self.fingerprint_sha256
    }
}

fn key_usage(stated: der::flagset::FlagSet<KeyUsages>) -> Vec<&'static str> {
    let names = [
        (KeyUsages::DigitalSignature, "digitalSignature"),
        (KeyUsages::NonRepudiation, "nonRepudiation"),
        (KeyUsages::KeyEncipherment, "keyEncipherment"),
        (KeyUsages::DataEncipherment, "dataEncipherment"),
        (KeyUsages::KeyAgreement, "keyAgreement"),
        (KeyUsages::KeyCertSign, "keyCertSign"),
        (KeyUsages::CRLSign, "cRLSign"),
        (KeyUsages::EncipherOnly, "encipherOnly"),
        (KeyUsages::DecipherOnly, "decipherOnly"),
    ];
    names.into_iter().filter(|(usage, _)| stated.contains(*usage)).map(|(_, name)| name).collect()
}
