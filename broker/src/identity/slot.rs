//! Which certificate of a card was chosen. A card after FIPS 201-3 carries four, and one of them is for logging in.

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsages;

use super::certificate::ParsedCertificate;
use super::usage::ANY_EXTENDED_KEY_USAGE;

/// id-PIV-cardAuth (FIPS 201-3, SP 800-78).
pub(super) const CARD_AUTHENTICATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.6.8");
/// id-kp-emailProtection (RFC 5280 4.2.1.12).
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
/// id-kp-documentSigning (RFC 9336) and Microsoft's older one.
const DOCUMENT_SIGNING: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.12"),
];
/// Microsoft's encrypting file system.
const FILE_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.4");
/// id-fpki-common-cardAuth and id-fpki-certpcy-pivi-cardAuth.
const CARD_AUTHENTICATION_POLICIES: [ObjectIdentifier; 2] = [
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.2.1.3.17"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.2.1.3.19"),
];

/// A certificate of a card that is not its certificate for logging in, with the number of its slot on a PIV card
/// (SP 800-73-5 part 1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Slot {
    /// For documents and mail that are signed.
    Signature,
    /// For what is encrypted for the holder.
    KeyManagement,
    /// Says that the card is there; its key works without a PIN, also from a distance.
    CardAuthentication,
}

impl Slot {
    /// Recognises a card's other certificates by what they say they are for; `None` for the one to log in with, and for
    /// everything else.
    pub(super) fn of(certificate: &ParsedCertificate) -> Option<Self> {
        let purposes = certificate.extended_key_usage().map(|usage| usage.0.as_slice()).unwrap_or_default();
        let is_for = |purpose: &ObjectIdentifier| purposes.contains(purpose);
        if Self::needs_no_pin(certificate) {
            return Some(Self::CardAuthentication);
        }
        let may = |bit| certificate.key_usage().is_some_and(|usage| usage.0.contains(bit));
        let encrypts = [KeyUsages::KeyEncipherment, KeyUsages::KeyAgreement, KeyUsages::DataEncipherment];
        if !may(KeyUsages::DigitalSignature) && !may(KeyUsages::NonRepudiation) {
            let is_for_files = is_for(&FILE_ENCRYPTION);
            return (encrypts.into_iter().any(may) || is_for_files).then_some(Self::KeyManagement);
        }
        let is_for_documents = is_for(&EMAIL_PROTECTION) || DOCUMENT_SIGNING.iter().any(is_for);
        (may(KeyUsages::NonRepudiation) || is_for_documents).then_some(Self::Signature)
    }

    /// Whether it is the certificate whose key anybody can use who has the card.
    pub(super) fn needs_no_pin(certificate: &ParsedCertificate) -> bool {
        let purposes = certificate.extended_key_usage().map(|usage| usage.0.as_slice()).unwrap_or_default();
        let by_purpose =
            purposes.contains(&CARD_AUTHENTICATION) && !purposes.contains(&ANY_EXTENDED_KEY_USAGE);
        let policies = certificate.policies();
        by_purpose || CARD_AUTHENTICATION_POLICIES.iter().any(|policy| policies.contains(policy))
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signature => "the card's certificate for digital signatures (slot 9C)",
            Self::KeyManagement => "the card's certificate for key management, which decrypts (slot 9D)",
            Self::CardAuthentication => {
                "the card's certificate for card authentication, whose key needs no PIN (slot 9E)"
            }
        })
    }
}
