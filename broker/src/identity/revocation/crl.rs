//! One certificate revocation list (RFC 5280 section 5), read once into a compact form.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use der::asn1::{AnyRef, BitString, IntRef, ObjectIdentifier};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::time::Time;

use super::super::certificate::{ParsedCertificate, duplicate};
use super::super::signature;
use super::entries::{Entries, Entry, Reason, Serial};

/// Largest CRL that is read: about six million entries.
const MAX_CRL_SIZE: usize = 255 * 1024 * 1024;

const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// What a CRL covers, as far as this step can use it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlScope {
    /// All certificates of its issuer, for all reasons.
    #[error("it is complete")]
    Complete,
    /// Changes to another CRL only (RFC 5280 section 5.2.4).
    #[error("it is a delta CRL")]
    Delta,
    /// Certificates of other issuers too (RFC 5280 sections 5.2.5 and 5.3.3).
    #[error("it is an indirect CRL")]
    Indirect,
    /// A part of the issuer's certificates, or some reasons only (RFC 5280 section 5.2.5).
    #[error("it is partitioned by an issuing distribution point")]
    Partitioned,
    /// A critical extension of the list is not understood (RFC 5280 section 5.2).
    #[error("critical extension {oid} is not understood")]
    UnknownCriticalExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// A critical extension of an entry is not understood (RFC 5280 section 5.3).
    #[error("critical entry extension {oid} is not understood")]
    UnknownCriticalEntryExtension {
        /// The extension's object identifier.
        oid: String,
    },
}

/// Why a file is not a CRL.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// Not the DER of a CertificateList, or nothing in a PEM file.
    #[error("it is not a CRL in DER or PEM")]
    Encoding,
    /// Larger than the bound.
    #[error("it has {size} octets, more than {MAX_CRL_SIZE}")]
    TooLarge {
        /// Its size in octets.
        size: usize,
    },
    /// The algorithm inside the signature and the one beside it differ (RFC 5280 section 5.1.1.2).
    #[error("it names two different signature algorithms")]
    AlgorithmMismatch,
    /// An extension occurs twice in the list or in an entry.
    #[error("extension {oid} occurs twice")]
    DuplicateExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// A serial number is longer than 20 octets.
    #[error("a serial number is longer than 20 octets")]
    SerialNumber,
}

impl From<der::Error> for CrlError {
    fn from(_: der::Error) -> Self {
        Self::Encoding
    }
}

/// A CRL, ready to be asked.
pub(crate) struct Crl {
    issuer: Name,
    this_update: u64,
    next_update: Option<u64>,
    scope: CrlScope,
    entries: Entries,
    proof: Proof,
}

/// The signature of a CRL, and what is known about who made it.
struct Proof {
    signature: BitString,
    algorithm: AlgorithmIdentifierOwned,
    signer: Mutex<Signer>,
}

/// Who signed a CRL. Keys are DER of their SubjectPublicKeyInfo.
enum Signer {
    /// Nobody who has been asked about yet; these did not make it, the newest first.
    Unknown { signed: Box<[u8]>, strangers: VecDeque<Vec<u8>> },
    /// The holder of this key. The encoded list is no longer needed; the entries stay.
    Known(Vec<u8>),
}

/// Most keys remembered that did not sign a list. Only issuers of true paths are asked about, so that they are few.
const MAX_STRANGERS: usize = 16;

impl Crl {
    /// Reads a DER CertificateList (RFC 5280 section 5.1). The signature is not checked here.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, CrlError> {
        if encoded.len() > MAX_CRL_SIZE {
            return Err(CrlError::TooLarge { size: encoded.len() });
        }
        let mut reader = SliceReader::new(encoded)?;
        let (signed, algorithm, signature) = reader.sequence(|list| {
            let signed = list.tlv_bytes()?;
            let algorithm: AlgorithmIdentifierOwned = list.decode()?;
            let signature: BitString = list.decode()?;
            Ok::<_, der::Error>((signed, algorithm, signature))
        })?;
        reader.finish()?;
        let list = List::parse(signed)?;
        if list.algorithm != algorithm {
            return Err(CrlError::AlgorithmMismatch);
        }
        let scope = match scope_of(&list.extensions)? {
            CrlScope::Complete => list.entry_scope,
            narrower => narrower,
        };
        Ok(Self {
            issuer: list.issuer,
            this_update: list.this_update,
            next_update: list.next_update,
            scope,
            entries: Entries::new(list.entries),
            proof: Proof {
                signature,
                algorithm,
                signer: Mutex::new(Signer::Unknown { signed: signed.into(), strangers: VecDeque::new() }),
            },
        })
    }

    pub(crate) fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Seconds since 1970.
    pub(crate) fn this_update(&self) -> u64 {
        self.this_update
    }

    /// Seconds since 1970.
    pub(crate) fn next_update(&self) -> Option<u64> {
        self.next_update
    }

    pub(crate) fn scope(&self) -> &CrlScope {
        &self.scope
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn entry(&self, serial: &Serial) -> Option<&Entry> {
        self.entries.find(serial)
    }

    /// Whether `newer` replaces this CRL.
    pub(crate) fn precedes(&self, newer: &Self) -> bool {
        self.this_update < newer.this_update
    }

    /// Whether `issuer`'s key signed this CRL.
    ///
    /// A list can be large, so that it is hashed once for a key, by one caller at a time: a signer who stands in no
    /// configuration, or who has another key by now, does not cost every login a whole list.
    pub(crate) fn is_signed_by(&self, issuer: &ParsedCertificate) -> bool {
        let Ok(key) = issuer.spki().to_der() else { return false };
        let mut state = self.proof.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let (signed, strangers) = match &mut *state {
            Signer::Known(known) => return *known == key,
            Signer::Unknown { strangers, .. } if strangers.contains(&key) => return false,
            Signer::Unknown { signed, strangers } => (signed, strangers),
        };
        let holds = self.proof.signature.as_bytes().is_some_and(|signature| {
            signature::verify(signed, signature, &self.proof.algorithm, issuer.spki()).is_ok()
        });
        if holds {
            *state = Signer::Known(key);
        } else {
            strangers.truncate(MAX_STRANGERS - 1);
            strangers.push_front(key);
        }
        holds
    }

    /// How many keys are remembered not to have signed this CRL; `None` once its signer is known.
    #[cfg(test)]
    pub(crate) fn strangers(&self) -> Option<usize> {
        match &*self.proof.signer.lock().unwrap_or_else(PoisonError::into_inner) {
            Signer::Known(_) => None,
            Signer::Unknown { strangers, .. } => Some(strangers.len()),
        }
    }
}

/// The fields of TBSCertList.
struct List {
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: u64,
    next_update: Option<u64>,
    entries: Vec<Entry>,
    entry_scope: CrlScope,
    extensions: Extensions,
}

impl List {
    fn parse(signed: &[u8]) -> Result<Self, CrlError> {
        let mut reader = SliceReader::new(signed)?;
        let list = reader.sequence(|fields| {
            let second_version = match next_tag(fields)? {
                Some(Tag::Integer) => {
                    // Version 2 is written as 1; version 1 is written by leaving it out.
                    if fields.decode::<u8>()? != 1 {
                        return Err(CrlError::Encoding);
                    }
                    true
                }
                _ => false,
            };
            let algorithm = fields.decode()?;
            let issuer = fields.decode()?;
            let this_update = seconds(fields.decode()?);
            let next_update = match next_tag(fields)? {
                Some(Tag::UtcTime | Tag::GeneralizedTime) => Some(seconds(fields.decode()?)),
                _ => None,
            };
            let (entries, entry_scope) = match next_tag(fields)? {
                Some(Tag::Sequence) => revoked(fields.decode()?)?,
                _ => (Vec::new(), CrlScope::Complete),
            };
            let extensions = extensions(fields)?;
            if !second_version && !extensions.is_empty() {
                return Err(CrlError::Encoding);
            }
            Ok(Self { algorithm, issuer, this_update, next_update, entries, entry_scope, extensions })
        })?;
        reader.finish()?;
        Ok(list)
    }
}

/// The tag of the next field, `None` at the end.
fn next_tag(fields: &SliceReader<'_>) -> Result<Option<Tag>, CrlError> {
    if fields.is_finished() { Ok(None) } else { Ok(Some(Tag::peek(fields)?)) }
}

/// crlExtensions, `[0] EXPLICIT OPTIONAL`.
fn extensions(fields: &mut SliceReader<'_>) -> Result<Extensions, CrlError> {
    let wrapped = der::asn1::ContextSpecific::<Extensions>::decode_explicit(fields, TagNumber(0))?;
    let Some(extensions) = wrapped.map(|field| field.value) else { return Ok(Extensions::new()) };
    match duplicate(&extensions) {
        Some(oid) => Err(CrlError::DuplicateExtension { oid: oid.to_string() }),
        None => Ok(extensions),
    }
}

/// revokedCertificates: a SEQUENCE OF entries, read one by one.
fn revoked(list: AnyRef<'_>) -> Result<(Vec<Entry>, CrlScope), CrlError> {
    let mut reader = SliceReader::new(list.value())?;
    let mut entries = Vec::new();
    let mut scope = CrlScope::Complete;
    while !reader.is_finished() {
        let (entry, entry_scope) = reader.sequence(|fields| {
            let serial: IntRef<'_> = fields.decode()?;
            let serial = Serial::from_integer(serial.as_bytes()).ok_or(CrlError::SerialNumber)?;
            let since = seconds(fields.decode()?);
            let extensions: Option<Extensions> =
                if fields.is_finished() { None } else { Some(fields.decode()?) };
            let (reason, scope) = reason_of(&extensions.unwrap_or_default())?;
            Ok::<_, CrlError>((Entry { serial, reason, since }, scope))
        })?;
        entries.push(entry);
        if scope == CrlScope::Complete {
            scope = entry_scope;
        }
    }
    Ok((entries, scope))
}

/// The reason of one entry, and whether its extensions leave the list usable (RFC 5280 section 5.3).
fn reason_of(extensions: &[Extension]) -> Result<(Reason, CrlScope), CrlError> {
    if let Some(oid) = duplicate(extensions) {
        return Err(CrlError::DuplicateExtension { oid: oid.to_string() });
    }
    let mut reason = Reason::Unspecified;
    let mut scope = CrlScope::Complete;
    for extension in extensions {
        match extension.extn_id {
            REASON_CODE => {
                let value = AnyRef::from_der(extension.extn_value.as_bytes())?;
                reason = match (value.header().tag(), value.value()) {
                    (Tag::Enumerated, [code]) => Reason::from_code(*code),
                    _ => return Err(CrlError::Encoding),
                };
            }
            CERTIFICATE_ISSUER => scope = CrlScope::Indirect,
            INVALIDITY_DATE => {}
            unknown if extension.critical => {
                scope = CrlScope::UnknownCriticalEntryExtension { oid: unknown.to_string() };
            }
            _ => {}
        }
    }
    Ok((reason, scope))
}

/// What the list's own extensions make of it (RFC 5280 section 5.2).
fn scope_of(extensions: &[Extension]) -> Result<CrlScope, CrlError> {
    let mut scope = CrlScope::Complete;
    for extension in extensions {
        let narrower = match extension.extn_id {
            AUTHORITY_KEY_IDENTIFIER | ISSUER_ALT_NAME | CRL_NUMBER => continue,
            DELTA_CRL_INDICATOR => CrlScope::Delta,
            ISSUING_DISTRIBUTION_POINT if is_indirect(extension.extn_value.as_bytes())? => CrlScope::Indirect,
            ISSUING_DISTRIBUTION_POINT => CrlScope::Partitioned,
            unknown if extension.critical => CrlScope::UnknownCriticalExtension { oid: unknown.to_string() },
            _ => continue,
        };
        // A delta CRL may carry an issuing distribution point too; the first word is enough.
        if scope == CrlScope::Complete {
            scope = narrower;
        }
    }
    Ok(scope)
}

/// indirectCRL, `[4] BOOLEAN`, of an IssuingDistributionPoint.
fn is_indirect(value: &[u8]) -> Result<bool, CrlError> {
    let mut reader = SliceReader::new(value)?;
    let indirect = reader.sequence(|fields| {
        let mut indirect = false;
        while !fields.is_finished() {
            let field: AnyRef<'_> = fields.decode()?;
            if matches!(field.header().tag(), Tag::ContextSpecific { number: TagNumber(4), .. }) {
                indirect = field.value() != [0];
            }
        }
        Ok::<_, der::Error>(indirect)
    })?;
    Ok(indirect)
}

fn seconds(time: Time) -> u64 {
    time.to_unix_duration().as_secs()
}
