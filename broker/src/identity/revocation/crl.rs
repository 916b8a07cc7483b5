//! One certificate revocation list (RFC 5280 section 5), read once into a compact form.

use std::collections::HashMap;
use std::sync::OnceLock;

use der::asn1::{AnyRef, BitString, IntRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Time;

use super::super::certificate::{ParsedCertificate, duplicate};
use super::super::signature::Message;
use super::entries::{Entries, Entry, Reason, Serial, Unsorted};
use super::scope::Scope;

mod succession;

/// Largest CRL that is read: about six million entries.
pub(crate) const MAX_CRL_SIZE: usize = 255 * 1024 * 1024;

/// The shortest entry: a serial number of one octet and a UTCTime.
const MIN_ENTRY_SIZE: usize = 20;
/// Longest name of an issuer, in octets.
const MAX_NAME_SIZE: usize = 16 * 1024;
/// Most octets of all names of issuers in an indirect list.
const MAX_NAMES_SIZE: usize = 16 * 1024 * 1024;
/// Most extensions of one entry; three are defined.
const MAX_ENTRY_EXTENSIONS: usize = 16;

const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_CRL_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const REASON_CODE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");
const FRESHEST_CRL: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");

/// What a CRL covers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlScope {
    /// All certificates of its issuer, for all reasons.
    #[error("it is complete")]
    Complete,
    /// Changes to another CRL only (RFC 5280 section 5.2.4); used together with one.
    #[error("it is a delta CRL")]
    Delta,
    /// Certificates of other issuers too (RFC 5280 sections 5.2.5 and 5.3.3).
    #[error("it is an indirect CRL")]
    Indirect,
    /// An entry names another issuer, though the list does not say that it is indirect (RFC 5280 section 5.3.3).
    #[error("it has an entry of another issuer and is no indirect CRL")]
    ForeignEntry,
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
    /// An indirect list speaks of more issuers than can be counted, or their names fill 16 MiB.
    #[error("it has entries of more issuers than are read")]
    TooManyIssuers,
    /// An entry has more extensions than any issuer writes.
    #[error("an entry has more than {MAX_ENTRY_EXTENSIONS} extensions")]
    TooManyExtensions,
    /// The issuer's name is longer than any authority's.
    #[error("its issuer's name is longer than {MAX_NAME_SIZE} octets")]
    Name,
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
    kind: CrlScope,
    scope: Scope,
    number: Option<Serial>,
    /// Of a delta list: the number of the oldest complete list that it completes.
    base_number: Option<Serial>,
    authority_key: Option<Box<[u8]>>,
    /// freshestCRL: where the delta lists of this one are.
    freshest: Option<Box<[u8]>>,
    /// Whose certificates the entries are about: the list's issuer, then those of an indirect list.
    entry_issuers: Vec<Name>,
    entries: Entries,
    proof: Proof,
}

/// The signature of a CRL, and what is known about who made it. The encoded list is not kept.
struct Proof {
    message: Message,
    signature: BitString,
    algorithm: AlgorithmIdentifierOwned,
    /// The key that made it, once it is found: DER of its SubjectPublicKeyInfo.
    signer: OnceLock<Vec<u8>>,
}

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
        let read = ListExtensions::read(&list.extensions, &list.issuer)?;
        let kind = read.kind(list.entries.foreign, list.entries.unknown);
        Ok(Self {
            this_update: list.this_update,
            next_update: list.next_update,
            kind,
            scope: read.scope,
            number: read.number,
            base_number: read.base_number,
            authority_key: read.authority_key,
            freshest: read.freshest,
            entry_issuers: std::iter::once(list.issuer.clone()).chain(list.entries.issuers).collect(),
            issuer: list.issuer,
            entries: list.entries.entries.sorted(),
            proof: Proof {
                message: Message::of(signed, &algorithm),
                signature,
                algorithm,
                signer: OnceLock::new(),
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

    /// What orders lists of one issuer: when they were issued, and their numbers where that is the same second.
    pub(super) fn age(&self) -> (u64, Option<Serial>) {
        (self.this_update, self.number)
    }

    /// Seconds since 1970.
    pub(crate) fn next_update(&self) -> Option<u64> {
        self.next_update
    }

    /// What kind of list this is, in words.
    pub(crate) fn kind(&self) -> &CrlScope {
        &self.kind
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether something critical in it is not understood, so that nothing may be concluded from it.
    pub(super) fn is_understood(&self) -> bool {
        matches!(self.kind, CrlScope::Complete | CrlScope::Delta | CrlScope::Indirect | CrlScope::Partitioned)
    }

    pub(crate) fn is_delta(&self) -> bool {
        self.base_number.is_some()
    }

    /// Whether this is a delta list that completes `complete` (RFC 5280 sections 5.2.4 and 6.3.3 (c)).
    pub(super) fn completes(&self, complete: &Self) -> bool {
        let (Some(base), Some(number), Some(of)) = (&self.base_number, &self.number, &complete.number) else {
            return false;
        };
        base <= of
            && of < number
            && certval::compare_names(&self.issuer, &complete.issuer)
            && self.scope.is_that_of(&complete.scope)
            && self.authority_key == complete.authority_key
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries.len()
    }

    /// What the list says of a certificate.
    pub(in crate::identity) fn entry(&self, certificate: &ParsedCertificate) -> Option<Entry> {
        // One issuer can stand in an indirect list in several spellings.
        let numbered = (0_u16..).zip(&self.entry_issuers);
        let fitting = numbered.filter(|(_, issuer)| certval::compare_names(issuer, certificate.issuer()));
        let mut found = fitting.filter_map(|(index, _)| self.entries.find(index, certificate.serial()));
        let first = found.next()?;
        if first.reason == Reason::RemoveFromCrl { found.next().or(Some(first)) } else { Some(first) }
    }

    /// Whether `issuer`'s key signed this CRL. The list was hashed when it was read, so that asking costs no more than a
    /// signature, and nothing once its signer is known.
    pub(in crate::identity) fn is_signed_by(&self, issuer: &ParsedCertificate) -> bool {
        self.is_signed_by_key(issuer.spki())
    }

    fn is_signed_by_key(&self, spki: &SubjectPublicKeyInfoOwned) -> bool {
        let Proof { message, signature, algorithm, signer } = &self.proof;
        let Ok(key) = spki.to_der() else { return false };
        if let Some(known) = signer.get() {
            return *known == key;
        }
        let holds =
            signature.as_bytes().is_some_and(|signature| message.verify(signature, algorithm, spki).is_ok());
        if holds {
            // Where another login was faster, it found the same key.
            drop(signer.set(key));
        }
        holds
    }
}

/// The fields of TBSCertList.
struct List {
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    this_update: u64,
    next_update: Option<u64>,
    entries: Revoked,
    extensions: Extensions,
}

/// The revoked certificates of a list, and what their extensions make of it.
struct Revoked {
    entries: Unsorted,
    /// The issuers that certificateIssuer extensions name, numbered from 1.
    issuers: Vec<Name>,
    /// An entry has a certificateIssuer extension.
    foreign: bool,
    /// A critical extension that is not understood.
    unknown: Option<ObjectIdentifier>,
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
            let issuer = fields.tlv_bytes()?;
            if issuer.len() > MAX_NAME_SIZE {
                return Err(CrlError::Name);
            }
            let issuer = Name::from_der(issuer)?;
            let this_update = seconds(fields.decode()?);
            let next_update = match next_tag(fields)? {
                Some(Tag::UtcTime | Tag::GeneralizedTime) => Some(seconds(fields.decode()?)),
                _ => None,
            };
            let entries = match next_tag(fields)? {
                Some(Tag::Sequence) => Revoked::read(fields.decode()?)?,
                _ => Revoked::with_room_for(0),
            };
            let extensions = extensions(fields)?;
            if !second_version && !extensions.is_empty() {
                return Err(CrlError::Encoding);
            }
            Ok(Self { algorithm, issuer, this_update, next_update, entries, extensions })
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

impl Revoked {
    fn with_room_for(count: usize) -> Self {
        Self { entries: Unsorted::with_room_for(count), issuers: Vec::new(), foreign: false, unknown: None }
    }

    /// revokedCertificates: a SEQUENCE OF entries, counted and then read one by one.
    fn read(list: AnyRef<'_>) -> Result<Self, CrlError> {
        let mut read = Self::with_room_for(count(list.value())?);
        let mut reader = SliceReader::new(list.value())?;
        let mut numbers = HashMap::new();
        let mut room_for_names = MAX_NAMES_SIZE;
        // An entry without the extension is of the issuer of the one before (RFC 5280 section 5.3.3).
        let mut issuer = 0;
        while !reader.is_finished() {
            let (serial, since, extensions) = reader.sequence(|fields| {
                let serial: IntRef<'_> = fields.decode()?;
                let serial = Serial::from_integer(serial.as_bytes()).ok_or(CrlError::SerialNumber)?;
                let since = seconds(fields.decode()?);
                Ok::<_, CrlError>((serial, since, EntryExtensions::read(fields)?))
            })?;
            if let Some((encoded, name)) = extensions.issuer {
                read.foreign = true;
                issuer = match numbers.get(encoded) {
                    Some(known) => *known,
                    None => {
                        room_for_names =
                            room_for_names.checked_sub(encoded.len()).ok_or(CrlError::TooManyIssuers)?;
                        read.issuers.push(name);
                        let number =
                            u16::try_from(read.issuers.len()).map_err(|_| CrlError::TooManyIssuers)?;
                        numbers.insert(encoded, number);
                        number
                    }
                };
            }
            read.unknown = read.unknown.or(extensions.unknown);
            read.entries.push(&Entry { issuer, serial, reason: extensions.reason, since });
        }
        Ok(read)
    }
}

/// How many entries stand one behind the other, which is how much room is made before any is read.
fn count(entries: &[u8]) -> Result<usize, CrlError> {
    let mut reader = SliceReader::new(entries)?;
    let mut count = 0_usize;
    while !reader.is_finished() {
        if reader.tlv_bytes()?.len() < MIN_ENTRY_SIZE {
            return Err(CrlError::Encoding);
        }
        count = count.saturating_add(1);
    }
    Ok(count)
}

/// The extensions of one entry (RFC 5280 section 5.3). Read without a copy: there may be millions.
struct EntryExtensions<'a> {
    reason: Reason,
    /// certificateIssuer, as it stands and read.
    issuer: Option<(&'a [u8], Name)>,
    unknown: Option<ObjectIdentifier>,
}

impl<'a> EntryExtensions<'a> {
    /// Reads the last field of an entry, if it is there.
    fn read(fields: &mut SliceReader<'a>) -> Result<Self, CrlError> {
        let mut read = Self { reason: Reason::Unspecified, issuer: None, unknown: None };
        if fields.is_finished() {
            return Ok(read);
        }
        let mut seen = Vec::new();
        fields.sequence(|extensions| {
            // The usual one alone is looked at without making room for more.
            let mut first = None;
            while !extensions.is_finished() {
                let oid = extensions.sequence(|extension| read.extension(extension))?;
                if first == Some(oid) || seen.contains(&oid) {
                    return Err(CrlError::DuplicateExtension { oid: oid.to_string() });
                }
                match first {
                    None => first = Some(oid),
                    Some(_) => seen.push(oid),
                }
                if seen.len() >= MAX_ENTRY_EXTENSIONS {
                    return Err(CrlError::TooManyExtensions);
                }
            }
            Ok(())
        })?;
        Ok(read)
    }

    /// Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }
    fn extension(&mut self, fields: &mut SliceReader<'a>) -> Result<ObjectIdentifier, CrlError> {
        let oid: ObjectIdentifier = fields.decode()?;
        let critical = match next_tag(fields)? {
            Some(Tag::Boolean) => fields.decode()?,
            _ => false,
        };
        let value: &'a OctetStringRef = fields.decode()?;
        let value = value.as_bytes();
        match oid {
            REASON_CODE => {
                let value = AnyRef::from_der(value)?;
                self.reason = match (value.header().tag(), value.value()) {
                    (Tag::Enumerated, [code]) => Reason::from_code(*code),
                    _ => return Err(CrlError::Encoding),
                };
            }
            CERTIFICATE_ISSUER => {
                let names = GeneralNames::from_der(value)?;
                let name = names.into_iter().find_map(|name| match name {
                    GeneralName::DirectoryName(name) => Some(name),
                    _ => None,
                });
                self.issuer = Some((value, name.ok_or(CrlError::Encoding)?));
            }
            INVALIDITY_DATE => {}
            unknown if critical => self.unknown = Some(unknown),
            _ => {}
        }
        Ok(oid)
    }
}

/// The extensions of the list itself (RFC 5280 section 5.2).
#[derive(Default)]
struct ListExtensions {
    scope: Scope,
    number: Option<Serial>,
    base_number: Option<Serial>,
    authority_key: Option<Box<[u8]>>,
    freshest: Option<Box<[u8]>>,
    unknown: Option<ObjectIdentifier>,
}

impl ListExtensions {
    fn read(extensions: &[Extension], issuer: &Name) -> Result<Self, CrlError> {
        let mut read = Self::default();
        for extension in extensions {
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                AUTHORITY_KEY_IDENTIFIER => read.authority_key = Some(value.into()),
                FRESHEST_CRL => read.freshest = Some(value.into()),
                ISSUER_ALT_NAME => {}
                CRL_NUMBER => read.number = Some(number(value)?),
                DELTA_CRL_INDICATOR => read.base_number = Some(number(value)?),
                ISSUING_DISTRIBUTION_POINT => read.scope = Scope::read(value, issuer)?,
                unknown if extension.critical => read.unknown = Some(unknown),
                _ => {}
            }
        }
        Ok(read)
    }

    fn kind(&self, foreign_entry: bool, unknown_of_an_entry: Option<ObjectIdentifier>) -> CrlScope {
        if let Some(oid) = self.unknown {
            return CrlScope::UnknownCriticalExtension { oid: oid.to_string() };
        }
        if let Some(oid) = unknown_of_an_entry {
            return CrlScope::UnknownCriticalEntryExtension { oid: oid.to_string() };
        }
        match (self.base_number.is_some(), self.scope.is_indirect(), self.scope.is_whole()) {
            (_, false, _) if foreign_entry => CrlScope::ForeignEntry,
            (true, _, _) => CrlScope::Delta,
            (false, true, _) => CrlScope::Indirect,
            (false, false, false) => CrlScope::Partitioned,
            (false, false, true) => CrlScope::Complete,
        }
    }
}

/// A CRLNumber: an INTEGER of at most 20 octets that is not negative (RFC 5280 section 5.2.3).
fn number(value: &[u8]) -> Result<Serial, CrlError> {
    let value = IntRef::from_der(value)?;
    let number = Serial::from_integer(value.as_bytes()).ok_or(CrlError::SerialNumber)?;
    if number.is_negative() { Err(CrlError::Encoding) } else { Ok(number) }
}

fn seconds(time: Time) -> u64 {
    time.to_unix_duration().as_secs()
}
