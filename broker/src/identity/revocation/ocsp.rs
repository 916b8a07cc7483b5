//! One OCSP response (RFC 6960 section 4.2), read once. No I/O: a file, a stapled answer or a reply from the network.

use aws_lc_rs::digest;
use der::asn1::{AnyRef, BitString, ContextSpecific, GeneralizedTime, IntRef, ObjectIdentifier, OctetString};
use der::{Encode as _, Reader as _, SliceReader, Tag, TagNumber};
use x509_cert::ext::Extensions;
use x509_cert::name::Name;
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::super::certificate::{ParsedCertificate, duplicate, name_text};
use super::super::signature;
use super::entries::{Reason, Serial};

/// Largest response that is read. A usual one has 500 octets to 3 KiB.
const MAX_RESPONSE_SIZE: usize = 64 * 1024;
/// Most answers in a response that are looked at.
const MAX_ANSWERS: usize = 256;
/// How long an answer without nextUpdate counts, in seconds.
const MAX_AGE_WITHOUT_END: u64 = 3600;
/// Most certificates a responder may bring.
const MAX_CERTIFICATES: usize = 8;

const BASIC_RESPONSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// Why octets are not an OCSP response that says anything.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspError {
    /// Not the DER of an OCSPResponse.
    #[error("it is not an OCSP response in DER")]
    Encoding,
    /// Larger than the bound.
    #[error("it has {size} octets, more than {MAX_RESPONSE_SIZE}")]
    TooLarge {
        /// Its size in octets.
        size: usize,
    },
    /// The responder did not answer (RFC 6960 section 2.3); such a response is not signed.
    #[error("the responder did not answer: {}", status_text(*.status))]
    NotSuccessful {
        /// Its responseStatus.
        status: u8,
    },
    /// The response is of another type than id-pkix-ocsp-basic.
    #[error("its type {oid} is not known")]
    Type {
        /// The object identifier of its type.
        oid: String,
    },
    /// It holds more answers or certificates than any responder sends.
    #[error("it holds too many answers or certificates")]
    TooMany,
    /// An extension occurs twice.
    #[error("extension {oid} occurs twice")]
    DuplicateExtension {
        /// The extension's object identifier.
        oid: String,
    },
}

impl From<der::Error> for OcspError {
    fn from(_: der::Error) -> Self {
        Self::Encoding
    }
}

fn status_text(status: u8) -> &'static str {
    match status {
        1 => "malformedRequest",
        2 => "internalError",
        3 => "tryLater",
        5 => "sigRequired",
        6 => "unauthorized",
        _ => "an undefined status",
    }
}

/// A response, ready to be asked. Nothing is believed of it yet.
pub(crate) struct OcspResponse {
    signed: Vec<u8>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
    responder: Responder,
    answers: Vec<Answer>,
    unknown_critical: Option<ObjectIdentifier>,
    nonce: Option<Vec<u8>>,
    certificates: Vec<ParsedCertificate>,
}

/// ResponderID: whose key is said to have signed.
enum Responder {
    Name(Name),
    /// SHA-1 of the key.
    Key(Vec<u8>),
}

/// One SingleResponse.
#[derive(Debug)]
pub(crate) struct Answer {
    id: CertId,
    pub(crate) status: OcspStatus,
    /// Seconds since 1970.
    pub(crate) this_update: u64,
    /// Seconds since 1970.
    pub(crate) next_update: Option<u64>,
    pub(crate) unknown_critical: Option<ObjectIdentifier>,
}

impl Answer {
    /// When it ends, in seconds since 1970: at its nextUpdate, or an hour after its thisUpdate, since its responder always has
    /// a newer one.
    pub(crate) fn ends(&self) -> u64 {
        self.next_update.unwrap_or_else(|| self.this_update.saturating_add(MAX_AGE_WITHOUT_END))
    }

    /// Whether it says that the certificate is revoked.
    pub(crate) fn is_revocation(&self) -> bool {
        matches!(self.status, OcspStatus::Revoked { .. })
    }
}

/// What a responder says of a certificate (RFC 6960 section 2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OcspStatus {
    Good,
    Revoked {
        reason: Reason,
        /// Seconds since 1970.
        since: u64,
    },
    Unknown,
}

#[derive(Debug)]
struct CertId {
    hash: ObjectIdentifier,
    issuer_name: Vec<u8>,
    issuer_key: Vec<u8>,
    serial: Serial,
}

impl CertId {
    fn is_of(&self, certificate: &ParsedCertificate, issuer: &ParsedCertificate) -> bool {
        if self.serial != *certificate.serial() {
            return false;
        }
        let algorithm = match self.hash {
            SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            SHA256 => &digest::SHA256,
            SHA384 => &digest::SHA384,
            SHA512 => &digest::SHA512,
            _ => return false,
        };
        let (Ok(name), Some(key)) =
            (certificate.issuer().to_der(), issuer.spki().subject_public_key.as_bytes())
        else {
            return false;
        };
        digest::digest(algorithm, &name).as_ref() == self.issuer_name
            && digest::digest(algorithm, key).as_ref() == self.issuer_key
    }
}

impl OcspResponse {
    /// Reads a DER OCSPResponse. The signature is not checked here.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, OcspError> {
        if encoded.len() > MAX_RESPONSE_SIZE {
            return Err(OcspError::TooLarge { size: encoded.len() });
        }
        let mut reader = SliceReader::new(encoded)?;
        let (status, bytes) = reader.sequence(|fields| {
            let status: AnyRef<'_> = fields.decode()?;
            let bytes = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber(0))?;
            Ok::<_, der::Error>((status, bytes.map(|field| field.value)))
        })?;
        reader.finish()?;
        match (status.header().tag(), status.value()) {
            (Tag::Enumerated, [0]) => {}
            (Tag::Enumerated, [status]) => return Err(OcspError::NotSuccessful { status: *status }),
            _ => return Err(OcspError::Encoding),
        }
        let bytes = bytes.ok_or(OcspError::Encoding)?.to_der()?;
        let mut reader = SliceReader::new(&bytes)?;
        let (kind, basic) = reader.sequence(|fields| {
            let kind: ObjectIdentifier = fields.decode()?;
            let basic: OctetString = fields.decode()?;
            Ok::<_, der::Error>((kind, basic))
        })?;
        if kind != BASIC_RESPONSE {
            return Err(OcspError::Type { oid: kind.to_string() });
        }
        Self::basic(basic.as_bytes())
    }

    /// BasicOCSPResponse.
    fn basic(encoded: &[u8]) -> Result<Self, OcspError> {
        let mut reader = SliceReader::new(encoded)?;
        let (signed, algorithm, signature, certificates) = reader.sequence(|fields| {
            let signed = fields.tlv_bytes()?;
            let algorithm: AlgorithmIdentifierOwned = fields.decode()?;
            let signature: BitString = fields.decode()?;
            let certificates = ContextSpecific::<AnyRef<'_>>::decode_explicit(fields, TagNumber(0))?;
            Ok::<_, der::Error>((signed, algorithm, signature, certificates.map(|field| field.value)))
        })?;
        reader.finish()?;
        let data = Data::parse(signed)?;
        Ok(Self {
            signed: signed.to_vec(),
            algorithm,
            signature,
            responder: data.responder,
            answers: data.answers,
            unknown_critical: data.unknown_critical,
            nonce: data.nonce,
            certificates: certificates.map_or_else(|| Ok(Vec::new()), certificates_of)?,
        })
    }

    /// The answers about a certificate.
    pub(crate) fn answers<'a>(
        &'a self,
        certificate: &'a ParsedCertificate,
        issuer: &'a ParsedCertificate,
    ) -> impl Iterator<Item = &'a Answer> {
        self.answers.iter().filter(move |answer| answer.id.is_of(certificate, issuer))
    }

    /// The certificates that the responder brings.
    pub(crate) fn certificates(&self) -> &[ParsedCertificate] {
        &self.certificates
    }

    /// A critical extension of the whole response that is not understood.
    pub(crate) fn unknown_critical(&self) -> Option<ObjectIdentifier> {
        self.unknown_critical
    }

    /// The value of the nonce extension, an OCTET STRING in DER (RFC 8954 section 2.1).
    pub(crate) fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The thisUpdate of its newest answer, in seconds since 1970.
    pub(crate) fn this_update(&self) -> u64 {
        self.answers.iter().map(|answer| answer.this_update).max().unwrap_or_default()
    }

    /// Whether one of its answers says that its certificate is revoked.
    pub(crate) fn says_revoked(&self) -> bool {
        self.answers.iter().any(Answer::is_revocation)
    }

    /// Whether one of its answers says that the responder does not know the certificate.
    pub(crate) fn says_unknown(&self) -> bool {
        self.answers.iter().any(|answer| answer.status == OcspStatus::Unknown)
    }

    /// When the first of its answers ends, in seconds since 1970.
    pub(crate) fn ends(&self) -> u64 {
        self.answers.iter().map(Answer::ends).min().unwrap_or_default()
    }

    /// About how much room it takes.
    pub(crate) fn octets(&self) -> usize {
        let certificates = self.certificates.iter().map(|certificate| certificate.der().len());
        // A certificate is held as it came and as it was read.
        certificates.map(|size| size.saturating_mul(4)).sum::<usize>().saturating_add(self.signed.len())
    }

    /// Who is said to have signed it, for a line of a log.
    pub(crate) fn responder_text(&self) -> String {
        match &self.responder {
            Responder::Name(name) => name_text(name),
            Responder::Key(hash) => {
                let octets = hash.iter().take(20).map(|octet| format!("{octet:02x}"));
                format!("key {}", octets.collect::<String>())
            }
        }
    }

    /// Whether the response names this certificate's holder as its responder, and its key made the signature.
    pub(crate) fn is_signed_by(&self, signer: &ParsedCertificate) -> bool {
        let named = match &self.responder {
            Responder::Name(name) => certval::compare_names(name, signer.subject()),
            Responder::Key(hash) => signer.spki().subject_public_key.as_bytes().is_some_and(|key| {
                digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key).as_ref() == hash.as_slice()
            }),
        };
        named
            && self.signature.as_bytes().is_some_and(|signature| {
                signature::verify(&self.signed, signature, &self.algorithm, signer.spki()).is_ok()
            })
    }
}

/// ResponseData.
struct Data {
    responder: Responder,
    answers: Vec<Answer>,
    unknown_critical: Option<ObjectIdentifier>,
    nonce: Option<Vec<u8>>,
}

impl Data {
    fn parse(signed: &[u8]) -> Result<Self, OcspError> {
        let mut reader = SliceReader::new(signed)?;
        let data = reader.sequence(|fields| {
            let version = ContextSpecific::<u8>::decode_explicit(fields, TagNumber(0))?;
            if version.is_some_and(|version| version.value != 0) {
                return Err(OcspError::Encoding);
            }
            let responder = responder(fields)?;
            let _produced_at: GeneralizedTime = fields.decode()?;
            let answers = answers(fields.decode()?)?;
            let extensions = extensions(fields)?;
            let critical = extensions.iter().filter(|one| one.critical && one.extn_id != NONCE);
            let unknown_critical = critical.map(|one| one.extn_id).next();
            let nonce = extensions.iter().find(|one| one.extn_id == NONCE);
            let nonce = nonce.map(|one| one.extn_value.as_bytes().to_vec());
            Ok::<_, OcspError>(Self { responder, answers, unknown_critical, nonce })
        })?;
        reader.finish()?;
        Ok(data)
    }
}

fn responder(fields: &mut SliceReader<'_>) -> Result<Responder, OcspError> {
    if let Some(name) = ContextSpecific::<Name>::decode_explicit(fields, TagNumber(1))? {
        return Ok(Responder::Name(name.value));
    }
    match ContextSpecific::<OctetString>::decode_explicit(fields, TagNumber(2))? {
        Some(key) => Ok(Responder::Key(key.value.as_bytes().to_vec())),
        None => Err(OcspError::Encoding),
    }
}

fn answers(list: AnyRef<'_>) -> Result<Vec<Answer>, OcspError> {
    if list.header().tag() != Tag::Sequence {
        return Err(OcspError::Encoding);
    }
    let mut reader = SliceReader::new(list.value())?;
    let mut answers = Vec::new();
    while !reader.is_finished() {
        if answers.len() >= MAX_ANSWERS {
            return Err(OcspError::TooMany);
        }
        answers.push(reader.sequence(answer)?);
    }
    Ok(answers)
}

fn answer(fields: &mut SliceReader<'_>) -> Result<Answer, OcspError> {
    let id = fields.sequence(|id| {
        let hash: AlgorithmIdentifierOwned = id.decode()?;
        let issuer_name: OctetString = id.decode()?;
        let issuer_key: OctetString = id.decode()?;
        let serial: IntRef<'_> = id.decode()?;
        let serial = Serial::from_integer(serial.as_bytes()).ok_or(OcspError::Encoding)?;
        let (issuer_name, issuer_key) = (issuer_name.as_bytes().to_vec(), issuer_key.as_bytes().to_vec());
        Ok::<_, OcspError>(CertId { hash: hash.oid, issuer_name, issuer_key, serial })
    })?;
    let status = status(fields.decode()?)?;
    let this_update: GeneralizedTime = fields.decode()?;
    let next_update = ContextSpecific::<GeneralizedTime>::decode_explicit(fields, TagNumber(0))?;
    let extensions = extensions(fields)?;
    Ok(Answer {
        id,
        status,
        this_update: this_update.to_unix_duration().as_secs(),
        next_update: next_update.map(|time| time.value.to_unix_duration().as_secs()),
        unknown_critical: extensions.iter().find(|one| one.critical).map(|one| one.extn_id),
    })
}

/// CertStatus: `[0]` good, `[1]` RevokedInfo, `[2]` unknown, all IMPLICIT.
fn status(field: AnyRef<'_>) -> Result<OcspStatus, OcspError> {
    let Tag::ContextSpecific { number: TagNumber(number), .. } = field.header().tag() else {
        return Err(OcspError::Encoding);
    };
    match (number, field.value()) {
        (0, []) => Ok(OcspStatus::Good),
        (1, contents) => {
            let mut reader = SliceReader::new(contents)?;
            let since: GeneralizedTime = reader.decode()?;
            let reason = ContextSpecific::<AnyRef<'_>>::decode_explicit(&mut reader, TagNumber(0))?;
            reader.finish()?;
            let reason = match reason.map(|field| (field.value.header().tag(), field.value.value())) {
                None => Reason::Unspecified,
                Some((Tag::Enumerated, [code])) => Reason::from_code(*code),
                Some(_) => return Err(OcspError::Encoding),
            };
            Ok(OcspStatus::Revoked { reason, since: since.to_unix_duration().as_secs() })
        }
        (2, []) => Ok(OcspStatus::Unknown),
        _ => Err(OcspError::Encoding),
    }
}

/// `[1] EXPLICIT Extensions OPTIONAL`, the last field of its SEQUENCE.
fn extensions(fields: &mut SliceReader<'_>) -> Result<Extensions, OcspError> {
    let extensions = ContextSpecific::<Extensions>::decode_explicit(fields, TagNumber(1))?;
    let extensions = extensions.map(|field| field.value).unwrap_or_default();
    match duplicate(&extensions) {
        Some(oid) => Err(OcspError::DuplicateExtension { oid: oid.to_string() }),
        None => Ok(extensions),
    }
}

/// A certificate that cannot be read signs nothing and harms nobody.
fn certificates_of(list: AnyRef<'_>) -> Result<Vec<ParsedCertificate>, OcspError> {
    if list.header().tag() != Tag::Sequence {
        return Err(OcspError::Encoding);
    }
    let mut reader = SliceReader::new(list.value())?;
    let mut certificates = Vec::new();
    for _ in 0..MAX_CERTIFICATES {
        if reader.is_finished() {
            return Ok(certificates);
        }
        certificates.extend(ParsedCertificate::parse(reader.tlv_bytes()?).ok());
    }
    if reader.is_finished() { Ok(certificates) } else { Err(OcspError::TooMany) }
}
