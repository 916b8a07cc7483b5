//! Signatures of certificates and CRLs, and the strength of the keys that make them.
//!
//! The arithmetic is aws-lc-rs. The table of algorithms knows no hash weaker than SHA-256, and no RSA key shorter than
//! 2048 bits or longer than 8192.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as arithmetic, UnparsedPublicKey, VerificationAlgorithm};
use der::asn1::{ContextSpecific, ObjectIdentifier, UintRef};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, TagNumber};
use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The longest RSA key that is computed with; above, a signature costs milliseconds.
pub(super) const MAXIMUM_RSA_BITS: usize = 8192;

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

/// One way to sign.
struct Scheme {
    signature: AlgorithmIdentifier,
    key: AlgorithmIdentifier,
    arithmetic: &'static dyn VerificationAlgorithm,
}

const fn scheme(
    signature: AlgorithmIdentifier,
    key: AlgorithmIdentifier,
    arithmetic: &'static dyn VerificationAlgorithm,
) -> Scheme {
    Scheme { signature, key, arithmetic }
}

/// The algorithms of RSA signatures without the NULL that RFC 4055 section 2.1 asks for, as some authorities write them.
const RSA_SHA256_WITHOUT_NULL: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0b]);
const RSA_SHA384_WITHOUT_NULL: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0c]);
const RSA_SHA512_WITHOUT_NULL: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 0x0d]);

/// Every signature that is believed; each pair of algorithms stands here once.
static SCHEMES: [Scheme; 19] = [
    scheme(alg_id::RSA_PKCS1_SHA256, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA256),
    scheme(alg_id::RSA_PKCS1_SHA384, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA384),
    scheme(alg_id::RSA_PKCS1_SHA512, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA512),
    scheme(RSA_SHA256_WITHOUT_NULL, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA256),
    scheme(RSA_SHA384_WITHOUT_NULL, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA384),
    scheme(RSA_SHA512_WITHOUT_NULL, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PKCS1_2048_8192_SHA512),
    scheme(alg_id::RSA_PSS_SHA256, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PSS_2048_8192_SHA256),
    scheme(alg_id::RSA_PSS_SHA384, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PSS_2048_8192_SHA384),
    scheme(alg_id::RSA_PSS_SHA512, alg_id::RSA_ENCRYPTION, &arithmetic::RSA_PSS_2048_8192_SHA512),
    scheme(alg_id::ECDSA_SHA256, alg_id::ECDSA_P256, &arithmetic::ECDSA_P256_SHA256_ASN1),
    scheme(alg_id::ECDSA_SHA384, alg_id::ECDSA_P256, &arithmetic::ECDSA_P256_SHA384_ASN1),
    scheme(alg_id::ECDSA_SHA512, alg_id::ECDSA_P256, &arithmetic::ECDSA_P256_SHA512_ASN1),
    scheme(alg_id::ECDSA_SHA256, alg_id::ECDSA_P384, &arithmetic::ECDSA_P384_SHA256_ASN1),
    scheme(alg_id::ECDSA_SHA384, alg_id::ECDSA_P384, &arithmetic::ECDSA_P384_SHA384_ASN1),
    scheme(alg_id::ECDSA_SHA512, alg_id::ECDSA_P384, &arithmetic::ECDSA_P384_SHA512_ASN1),
    scheme(alg_id::ECDSA_SHA256, alg_id::ECDSA_P521, &arithmetic::ECDSA_P521_SHA256_ASN1),
    scheme(alg_id::ECDSA_SHA384, alg_id::ECDSA_P521, &arithmetic::ECDSA_P521_SHA384_ASN1),
    scheme(alg_id::ECDSA_SHA512, alg_id::ECDSA_P521, &arithmetic::ECDSA_P521_SHA512_ASN1),
    scheme(alg_id::ED25519, alg_id::ED25519, &arithmetic::ED25519),
];

/// What a signature is made over, in the form in which it can be kept: a list of 40 MB is its digest.
pub(super) enum Message {
    Digest(Digest),
    /// Ed25519 hashes in a way of its own, so that all octets are needed.
    Whole(Box<[u8]>),
    /// The algorithm is not in the table.
    Unknown,
}

impl Message {
    /// Hashes octets as the algorithm of their signature says.
    pub(super) fn of(octets: &[u8], algorithm: &AlgorithmIdentifierOwned) -> Self {
        if algorithm.oid == ED25519 {
            return Self::Whole(octets.into());
        }
        let hash = match hash_bits(algorithm) {
            Some(256) => &digest::SHA256,
            Some(384) => &digest::SHA384,
            Some(512) => &digest::SHA512,
            _ => return Self::Unknown,
        };
        Self::Digest(digest::digest(hash, octets))
    }

    /// Verifies a signature with the key in `spki`. The algorithm must be the one of [`Self::of`].
    pub(super) fn verify(
        &self,
        signature: &[u8],
        algorithm: &AlgorithmIdentifierOwned,
        spki: &SubjectPublicKeyInfoOwned,
    ) -> Result<(), SignatureError> {
        let signature_id = contents(algorithm).ok_or(SignatureError::Algorithm)?;
        let mut known = SCHEMES.iter().filter(|scheme| scheme.signature.as_ref() == signature_id).peekable();
        known.peek().ok_or(SignatureError::Algorithm)?;
        let key_id = contents(&spki.algorithm).ok_or(SignatureError::Mismatch)?;
        let key = spki.subject_public_key.as_bytes().ok_or(SignatureError::Mismatch)?;
        // A key of another kind did not make this signature.
        let scheme = known.find(|scheme| scheme.key.as_ref() == key_id).ok_or(SignatureError::Mismatch)?;
        if spki.algorithm.oid == EC_PUBLIC_KEY && !is_point(key) {
            return Err(SignatureError::Mismatch);
        }
        let key = UnparsedPublicKey::new(scheme.arithmetic, key);
        let holds = match self {
            Self::Digest(digest) => key.verify_digest(digest, signature),
            Self::Whole(octets) => key.verify(octets, signature),
            Self::Unknown => return Err(SignatureError::Algorithm),
        };
        holds.map_err(|_| SignatureError::Mismatch)
    }
}

/// Compressed or uncompressed; any other form must be rejected (RFC 5480 section 2.2).
fn is_point(key: &[u8]) -> bool {
    matches!(key.first(), Some(2..=4))
}

/// Verifies `signature` over `message` with the key in `spki`.
pub(super) fn verify(
    message: &[u8],
    signature: &[u8],
    algorithm: &AlgorithmIdentifierOwned,
    spki: &SubjectPublicKeyInfoOwned,
) -> Result<(), SignatureError> {
    Message::of(message, algorithm).verify(signature, algorithm, spki)
}

/// Verifies with one entry of the table, by its two algorithms; a key of another kind is a mismatch.
pub(super) fn verify_as(
    (signature_id, key_id): (AlgorithmIdentifier, AlgorithmIdentifier),
    message: &[u8],
    signature: &[u8],
    spki: &SubjectPublicKeyInfoOwned,
) -> Result<(), SignatureError> {
    let is_meant = |scheme: &&Scheme| scheme.signature == signature_id && scheme.key == key_id;
    let scheme = SCHEMES.iter().find(is_meant).ok_or(SignatureError::Algorithm)?;
    let of_key = contents(&spki.algorithm).filter(|of_key| key_id.as_ref() == of_key.as_slice());
    of_key.ok_or(SignatureError::Mismatch)?;
    let key = spki.subject_public_key.as_bytes().ok_or(SignatureError::Mismatch)?;
    if spki.algorithm.oid == EC_PUBLIC_KEY && !is_point(key) {
        return Err(SignatureError::Mismatch);
    }
    let key = UnparsedPublicKey::new(scheme.arithmetic, key);
    key.verify(message, signature).map_err(|_| SignatureError::Mismatch)
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
            Self::Rsa(bits) => (minimum_rsa_bits..=MAXIMUM_RSA_BITS).contains(&bits),
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

/// Length of an RSA modulus: RSAPublicKey is SEQUENCE { modulus, publicExponent } (RFC 8017 appendix A.1.1). `None` where
/// no such key was ever made: with an exponent of 1 every signature is its own message.
fn modulus_bits(spki: &SubjectPublicKeyInfoOwned) -> Option<usize> {
    let mut reader = SliceReader::new(spki.subject_public_key.as_bytes()?).ok()?;
    let (modulus, exponent) = reader
        .sequence(|fields| {
            let modulus: UintRef<'_> = fields.decode()?;
            let exponent: UintRef<'_> = fields.decode()?;
            Ok::<_, der::Error>((modulus, exponent))
        })
        .ok()?;
    reader.finish().ok()?;
    let odd = |number: &UintRef<'_>| number.as_bytes().last().is_some_and(|octet| octet & 1 == 1);
    if !odd(&modulus) || !odd(&exponent) || exponent.as_bytes() == [1] {
        return None;
    }
    let leading = usize::try_from(modulus.as_bytes().first()?.leading_zeros()).ok()?;
    modulus.as_bytes().len().checked_mul(8)?.checked_sub(leading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::tlv;

    /// A key of a modulus and an exponent, with something behind them.
    fn rsa(modulus: &[u8], exponent: &[u8], behind: &[u8]) -> KeyKind {
        let key = [tlv(0x30, &[tlv(2, modulus), tlv(2, exponent)].concat()), behind.to_vec()].concat();
        let algorithm = tlv(0x30, alg_id::RSA_ENCRYPTION.as_ref());
        let spki = tlv(0x30, &[algorithm, tlv(3, &[&[0], key.as_slice()].concat())].concat());
        KeyKind::of(&SubjectPublicKeyInfoOwned::from_der(&spki).expect("a key"))
    }

    #[test]
    fn a_key_that_no_generator_makes_is_of_no_kind() {
        let modulus = [&[0], [0xc3; 256].as_slice()].concat();
        assert_eq!(rsa(&modulus, &[1, 0, 1], &[]), KeyKind::Rsa(2048));
        assert_eq!(rsa(&modulus, &[3], &[]), KeyKind::Rsa(2048));
        for exponent in [[0].as_slice(), &[1], &[2], &[1, 0, 0], &[0x81], &[0, 3]] {
            assert_eq!(rsa(&modulus, exponent, &[]), KeyKind::Other, "{exponent:?}");
        }
        assert_eq!(rsa(&[0xc3; 256], &[1, 0, 1], &[]), KeyKind::Other, "a negative modulus");
        assert_eq!(rsa(&[&[0], [0xc2; 256].as_slice()].concat(), &[3], &[]), KeyKind::Other, "an even one");
        assert_eq!(rsa(&[0], &[3], &[]), KeyKind::Other);
        assert_eq!(rsa(&modulus, &[3], &[5, 0]), KeyKind::Other, "octets behind the key");
    }

    #[test]
    fn a_curve_that_is_spelt_out_in_a_key_is_of_no_kind() {
        // ECParameters instead of a name: whoever may choose the generator has the private key of any public one.
        let spelt_out =
            tlv(0x30, &[tlv(2, &[1]), tlv(0x30, &[]), tlv(0x30, &[]), tlv(4, &[4]), tlv(2, &[3])].concat());
        let oid = tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]);
        let key = tlv(3, &[&[0, 4], [7; 64].as_slice()].concat());
        for parameters in [spelt_out, tlv(5, &[]), Vec::new(), tlv(6, &[0x2b, 0x81, 4, 0, 10])] {
            let spki = tlv(0x30, &[tlv(0x30, &[oid.clone(), parameters].concat()), key.clone()].concat());
            let spki = SubjectPublicKeyInfoOwned::from_der(&spki).expect("a key");
            assert_eq!(KeyKind::of(&spki), KeyKind::Other);
            let algorithm = tlv(0x30, alg_id::ECDSA_SHA256.as_ref());
            let algorithm = AlgorithmIdentifierOwned::from_der(&algorithm).expect("an algorithm");
            let verified = verify(b"a list", &[0x30, 6, 2, 1, 1, 2, 1, 1], &algorithm, &spki);
            assert_eq!(verified, Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn a_key_of_a_size_that_only_makes_work_is_not_strong_enough() {
        let of = |octets: usize| rsa(&[vec![0], vec![0xff; octets]].concat(), &[1, 0, 1], &[]);
        assert!(of(MAXIMUM_RSA_BITS / 8).is_at_least(2048));
        assert!(!of(MAXIMUM_RSA_BITS / 8 + 1).is_at_least(2048));
    }

    #[test]
    fn a_signature_counts_for_its_own_key_algorithm_and_message_only() {
        use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
        let made = [
            (&rcgen::PKCS_ECDSA_P256_SHA256, alg_id::ECDSA_SHA256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, alg_id::ECDSA_SHA384),
            (&rcgen::PKCS_ECDSA_P521_SHA512, alg_id::ECDSA_SHA512),
            (&rcgen::PKCS_ED25519, alg_id::ED25519),
            (&rcgen::PKCS_RSA_SHA256, alg_id::RSA_PKCS1_SHA256),
            (&rcgen::PKCS_RSA_SHA384, alg_id::RSA_PKCS1_SHA384),
            (&rcgen::PKCS_RSA_SHA512, alg_id::RSA_PKCS1_SHA512),
        ];
        let made = made.map(|(kind, algorithm)| {
            let key = KeyPair::generate_for(kind).expect("a key");
            let spki = SubjectPublicKeyInfoOwned::from_der(&key.subject_public_key_info()).expect("its form");
            let algorithm = AlgorithmIdentifierOwned::from_der(&tlv(0x30, algorithm.as_ref())).expect("one");
            (key.sign(b"a list").expect("a signature"), algorithm, spki)
        });
        for (index, (signature, algorithm, spki)) in made.iter().enumerate() {
            assert_eq!(verify(b"a list", signature, algorithm, spki), Ok(()), "{index}");
            assert_eq!(verify(b"a last", signature, algorithm, spki), Err(SignatureError::Mismatch));
            let mismatch = Err(SignatureError::Mismatch);
            let others = made.iter().enumerate().filter(|(at, _)| *at != index);
            for (_, other_algorithm, other_key) in others.map(|(_, other)| other) {
                assert_eq!(verify(b"a list", signature, algorithm, other_key), mismatch);
                assert_eq!(verify(b"a list", signature, other_algorithm, spki), mismatch);
            }
        }
    }

    #[test]
    fn every_algorithm_of_the_table_has_its_hash() {
        for scheme in &SCHEMES {
            let algorithm = AlgorithmIdentifierOwned::from_der(&tlv(0x30, scheme.signature.as_ref()))
                .expect("an algorithm");
            assert!(!matches!(Message::of(b"", &algorithm), Message::Unknown), "{algorithm:?}");
        }
    }
}
