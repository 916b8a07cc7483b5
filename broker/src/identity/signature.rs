//! Signatures of certificates and CRLs, and the strength of the keys that make them.
//!
//! The arithmetic is aws-lc-rs, reached through the algorithm table of rustls-webpki, which knows no hash
//! weaker than SHA-256 and no RSA key shorter than 2048 bits.

use der::asn1::{ContextSpecific, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, TagNumber};
use rustls_pki_types::SignatureVerificationAlgorithm;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

const RSASSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// Hashes, and the signature algorithms that name one, with the bits of the hash.
const HASHES: [(ObjectIdentifier, usize); 9] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), 256),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), 384),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), 512),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), 256),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), 384),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), 512),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), 256),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), 384),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), 512),
];

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignatureError {
    /// The signature algorithm is not in the table: a weak hash, or a kind we do not know.
    Algorithm,
    /// The key did not make this signature.
    Mismatch,
}

/// Verifies `signature` over `message` with the key in `spki`.
pub(super) fn verify(
    message: &[u8],
    signature: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    spki: &SubjectPublicKeyInfoOwned,
) -> Result<(), SignatureError> {
    let signature_id = contents(algorithm).ok_or(SignatureError::Algorithm)?;
    // More than one entry can fit: RSA keys of 2048 bits and up, and of 3072 bits and up; several curves.
    let mut outcome = Err(SignatureError::Algorithm);
    for entry in webpki::ALL_VERIFICATION_ALGS {
        if entry.signature_alg_id().as_ref() == signature_id {
            outcome = verify_with(*entry, message, signature, spki);
        }
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Verifies with one algorithm; a key of another kind is a mismatch.
pub(super) fn verify_with(
    algorithm: &dyn SignatureVerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
    spki: &SubjectPublicKeyInfoOwned,
) -> Result<(), SignatureError> {
    let key_id = contents(&spki.algorithm).ok_or(SignatureError::Mismatch)?;
    let key = spki.subject_public_key.as_bytes().ok_or(SignatureError::Mismatch)?;
    if algorithm.public_key_alg_id().as_ref() != key_id {
        return Err(SignatureError::Mismatch);
    }
    algorithm.verify_signature(key, message, signature).map_err(|_| SignatureError::Mismatch)
}

/// The size of the hash a signature is made over, in bits; `None` where the algorithm is not known.
pub(super) fn hash_bits(algorithm: &AlgorithmIdentifierOwned) -> Option<usize> {
    let hash = match algorithm.oid {
        // SHA-512 is part of Ed25519 (RFC 8032).
        ED25519 => return Some(512),
        // RSASSA-PSS-params: hashAlgorithm [0] EXPLICIT, whose absence means SHA-1 (RFC 4055 section 3.1).
        RSASSA_PSS => {
            let parameters = algorithm.parameters.as_ref()?.to_der().ok()?;
            let mut reader = SliceReader::new(&parameters).ok()?;
            let hash = reader.sequence(|fields| {
                let hash =
                    ContextSpecific::<AlgorithmIdentifierOwned>::decode_explicit(fields, TagNumber(0))?;
                while !fields.is_finished() {
                    fields.tlv_bytes()?;
                }
                Ok::<_, der::Error>(hash.map(|field| field.value.oid))
            });
            hash.ok().flatten()?
        }
        other => other,
    };
    HASHES.iter().find(|(oid, _)| *oid == hash).map(|(_, bits)| *bits)
}

/// The contents of an AlgorithmIdentifier's SEQUENCE, the form the table is written in.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let encoded = algorithm.to_der().ok()?;
    der::asn1::AnyRef::from_der(&encoded).ok().map(|any| any.value().to_vec())
}

/// What a public key is, as far as its strength goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    /// RSA, with the bits of its modulus.
    Rsa(usize),
    /// An elliptic curve of at least 256 bits: P-256, P-384, P-521 or Ed25519.
    Curve(&'static str),
    /// Anything else: another curve, DSA, a key that cannot be read.
    Other,
}

impl KeyKind {
    /// Reads the kind from a SubjectPublicKeyInfo (RFC 3279 section 2.3, RFC 5480).
    pub(super) fn of(spki: &SubjectPublicKeyInfoOwned) -> Self {
        match spki.algorithm.oid {
            RSA_ENCRYPTION => modulus_bits(spki).map_or(Self::Other, Self::Rsa),
            EC_PUBLIC_KEY => {
                let curve = spki.algorithm.parameters.as_ref().and_then(|p| p.decode_as().ok());
                match curve {
                    Some(P256) => Self::Curve("P-256"),
                    Some(P384) => Self::Curve("P-384"),
                    Some(P521) => Self::Curve("P-521"),
                    _ => Self::Other,
                }
            }
            ED25519 => Self::Curve("Ed25519"),
            _ => Self::Other,
        }
    }

    /// The size of its elliptic curve, where it has one.
    pub(super) fn curve_bits(self) -> Option<usize> {
        match self {
            Self::Curve("P-384") => Some(384),
            Self::Curve("P-521") => Some(521),
            Self::Curve(_) => Some(256),
            Self::Rsa(_) | Self::Other => None,
        }
    }

    /// Whether the key is strong enough to be part of a path.
    pub(super) fn is_at_least(self, minimum_rsa_bits: usize) -> bool {
        match self {
            Self::Rsa(bits) => bits >= minimum_rsa_bits,
            Self::Curve(_) => true,
            Self::Other => false,
        }
    }
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
            Self::Curve(name) => f.write_str(name),
            Self::Other => f.write_str("a key of unknown kind"),
        }
    }
}

/// Length of an RSA modulus: RSAPublicKey is SEQUENCE { modulus, publicExponent } (RFC 8017 appendix A.1.1).
fn modulus_bits(spki: &SubjectPublicKeyInfoOwned) -> Option<usize> {
    let mut reader = SliceReader::new(spki.subject_public_key.as_bytes()?).ok()?;
    let modulus = reader
        .sequence(|fields| {
            let modulus: UintRef<'_> = fields.decode()?;
            let _exponent: UintRef<'_> = fields.decode()?;
            Ok::<_, der::Error>(modulus)
        })
        .ok()?;
    let leading = usize::try_from(modulus.as_bytes().first()?.leading_zeros()).ok()?;
    modulus.as_bytes().len().checked_mul(8)?.checked_sub(leading)
}
