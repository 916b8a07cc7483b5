//! Proof that somebody holds the key of a card's certificate, where no handshake has shown it: a signature over a challenge.
//!
//! What is signed is laid out like the content of a CertificateVerify of TLS 1.3 (RFC 8446 section 4.4.3), under a name of its
//! own, so that no signature made for another purpose is one for this, nor the other way round; see [`Challenge::message`].

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand_core::CryptoRng;
use rustls_pki_types::{AlgorithmIdentifier, alg_id};
use zeroize::Zeroizing;

use super::certificate::ParsedCertificate;
use super::error::Malformed;
use super::peer_certificates::PeerCertificates;
use super::signature;
use super::validator::sha256;

/// What the message says it is for.
const CONTEXT: &[u8] = b"Kerbridge v1, card proof of possession";

/// How the key of a card signs. The hash is taken over the whole message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 octets (RFC 8017 section 8.1).
    RsaPssSha256,
    /// ECDSA on P-256 with SHA-256, as an ECDSA-Sig-Value in DER (RFC 3279 section 2.2.3).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384, likewise.
    EcdsaP384Sha384,
}

impl SignatureScheme {
    /// The algorithms of the signature and of the key.
    const fn algorithms(self) -> (AlgorithmIdentifier, AlgorithmIdentifier) {
        match self {
            Self::RsaPkcs1Sha256 => (alg_id::RSA_PKCS1_SHA256, alg_id::RSA_ENCRYPTION),
            Self::RsaPssSha256 => (alg_id::RSA_PSS_SHA256, alg_id::RSA_ENCRYPTION),
            Self::EcdsaP256Sha256 => (alg_id::ECDSA_SHA256, alg_id::ECDSA_P256),
            Self::EcdsaP384Sha384 => (alg_id::ECDSA_SHA384, alg_id::ECDSA_P384),
        }
    }
}

/// Something to sign, once, by the card whose chain is presented. The message is wiped on drop.
pub struct Challenge {
    message: Zeroizing<Vec<u8>>,
    card: PeerCertificates,
}

/// What a challenge is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Purpose<'a> {
    /// The gateway that presents the card, by its configured name; at most 64 octets.
    pub gateway: &'a str,
    /// The desktop, a DNS host name in lower case.
    pub target: &'a str,
    /// The account that is meant, where one is named; at most 1024 octets.
    pub user: Option<&'a str>,
    /// When it ends.
    pub expires_at: SystemTime,
}

/// Nobody has proven to hold the card's key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProven {
    /// The certificate cannot be read.
    #[error("the card's certificate: {0}")]
    Card(#[from] Malformed),
    /// The signature was not made by the card's key, over this challenge, in this scheme.
    #[error("the signature is not the card's over this challenge")]
    Signature,
}

impl Challenge {
    /// Makes one with 32 fresh random octets.
    ///
    /// # Errors
    /// [`Malformed`]: there is no certificate that it could be for.
    pub fn new(
        card: PeerCertificates,
        purpose: Purpose<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Malformed> {
        ParsedCertificate::parse(card.card())?;
        let mut nonce = Zeroizing::new([0; 32]);
        rng.fill_bytes(nonce.as_mut());
        let message = message(&nonce, purpose, &sha256(card.card()));
        Ok(Self { message, card })
    }

    /// The octets to sign: 64 spaces, `Kerbridge v1, card proof of possession`, an octet of zero; then five fields, each behind its
    /// length in two octets, big-endian: the nonce (32 octets), the gateway, the target, SHA-256 of the card's certificate in DER
    /// (32 octets), and the end in seconds since 1970 (8 octets, big-endian); and the user, where one is named.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the signature, and gives the chain back to whoever has proven to hold it. The challenge is used up either way.
    ///
    /// # Errors
    /// [`NotProven`].
    pub fn answer(self, scheme: SignatureScheme, signature: &[u8]) -> Result<PeerCertificates, NotProven> {
        let card = ParsedCertificate::parse(self.card.card())?;
        signature::verify_as(scheme.algorithms(), &self.message, signature, card.spki())
            .map_err(|_| NotProven::Signature)?;
        Ok(self.card)
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").finish_non_exhaustive()
    }
}

fn message(nonce: &[u8; 32], purpose: Purpose<'_>, certificate: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let Purpose { gateway, target, user, expires_at } = purpose;
    let end = expires_at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let end = end.to_be_bytes();
    let fields: [&[u8]; 5] = [nonce, gateway.as_bytes(), target.as_bytes(), certificate, &end];
    let fields = || fields.into_iter().chain(user.map(str::as_bytes));
    // Of its full length from the start: a buffer that grows leaves a copy behind.
    let length = fields().map(|field| field.len().saturating_add(2)).sum::<usize>();
    let mut message = Zeroizing::new(Vec::with_capacity(length.saturating_add(128)));
    message.extend_from_slice(&[b' '; 64]);
    message.extend_from_slice(CONTEXT);
    message.push(0);
    for field in fields() {
        let length = u16::try_from(field.len()).expect("names of gateways, hosts and users are short");
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(field);
    }
    message
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SigningKey as _};

    use super::*;
    use crate::entropy;
    use crate::identity::testing::{Authority, card_params, now, peer, rsa_key};

    const PURPOSE: Purpose<'static> =
        Purpose { gateway: "gw1", target: "desk1.corp.example", user: None, expires_at: UNIX_EPOCH };

    fn challenge(card: &PeerCertificates, purpose: Purpose<'_>) -> Challenge {
        Challenge::new(card.clone(), purpose, &mut entropy::system()).unwrap()
    }

    fn card(key: &KeyPair) -> PeerCertificates {
        peer(&[&Authority::root("Root").sign(&card_params(), key)])
    }

    #[expect(clippy::disallowed_methods, reason = "an independent signer, with randomness of its own")]
    fn rsa(key: &KeyPair, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let key = RsaKeyPair::from_pkcs8(&key.serialize_der()).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    fn ecdsa(key: &KeyPair, message: &[u8]) -> Vec<u8> {
        key.sign(message).unwrap()
    }

    #[test]
    fn the_message_is_laid_out_as_documented() {
        let card = card(&rsa_key());
        let purpose = Purpose { expires_at: now(), ..PURPOSE };
        let challenge = challenge(&card, purpose);
        let message = challenge.message();
        let (spaces, rest) = message.split_at(64);
        assert!(spaces.iter().all(|octet| *octet == 0x20));
        let rest = rest.strip_prefix(b"Kerbridge v1, card proof of possession\0").unwrap();
        let (nonce, rest) = rest.strip_prefix(&[0, 32]).unwrap().split_at(32);
        assert_ne!(nonce, [0; 32]);
        let expected = [
            &[0, 3][..],
            b"gw1",
            &[0, 18],
            b"desk1.corp.example",
            &[0, 32],
            &sha256(card.card()),
            &[0, 8],
            &1_767_225_600_u64.to_be_bytes(),
        ];
        assert_eq!(rest, expected.concat());
    }

    #[test]
    fn a_message_for_a_named_user_says_the_name_at_its_end() {
        let card = card(&rsa_key());
        let named = challenge(&card, Purpose { user: Some("alice-admin"), ..PURPOSE });
        let plain = challenge(&card, PURPOSE);
        assert!(named.message().ends_with(b"\0\x0balice-admin"));
        assert_eq!(named.message().len(), plain.message().len() + 13);
    }

    #[test]
    fn no_two_challenges_are_the_same() {
        let card = card(&rsa_key());
        assert_ne!(challenge(&card, PURPOSE).message(), challenge(&card, PURPOSE).message());
    }

    #[test]
    fn every_scheme_proves_possession_and_none_passes_for_another() {
        use SignatureScheme::{EcdsaP256Sha256, EcdsaP384Sha384, RsaPkcs1Sha256, RsaPssSha256};
        let (rsa_card, p256, p384) = (
            rsa_key(),
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
        );
        type Sign<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
        let cases: [(SignatureScheme, &KeyPair, Sign<'_>); 4] = [
            (RsaPkcs1Sha256, &rsa_card, &|message| rsa(&rsa_card, &RSA_PKCS1_SHA256, message)),
            (RsaPssSha256, &rsa_card, &|message| rsa(&rsa_card, &RSA_PSS_SHA256, message)),
            (EcdsaP256Sha256, &p256, &|message| ecdsa(&p256, message)),
            (EcdsaP384Sha384, &p384, &|message| ecdsa(&p384, message)),
        ];
        for (scheme, key, sign) in cases {
            let card = card(key);
            for other in [RsaPkcs1Sha256, RsaPssSha256, EcdsaP256Sha256, EcdsaP384Sha384] {
                let challenge = challenge(&card, PURPOSE);
                let signature = sign(challenge.message());
                let answered = challenge.answer(other, &signature);
                if other == scheme {
                    assert_eq!(answered, Ok(card.clone()), "{scheme:?}");
                } else {
                    assert_eq!(answered, Err(NotProven::Signature), "{scheme:?} as {other:?}");
                }
            }
        }
    }

    #[test]
    fn a_signature_over_anything_else_proves_nothing() {
        let key = rsa_key();
        let card = card(&key);
        let sign = |message: &[u8]| rsa(&key, &RSA_PKCS1_SHA256, message);
        let proves = |signature: &[u8], challenge: Challenge| {
            challenge.answer(SignatureScheme::RsaPkcs1Sha256, signature).is_ok()
        };
        // Another nonce, gateway, target, user and time.
        for other in [
            PURPOSE,
            Purpose { gateway: "gw2", ..PURPOSE },
            Purpose { target: "desk2.corp.example", ..PURPOSE },
            Purpose { user: Some("alice-admin"), ..PURPOSE },
            Purpose { expires_at: now(), ..PURPOSE },
        ] {
            let signature = sign(challenge(&card, other).message());
            assert!(!proves(&signature, challenge(&card, PURPOSE)), "{other:?}");
        }
        // Without the part that tells it from other signatures, with another hash, cut off, and nothing.
        let bare = challenge(&card, PURPOSE);
        let signature = sign(&bare.message()[64..]);
        assert!(!proves(&signature, bare));
        let hashed = challenge(&card, PURPOSE);
        let signature = rsa(&key, &RSA_PKCS1_SHA512, hashed.message());
        assert!(!proves(&signature, hashed));
        let cut = challenge(&card, PURPOSE);
        let signature = sign(cut.message());
        assert!(!proves(&signature[1..], cut));
        assert!(!proves(&[], challenge(&card, PURPOSE)));
    }

    #[test]
    fn the_key_of_another_card_proves_nothing() {
        let (own, other) = (rsa_key(), rsa_key());
        let challenge = challenge(&card(&own), PURPOSE);
        let signature = rsa(&other, &RSA_PKCS1_SHA256, challenge.message());
        let answered = challenge.answer(SignatureScheme::RsaPkcs1Sha256, &signature);
        assert_eq!(answered, Err(NotProven::Signature));
    }

    #[test]
    fn octets_that_are_no_certificate_get_no_challenge() {
        let nothing = PeerCertificates::new(vec![vec![0x30, 0].into()]).unwrap();
        let made = Challenge::new(nothing, PURPOSE, &mut entropy::system());
        assert_eq!(made.map(drop), Err(Malformed::Encoding));
    }

    #[test]
    fn nothing_of_a_challenge_is_printed() {
        assert_eq!(format!("{:?}", challenge(&card(&rsa_key()), PURPOSE)), "Challenge { .. }");
    }
}
