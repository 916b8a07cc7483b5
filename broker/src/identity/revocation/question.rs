//! An OCSP question (RFC 6960 section 4.1), and whether a reply is an answer to it. No I/O.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Encode as _;

use super::super::certificate::ParsedCertificate;
use super::gap::SourceFault;
use super::ocsp::OcspResponse;

/// Longest request, with its URL, that is sent by GET (RFC 6960 appendix A.1).
const MAX_GET: usize = 255;

/// AlgorithmIdentifiers with NULL parameters, as responders expect them.
const SHA1: [u8; 11] = [0x30, 9, 6, 5, 0x2b, 14, 3, 2, 26, 5, 0];
const SHA256: [u8; 15] = [0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0];
/// id-pkix-ocsp-nonce.
const NONCE: [u8; 11] = [6, 9, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const REQUEST_EXTENSIONS: u8 = 0xa2;

/// How responders are asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OcspManner {
    /// Whether a nonce goes along, and whether it must come back.
    pub nonce: Nonce,
    /// The size of a nonce, in octets: 16 or 32 (RFC 8954).
    pub nonce_octets: usize,
    /// The HTTP method.
    pub method: OcspMethod,
    /// The hash that names the issuer in the question.
    pub hash: CertIdHash,
}

impl Default for OcspManner {
    fn default() -> Self {
        Self { nonce: Nonce::Sent, nonce_octets: 32, method: OcspMethod::Post, hash: CertIdHash::Sha1 }
    }
}

/// Whether a nonce goes along. One that comes back must always be the one that was sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Nonce {
    /// It goes along; a responder that signs beforehand may leave it out.
    #[default]
    Sent,
    /// It goes along and must come back.
    Required,
    /// It does not go along, so that caches on the way can answer.
    Off,
}

/// The HTTP method of a question.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OcspMethod {
    /// POST.
    #[default]
    Post,
    /// GET where the request is short, else POST (RFC 6960 appendix A.1).
    Get,
}

/// The hash of a CertID.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CertIdHash {
    /// What all responders know. Nothing rests on it: the answer is signed.
    #[default]
    Sha1,
    /// For responders that no longer take SHA-1.
    Sha256,
}

/// The CertID of a certificate in DER: its issuer's name and key, and its serial number.
pub(crate) type CertificateKey = Arc<[u8]>;

/// What is asked of whom. Equal questions have one answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct OcspKey {
    pub(crate) certificate: CertificateKey,
    pub(crate) url: Arc<str>,
}

/// A question to one responder about one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OcspQuestion {
    pub(crate) key: OcspKey,
    pub(crate) manner: OcspManner,
}

/// What is sent for a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OcspRequest {
    Get { url: String },
    Post { body: Vec<u8> },
}

impl OcspQuestion {
    /// The nonce's size in octets; nothing where none is sent.
    pub(crate) fn nonce_octets(&self) -> usize {
        if self.manner.nonce == Nonce::Off { 0 } else { self.manner.nonce_octets }
    }

    /// The request, with this nonce unless it is empty.
    pub(crate) fn request(&self, nonce: &[u8]) -> OcspRequest {
        let body = self.encoded(nonce);
        if self.manner.method == OcspMethod::Get {
            let separator = if self.key.url.ends_with('/') { "" } else { "/" };
            let url = format!("{}{separator}{}", self.key.url, escaped(&STANDARD.encode(&body)));
            if url.len() <= MAX_GET {
                return OcspRequest::Get { url };
            }
        }
        OcspRequest::Post { body }
    }

    /// OCSPRequest: one Request without extensions, and the nonce in requestExtensions.
    fn encoded(&self, nonce: &[u8]) -> Vec<u8> {
        let request = tlv(SEQUENCE, &self.key.certificate);
        let mut fields = tlv(SEQUENCE, &request);
        if !nonce.is_empty() {
            let value = tlv(OCTET_STRING, &tlv(OCTET_STRING, nonce));
            let extension = tlv(SEQUENCE, &[NONCE.as_slice(), &value].concat());
            fields.extend(tlv(REQUEST_EXTENSIONS, &tlv(SEQUENCE, &extension)));
        }
        tlv(SEQUENCE, &tlv(SEQUENCE, &fields))
    }

    /// Reads a reply. Who signed it, and what it says, is judged later.
    pub(crate) fn read(&self, reply: &[u8], nonce: &[u8]) -> Result<OcspResponse, SourceFault> {
        let response = OcspResponse::parse(reply)?;
        match response.nonce() {
            // Where none was sent, an answer to somebody else's question is as good as any.
            _ if nonce.is_empty() => Ok(response),
            Some(returned) if returned == tlv(OCTET_STRING, nonce) => Ok(response),
            Some(_) => Err(SourceFault::NonceDiffers),
            None if self.manner.nonce == Nonce::Required => Err(SourceFault::NonceMissing),
            None => Ok(response),
        }
    }
}

/// The CertID of a certificate (RFC 6960 section 4.1.1); `None` where its issuer cannot be named.
pub(crate) fn certificate_key(
    certificate: &ParsedCertificate,
    issuer: &ParsedCertificate,
    hash: CertIdHash,
) -> Option<CertificateKey> {
    let (algorithm, identifier) = match hash {
        CertIdHash::Sha1 => (&digest::SHA1_FOR_LEGACY_USE_ONLY, SHA1.as_slice()),
        CertIdHash::Sha256 => (&digest::SHA256, SHA256.as_slice()),
    };
    let name = certificate.issuer().to_der().ok()?;
    let key = issuer.spki().subject_public_key.as_bytes()?;
    let hashed = |octets: &[u8]| tlv(OCTET_STRING, digest::digest(algorithm, octets).as_ref());
    let fields = [identifier, &hashed(&name), &hashed(key), &certificate.serial_number()?].concat();
    Some(tlv(SEQUENCE, &fields).into())
}

/// Base64 in the path of a URL: what is not unreserved there is escaped.
fn escaped(base64: &str) -> String {
    base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// One DER element. What is put into it here has less than 64 KiB.
fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short @ 0..=0x7f) => encoded.push(short),
        Ok(long) => encoded.extend([0x81, long]),
        Err(_) => {
            let length = u16::try_from(contents.len()).unwrap_or(u16::MAX);
            encoded.push(0x82);
            encoded.extend(length.to_be_bytes());
        }
    }
    encoded.extend_from_slice(contents);
    encoded
}
