//! The facts that an X.509 certificate states (RFC 5280).
//!
//! Facts only: nothing here says whether the certificate may be believed. That is decided elsewhere, on the
//! same octets, before anything is built on these facts.

mod extensions;
mod name;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha1::{Digest as _, Sha1};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::nom::Parser;
use x509_parser::time::ASN1Time;

use crate::sid::{Sid, SidError};
use crate::upn::{Upn, UpnError};
use crate::x500_name::X500Name;

pub use extensions::KeyUsage;
pub use name::{CertificateName, NameAttribute, attribute_name, attribute_type};

pub(crate) use name::{EMAIL_ADDRESS, guard};

/// Largest accepted certificate in octets.
pub const MAXIMUM_LENGTH: usize = 64 * 1024;
/// Most extensions, and most entries of one extension.
const MAXIMUM_COUNT: usize = 128;
/// Longest accepted serial number in octets; RFC 5280 allows 20, old issuers made longer ones.
const MAXIMUM_SERIAL: usize = 64;

/// What one certificate says of itself.
#[derive(Clone, Debug)]
pub struct CertificateFacts {
    encoded: Arc<[u8]>,
    subject_name: CertificateName,
    issuer_name: CertificateName,
    subject: String,
    issuer: String,
    serial: String,
    raw_serial: Vec<u8>,
    not_before: SystemTime,
    not_after: SystemTime,
    upns: Vec<Upn>,
    emails: Vec<String>,
    raw_emails: Vec<Vec<u8>>,
    dns_names: Vec<String>,
    uris: Vec<String>,
    sids: Vec<Sid>,
    extension_sid: Option<Sid>,
    extended_key_usage: Vec<String>,
    key_usage: Option<KeyUsage>,
    policies: Vec<String>,
    subject_key_identifier: Option<Vec<u8>>,
    x500_subject: Option<X500Name>,
    x500_issuer: Option<X500Name>,
    sha1: Sha1Digests,
}

/// SHA-1 digests of a certificate and of parts of it: names of it in the directory, where nothing rests on their strength but
/// that nobody makes a second certificate with the same one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sha1Digests {
    /// Of the whole certificate: what Windows shows as its thumbprint.
    pub certificate: [u8; 20],
    /// Of the SubjectPublicKeyInfo.
    pub public_key_info: [u8; 20],
    /// Of the octets of the key in it.
    pub public_key: [u8; 20],
}

impl CertificateFacts {
    /// Reads one DER certificate.
    ///
    /// # Errors
    /// [`CertificateError`] when the octets are not exactly one certificate, exceed a bound, carry an extension
    /// twice, or when one of the extensions read here is malformed. A malformed UPN or SID is an error, not
    /// skipped.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAXIMUM_LENGTH {
            return Err(CertificateError::TooLarge);
        }
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (rest, certificate) = parser.parse(der).map_err(|_| CertificateError::Certificate)?;
        if !rest.is_empty() {
            return Err(CertificateError::Certificate);
        }
        let validity = certificate.validity();
        let subject_name = CertificateName::read(certificate.subject())?;
        let issuer_name = CertificateName::read(certificate.issuer())?;
        let mut facts = Self {
            encoded: Arc::from(der),
            subject: subject_name.rfc4514(),
            issuer: issuer_name.rfc4514(),
            serial: serial(certificate.raw_serial())?,
            raw_serial: certificate.raw_serial().to_vec(),
            not_before: time(validity.not_before)?,
            not_after: time(validity.not_after)?,
            upns: Vec::new(),
            emails: Vec::new(),
            raw_emails: Vec::new(),
            dns_names: Vec::new(),
            uris: Vec::new(),
            sids: Vec::new(),
            extension_sid: None,
            extended_key_usage: Vec::new(),
            key_usage: None,
            policies: Vec::new(),
            subject_key_identifier: None,
            x500_subject: subject_name.x500(),
            x500_issuer: issuer_name.x500(),
            sha1: Sha1Digests {
                certificate: Sha1::digest(der).into(),
                public_key_info: Sha1::digest(certificate.public_key().raw).into(),
                public_key: Sha1::digest(&certificate.public_key().subject_public_key.data).into(),
            },
            subject_name,
            issuer_name,
        };
        facts.read_extensions(&certificate)?;
        Ok(facts)
    }

    /// The certificate as it was read.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The subject, part by part.
    #[must_use]
    pub const fn subject_name(&self) -> &CertificateName {
        &self.subject_name
    }

    /// The issuer, part by part.
    #[must_use]
    pub const fn issuer_name(&self) -> &CertificateName {
        &self.issuer_name
    }

    /// The subject as RFC 4514 text, most specific part first; may be empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer as RFC 4514 text, most specific part first.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in lower-case hexadecimal, most significant octet first, without a leading zero octet.
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The octets of the serial number's encoded integer.
    #[must_use]
    pub fn raw_serial(&self) -> &[u8] {
        &self.raw_serial
    }

    /// Begin of validity.
    #[must_use]
    pub const fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// End of validity.
    #[must_use]
    pub const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Every UPN among the subject alternative names (otherName 1.3.6.1.4.1.311.20.2.3), in order.
    #[must_use]
    pub fn upns(&self) -> &[Upn] {
        &self.upns
    }

    /// Every e-mail address among the subject alternative names (rfc822Name) that is of the standard's string type, in order.
    #[must_use]
    pub fn emails(&self) -> &[String] {
        &self.emails
    }

    /// The octets of every one of them, in order, also of those that are no addresses: a card that carries one is no less good
    /// for all that does not look at it.
    #[must_use]
    pub fn raw_emails(&self) -> &[Vec<u8>] {
        &self.raw_emails
    }

    /// Every host name among the subject alternative names (dNSName) that is of the standard's string type, in order.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Every uniformResourceIdentifier likewise.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The SID, when the certificate names exactly one. `None` for none, and also for two that differ: tell the
    /// cases apart by [`Self::sids`].
    #[must_use]
    pub fn sid(&self) -> Option<&Sid> {
        match self.sids.as_slice() {
            [sid] => Some(sid),
            _ => None,
        }
    }

    /// Every different SID: from the extension 1.3.6.1.4.1.311.25.2 and from subject alternative names of the
    /// form `tag:microsoft.com,2022-09-14:sid:S-1-...`.
    #[must_use]
    pub fn sids(&self) -> &[Sid] {
        &self.sids
    }

    /// The SID in the extension 1.3.6.1.4.1.311.25.2 alone, which the certification authority of a domain adds itself.
    #[must_use]
    pub const fn extension_sid(&self) -> Option<&Sid> {
        self.extension_sid.as_ref()
    }

    /// The purposes of the key as dotted object identifiers; empty when the extension is absent.
    #[must_use]
    pub fn extended_key_usage(&self) -> &[String] {
        &self.extended_key_usage
    }

    /// The uses of the key, when the extension is there.
    #[must_use]
    pub const fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The certificate policies as dotted object identifiers; empty when the extension is absent.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The subject key identifier, when the extension is there.
    #[must_use]
    pub fn subject_key_identifier(&self) -> Option<&[u8]> {
        self.subject_key_identifier.as_deref()
    }

    /// The subject as Windows writes it into `altSecurityIdentities`; `None` where it is empty or cannot be written there.
    #[must_use]
    pub const fn x500_subject(&self) -> Option<&X500Name> {
        self.x500_subject.as_ref()
    }

    /// The issuer in the same form.
    #[must_use]
    pub const fn x500_issuer(&self) -> Option<&X500Name> {
        self.x500_issuer.as_ref()
    }

    /// The digests that `altSecurityIdentities` and Windows know the certificate by.
    #[must_use]
    pub const fn sha1(&self) -> &Sha1Digests {
        &self.sha1
    }

    fn read_extensions(&mut self, certificate: &X509Certificate<'_>) -> Result<(), CertificateError> {
        if certificate.extensions().len() > MAXIMUM_COUNT {
            return Err(CertificateError::TooMany);
        }
        let mut seen = BTreeSet::new();
        for extension in certificate.extensions() {
            if !seen.insert(extension.oid.as_bytes()) {
                return Err(CertificateError::ExtensionTwice);
            }
            match extension.oid.as_bytes() {
                extensions::SUBJECT_ALT_NAME => {
                    let names = extensions::alternative_names(extension.value)?;
                    self.upns = names.upns;
                    self.emails = names.emails.iter().filter_map(|octets| visible(octets)).collect();
                    self.raw_emails = names.emails;
                    self.dns_names = names.dns_names.iter().filter_map(|octets| visible(octets)).collect();
                    self.uris = names.uris.iter().filter_map(|octets| visible(octets)).collect();
                    names.sids.into_iter().for_each(|sid| self.add_sid(sid));
                }
                extensions::SECURITY_EXTENSION => {
                    let sid = extensions::security_sid(extension.value)?;
                    self.extension_sid = Some(sid.clone());
                    self.add_sid(sid);
                }
                extensions::SUBJECT_KEY_IDENTIFIER => {
                    self.subject_key_identifier = Some(extensions::key_identifier(extension.value)?);
                }
                extensions::EXTENDED_KEY_USAGE => {
                    self.extended_key_usage = extensions::key_purposes(extension.value)?;
                }
                extensions::KEY_USAGE => self.key_usage = Some(extensions::key_usage(extension.value)?),
                extensions::CERTIFICATE_POLICIES => self.policies = extensions::policies(extension.value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn add_sid(&mut self, sid: Sid) {
        if !self.sids.contains(&sid) {
            self.sids.push(sid);
        }
    }
}

/// Why octets do not give the facts of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More than [`MAXIMUM_LENGTH`] octets.
    #[error("the certificate is larger than {MAXIMUM_LENGTH} octets")]
    TooLarge,
    /// Not exactly one DER certificate.
    #[error("the octets are not exactly one certificate")]
    Certificate,
    /// More extensions, or more entries in one, than any certificate needs.
    #[error("the certificate has more than {MAXIMUM_COUNT} extensions or entries of one extension")]
    TooMany,
    /// An extension is there twice (forbidden by RFC 5280 4.2).
    #[error("an extension is there twice")]
    ExtensionTwice,
    /// An extension that is read here is malformed.
    #[error("the extension {extension} is malformed")]
    Extension {
        /// The name of the extension.
        extension: &'static str,
    },
    /// The serial number is missing or longer than any issuer makes it.
    #[error("the serial number is empty or too long")]
    Serial,
    /// A time of the validity cannot be expressed.
    #[error("the validity cannot be expressed")]
    Validity,
    /// A UPN among the alternative names is not a UTF8String, or not a user principal name.
    #[error("a user principal name in the certificate is malformed")]
    Upn(#[source] Option<UpnError>),
    /// A SID in the certificate is not one.
    #[error("a SID in the certificate is malformed")]
    Sid(#[source] Option<SidError>),
}

fn serial(octets: &[u8]) -> Result<String, CertificateError> {
    let significant = match octets {
        [0, rest @ ..] if !rest.is_empty() => rest,
        _ => octets,
    };
    if significant.is_empty() || significant.len() > MAXIMUM_SERIAL {
        return Err(CertificateError::Serial);
    }
    Ok(significant.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// The text of an address, a host name or a URI, which are IA5Strings without blanks (RFC 5280 4.2.1.6).
fn visible(octets: &[u8]) -> Option<String> {
    let text = str::from_utf8(octets).ok().filter(|text| !text.is_empty());
    text.filter(|text| text.bytes().all(|octet| octet.is_ascii_graphic())).map(str::to_owned)
}

fn time(time: ASN1Time) -> Result<SystemTime, CertificateError> {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.ok_or(CertificateError::Validity)
}
