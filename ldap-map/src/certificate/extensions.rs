//! The values of the extensions that are read, with the object identifiers in their encoded form.

use super::{CertificateError, MAXIMUM_COUNT};
use crate::sid::Sid;
use crate::tlv::{
    BIT_STRING, EncodingError, OBJECT_IDENTIFIER, OCTET_STRING, Reader, Rules, SEQUENCE, UTF8_STRING,
    object_identifier,
};
use crate::upn::Upn;

/// 2.5.29.14
pub(super) const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
/// 2.5.29.15
pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// 2.5.29.17
pub(super) const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.32
pub(super) const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 0x20];
/// 2.5.29.37
pub(super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.3.6.1.4.1.311.25.2, szOID_NTDS_CA_SECURITY_EXT (MS-WCCE 2.2.2.7.7.4)
pub(super) const SECURITY_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02];

/// 1.3.6.1.4.1.311.25.2.1, szOID_NTDS_OBJECTSID
const OBJECT_SID_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x19, 0x02, 0x01];
/// 1.3.6.1.4.1.311.20.2.3, szOID_NT_PRINCIPAL_NAME
const PRINCIPAL_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];
/// How a SID is written as a URI (KB5014754).
const SID_TAG: &str = "tag:microsoft.com,2022-09-14:sid:";

/// Longest accepted key identifier in octets; digests have 20 or 32.
const MAXIMUM_KEY_IDENTIFIER: usize = 64;

/// GeneralName `[0]` otherName, `[1]` rfc822Name, `[2]` dNSName and `[6]` uniformResourceIdentifier; `[0]` EXPLICIT inside the first.
const OTHER_NAME: u8 = 0xa0;
const OTHER_NAME_VALUE: u8 = 0xa0;
const RFC822_NAME: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;

/// The uses of a key (RFC 5280 4.2.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyUsage {
    bits: u16,
}

impl KeyUsage {
    /// Bit 0: the key signs other things than certificates and CRLs, as it does in a login.
    #[must_use]
    pub const fn digital_signature(self) -> bool {
        self.bits & 0x8000 != 0
    }

    /// Bit 5: the key signs certificates.
    #[must_use]
    pub const fn key_cert_sign(self) -> bool {
        self.bits & 0x0400 != 0
    }

    /// All bits; bit 0 of the standard is the highest.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.bits
    }
}

/// What the subject alternative names say of the account.
#[derive(Debug, Default)]
pub(super) struct AlternativeNames {
    pub(super) upns: Vec<Upn>,
    pub(super) emails: Vec<Vec<u8>>,
    pub(super) dns_names: Vec<Vec<u8>>,
    pub(super) uris: Vec<Vec<u8>>,
    pub(super) sids: Vec<Sid>,
}

pub(super) fn alternative_names(value: &[u8]) -> Result<AlternativeNames, CertificateError> {
    let malformed = malformed("subjectAltName");
    let mut names = sequence(value).map_err(malformed)?;
    let mut found = AlternativeNames::default();
    let mut count = 0;
    while !names.is_empty() {
        count += 1;
        if count > MAXIMUM_COUNT {
            return Err(CertificateError::TooMany);
        }
        let name = names.any().map_err(malformed)?;
        match name.tag {
            OTHER_NAME => {
                let (kind, inner) = other_name(name.value).map_err(malformed)?;
                if kind == PRINCIPAL_NAME {
                    found.upns.push(upn(inner)?);
                }
            }
            RFC822_NAME => found.emails.push(name.value.to_vec()),
            DNS_NAME => found.dns_names.push(name.value.to_vec()),
            URI => {
                found.sids.extend(tagged_sid(name.value)?);
                found.uris.push(name.value.to_vec());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The one SID of the security extension: a single otherName with the SID's text in an OCTET STRING.
pub(super) fn security_sid(value: &[u8]) -> Result<Sid, CertificateError> {
    let malformed = malformed("szOID_NTDS_CA_SECURITY_EXT");
    let mut names = sequence(value).map_err(malformed)?;
    let name = names.expect(OTHER_NAME).map_err(malformed)?;
    names.end().map_err(malformed)?;
    let (kind, inner) = other_name(name).map_err(malformed)?;
    if kind != OBJECT_SID_NAME {
        return Err(malformed(EncodingError));
    }
    let mut reader = Reader::new(inner, Rules::Distinguished);
    let text = reader.expect(OCTET_STRING).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    sid(text)
}

pub(super) fn key_purposes(value: &[u8]) -> Result<Vec<String>, CertificateError> {
    let malformed = malformed("extKeyUsage");
    let mut purposes = sequence(value).map_err(malformed)?;
    let mut found = Vec::new();
    while !purposes.is_empty() {
        if found.len() == MAXIMUM_COUNT {
            return Err(CertificateError::TooMany);
        }
        let oid = purposes.expect(OBJECT_IDENTIFIER).and_then(object_identifier).map_err(malformed)?;
        found.push(oid);
    }
    if found.is_empty() {
        return Err(malformed(EncodingError));
    }
    Ok(found)
}

pub(super) fn policies(value: &[u8]) -> Result<Vec<String>, CertificateError> {
    let malformed = malformed("certificatePolicies");
    let mut policies = sequence(value).map_err(malformed)?;
    let mut found = Vec::new();
    while !policies.is_empty() {
        if found.len() == MAXIMUM_COUNT {
            return Err(CertificateError::TooMany);
        }
        let mut information = policies.enter(SEQUENCE).map_err(malformed)?;
        let oid = information.expect(OBJECT_IDENTIFIER).and_then(object_identifier).map_err(malformed)?;
        found.push(oid);
    }
    Ok(found)
}

pub(super) fn key_usage(value: &[u8]) -> Result<KeyUsage, CertificateError> {
    let malformed = malformed("keyUsage");
    let mut reader = Reader::new(value, Rules::Distinguished);
    let string = reader.expect(BIT_STRING).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    let bits = match string {
        [0..=7, first] => u16::from_be_bytes([*first, 0]),
        [0..=7, first, second] => u16::from_be_bytes([*first, *second]),
        [0] => 0,
        _ => return Err(malformed(EncodingError)),
    };
    Ok(KeyUsage { bits })
}

/// The octets of the subject key identifier (RFC 5280 4.2.1.2).
pub(super) fn key_identifier(value: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let malformed = malformed("subjectKeyIdentifier");
    let mut reader = Reader::new(value, Rules::Distinguished);
    let identifier = reader.expect(OCTET_STRING).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    if identifier.is_empty() || identifier.len() > MAXIMUM_KEY_IDENTIFIER {
        return Err(malformed(EncodingError));
    }
    Ok(identifier.to_vec())
}

fn malformed(extension: &'static str) -> impl Fn(EncodingError) -> CertificateError + Copy {
    move |_| CertificateError::Extension { extension }
}

/// A reader of the one SEQUENCE that the value is.
fn sequence(value: &[u8]) -> Result<Reader<'_>, EncodingError> {
    let mut outer = Reader::new(value, Rules::Distinguished);
    let inner = outer.enter(SEQUENCE)?;
    outer.end()?;
    Ok(inner)
}

/// The type of an otherName, and the encoding inside its value.
fn other_name(value: &[u8]) -> Result<(&[u8], &[u8]), EncodingError> {
    let mut reader = Reader::new(value, Rules::Distinguished);
    let kind = reader.expect(OBJECT_IDENTIFIER)?;
    let inner = reader.expect(OTHER_NAME_VALUE)?;
    reader.end()?;
    Ok((kind, inner))
}

fn upn(encoded: &[u8]) -> Result<Upn, CertificateError> {
    let mut reader = Reader::new(encoded, Rules::Distinguished);
    let octets = reader.expect(UTF8_STRING).map_err(|_| CertificateError::Upn(None))?;
    reader.end().map_err(|_| CertificateError::Upn(None))?;
    let text = str::from_utf8(octets).map_err(|_| CertificateError::Upn(None))?;
    Upn::parse(text).map_err(|error| CertificateError::Upn(Some(error)))
}

/// The SID of a URI of Microsoft's form; `None` for every other URI.
fn tagged_sid(octets: &[u8]) -> Result<Option<Sid>, CertificateError> {
    match octets.split_at_checked(SID_TAG.len()) {
        Some((tag, text)) if tag.eq_ignore_ascii_case(SID_TAG.as_bytes()) => sid(text).map(Some),
        _ => Ok(None),
    }
}

fn sid(text: &[u8]) -> Result<Sid, CertificateError> {
    let text = str::from_utf8(text).map_err(|_| CertificateError::Sid(None))?;
    text.parse().map_err(|error| CertificateError::Sid(Some(error)))
}
