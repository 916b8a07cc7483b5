//! One certificate, read once: what path building, usage and revocation ask of it.

mod dates;

use std::fmt::Write as _;

use certval::{DeferDecodeSigned, ExtensionProcessing as _, PDVCertificate, PDVExtension};
use der::asn1::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};
use x509_cert::name::Name;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::error::{CertificateId, Malformed, Role};
use super::revocation::Serial;
use super::signature::{self, KeyKind, SignatureError};

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const AUTHORITY_INFORMATION_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const OCSP_NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const CERTIFICATE_POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

/// What decides on a path: keyUsage, subjectAltName, basicConstraints, nameConstraints, certificatePolicies, policyMappings,
/// policyConstraints, extendedKeyUsage, inhibitAnyPolicy.
const RESTRICTING: [ObjectIdentifier; 9] = [
    KEY_USAGE,
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    BASIC_CONSTRAINTS,
    ObjectIdentifier::new_unwrap("2.5.29.30"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.33"),
    ObjectIdentifier::new_unwrap("2.5.29.36"),
    EXTENDED_KEY_USAGE,
    ObjectIdentifier::new_unwrap("2.5.29.54"),
];

/// A certificate that could be read. Nothing is believed of it yet.
#[derive(Clone)]
pub(super) struct ParsedCertificate {
    /// As it came.
    der: Box<[u8]>,
    inner: PDVCertificate,
    /// The signed octets, as they stand in the certificate.
    signed: Vec<u8>,
    serial: Serial,
    key: KeyKind,
}

impl ParsedCertificate {
    /// Reads a DER certificate (RFC 5280 section 4.1).
    pub(super) fn parse(encoded: &[u8]) -> Result<Self, Malformed> {
        let inner = PDVCertificate::try_from(encoded)
            .or_else(|error| {
                dates::since_1970(encoded)
                    .map_or(Err(error), |later| PDVCertificate::try_from(later.as_slice()))
            })
            .map_err(|_| Malformed::Encoding)?;
        let deferred = DeferDecodeSigned::from_der(encoded).map_err(|_| Malformed::Encoding)?;
        let tbs = inner.decoded().tbs_certificate();
        if let Some(oid) = duplicate(tbs.extensions().map(Vec::as_slice).unwrap_or_default()) {
            return Err(Malformed::DuplicateExtension { oid: oid.to_string() });
        }
        if tbs.signature() != inner.decoded().signature_algorithm() {
            return Err(Malformed::AlgorithmMismatch);
        }
        if let Some(oid) = unreadable(&inner) {
            return Err(Malformed::Extension { oid: oid.to_string() });
        }
        let serial = Serial::from_integer(tbs.serial_number().as_bytes()).ok_or(Malformed::SerialNumber)?;
        let key = KeyKind::of(tbs.subject_public_key_info());
        Ok(Self { der: encoded.into(), signed: deferred.tbs_field, serial, key, inner })
    }

    /// The form the path validator takes.
    pub(super) fn for_validator(&self) -> &PDVCertificate {
        &self.inner
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn subject(&self) -> &Name {
        self.inner.decoded().tbs_certificate().subject()
    }

    pub(super) fn issuer(&self) -> &Name {
        self.inner.decoded().tbs_certificate().issuer()
    }

    pub(super) fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The serial number as the INTEGER it is in the certificate.
    pub(super) fn serial_number(&self) -> Option<Vec<u8>> {
        self.inner.decoded().tbs_certificate().serial_number().to_der().ok()
    }

    pub(super) fn spki(&self) -> &SubjectPublicKeyInfoOwned {
        self.inner.decoded().tbs_certificate().subject_public_key_info()
    }

    pub(super) fn key(&self) -> KeyKind {
        self.key
    }

    /// Seconds since 1970 of notBefore and notAfter; what lies before 1970 counts as 1970.
    pub(super) fn validity(&self) -> (u64, u64) {
        let validity = self.inner.decoded().tbs_certificate().validity();
        (validity.not_before.to_unix_duration().as_secs(), validity.not_after.to_unix_duration().as_secs())
    }

    /// The algorithm this certificate is signed with, as text.
    pub(super) fn signature_algorithm(&self) -> String {
        self.inner.decoded().signature_algorithm().oid.to_string()
    }

    /// The size of the hash that was signed, in bits.
    pub(super) fn hash_bits(&self) -> Option<usize> {
        signature::hash_bits(self.inner.decoded().signature_algorithm())
    }

    /// Whether `issuer`'s key made the signature of this certificate. Says nothing about the issuer.
    pub(super) fn verify_signature(&self, issuer: &Self) -> Result<(), SignatureError> {
        let certificate = self.inner.decoded();
        let signature = certificate.signature().as_bytes().ok_or(SignatureError::Mismatch)?;
        signature::verify(&self.signed, signature, certificate.signature_algorithm(), issuer.spki())
    }

    /// basicConstraints says cA.
    pub(super) fn is_ca(&self) -> bool {
        matches!(self.extension(&BASIC_CONSTRAINTS), Some(PDVExtension::BasicConstraints(constraints)) if constraints.ca)
    }

    /// keyUsage, or `None` where it is absent or cannot be read.
    pub(super) fn key_usage(&self) -> Option<&KeyUsage> {
        match self.extension(&KEY_USAGE) {
            Some(PDVExtension::KeyUsage(usage)) => Some(usage),
            _ => None,
        }
    }

    /// keyUsage says cRLSign.
    pub(super) fn may_sign_crls(&self) -> bool {
        self.key_usage().is_some_and(|usage| usage.0.contains(KeyUsages::CRLSign))
    }

    /// It may sign OCSP responses for its issuer: extendedKeyUsage says so, and keyUsage does not deny it.
    pub(super) fn may_sign_ocsp(&self) -> bool {
        let signs = self.key_usage().is_none_or(|usage| usage.0.contains(KeyUsages::DigitalSignature));
        signs && self.extended_key_usage().is_some_and(|usage| usage.0.contains(&OCSP_SIGNING))
    }

    /// Whether its issuer says that an OCSP responder need not be checked for revocation, or names no way to do it
    /// (RFC 6960 section 4.2.2.2.1).
    pub(super) fn need_not_be_checked(&self) -> bool {
        let has = |oid| self.extensions().iter().any(|extension| extension.extn_id == oid);
        has(OCSP_NO_CHECK) || !(has(CRL_DISTRIBUTION_POINTS) || has(AUTHORITY_INFORMATION_ACCESS))
    }

    /// The value of cRLDistributionPoints, or `None` where it is absent.
    pub(super) fn distribution_points(&self) -> Option<&[u8]> {
        let mut extensions = self.extensions().iter();
        let found = extensions.find(|extension| extension.extn_id == CRL_DISTRIBUTION_POINTS)?;
        Some(found.extn_value.as_bytes())
    }

    /// extendedKeyUsage, or `None` where it is absent or cannot be read.
    pub(super) fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        match self.extension(&EXTENDED_KEY_USAGE) {
            Some(PDVExtension::ExtendedKeyUsage(usage)) => Some(usage),
            _ => None,
        }
    }

    /// The certificate policies it states.
    pub(super) fn policies(&self) -> Vec<ObjectIdentifier> {
        match self.extension(&CERTIFICATE_POLICIES) {
            Some(PDVExtension::CertificatePolicies(policies)) => {
                policies.0.iter().map(|policy| policy.policy_identifier).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the key identifiers suggest that `issuer` signed this certificate (RFC 4158 section 3.5.12).
    /// A hint for the order of the search, never a verdict.
    pub(super) fn names_key_of(&self, issuer: &Self) -> bool {
        let Some(PDVExtension::AuthorityKeyIdentifier(authority)) = self.extension(&AUTHORITY_KEY_IDENTIFIER)
        else {
            return false;
        };
        let Some(PDVExtension::SubjectKeyIdentifier(subject)) = issuer.extension(&SUBJECT_KEY_IDENTIFIER)
        else {
            return false;
        };
        authority.key_identifier.as_ref() == Some(&subject.0)
    }

    /// All extensions, as they stand.
    pub(super) fn extensions(&self) -> &[Extension] {
        self.inner.decoded().tbs_certificate().extensions().map(Vec::as_slice).unwrap_or_default()
    }

    /// Names this certificate in a refusal.
    pub(super) fn id(&self, role: Role) -> CertificateId {
        CertificateId { role, subject: name_text(self.subject()), serial: self.serial.to_string() }
    }

    fn extension(&self, oid: &ObjectIdentifier) -> Option<&PDVExtension> {
        self.inner.get_extension(oid).ok().flatten()
    }
}

/// The first extension of those that restrict a path, or name who is at its end, that certval has left out because it
/// could not read it: to certval it would be absent, so that a critical nameConstraints would constrain nothing, and
/// names behind one of an unknown form would not be held against it.
fn unreadable(certificate: &PDVCertificate) -> Option<ObjectIdentifier> {
    let extensions = certificate.decoded().tbs_certificate().extensions()?;
    let mut of_weight =
        extensions.iter().map(|extension| extension.extn_id).filter(|oid| RESTRICTING.contains(oid));
    of_weight.find(|oid| !matches!(certificate.get_extension(oid), Ok(Some(_))))
}

/// A name as RFC 4514 text that is safe to log: bounded, without control characters.
pub(super) fn name_text(name: &Name) -> String {
    const LONGEST: usize = 256;
    let mut text = String::new();
    if write!(text, "{name}").is_err() {
        return "(unprintable)".to_owned();
    }
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let mut safe: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if safe.len() < text.len() {
        safe.push('\u{2026}');
    }
    safe
}

/// Seconds since 1970 as a timestamp; what lies beyond the year 9999 counts as its end.
pub(super) fn timestamp(seconds: u64) -> Timestamp {
    i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX)
}

/// The first object identifier that stands in a list of extensions twice.
pub(super) fn duplicate(extensions: &[Extension]) -> Option<ObjectIdentifier> {
    let mut oids: Vec<ObjectIdentifier> = extensions.iter().map(|extension| extension.extn_id).collect();
    oids.sort_unstable();
    oids.windows(2).find_map(|pair| match pair {
        [one, two] if one == two => Some(*one),
        _ => None,
    })
}
