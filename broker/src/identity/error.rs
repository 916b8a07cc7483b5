//! Why a chain is not an identity, in the order in which the checks are made.

use jiff::Timestamp;

use super::revocation::{GapCause, Reason, RevocationGap};
use super::signature::KeyKind;
use super::slot::Slot;

/// A refusal of the first step. When several paths were tried, the one that came furthest is reported, so that
/// an expired card of the right CA is expired and not untrusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A certificate cannot be read at all, or contradicts itself.
    #[error("the {which} cannot be read: {problem}")]
    Malformed {
        /// Which one of the chain.
        which: Role,
        /// What is wrong with it.
        problem: Malformed,
    },
    /// No path of believable certificates leads to a configured root.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// A certificate of the path is not valid yet.
    #[error("{certificate} is not valid before {not_before}, and it is {now}")]
    NotYetValid {
        /// The certificate.
        certificate: CertificateId,
        /// The start of its validity.
        not_before: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// A certificate of the path has ended.
    #[error("{certificate} ended at {not_after}, and it is {now}")]
    Expired {
        /// The certificate.
        certificate: CertificateId,
        /// The end of its validity.
        not_after: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// The card's certificate is not made for logging in.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// A certificate of the path is revoked.
    #[error("{certificate} was revoked at {since}: {reason}")]
    Revoked {
        /// The certificate.
        certificate: CertificateId,
        /// Why, as the CRL says.
        reason: Reason,
        /// The revocation date of the CRL's entry.
        since: Timestamp,
    },
    /// Nobody can say whether a certificate of the path is revoked.
    #[error("whether {certificate} is revoked is unknown: {gap}")]
    RevocationUnknown {
        /// The certificate.
        certificate: CertificateId,
        /// What is missing, with the issuer it is missing from.
        gap: RevocationGap,
    },
    /// No revocation source is configured, and checking was not switched off in so many words.
    #[error("no revocation source is configured; set identity.revocation")]
    RevocationNotConfigured,
    /// The clock stands outside 1970 to 9999, so that no validity can be judged.
    #[error("the clock of this host is unusable")]
    ClockUnusable,
}

impl IdentityError {
    /// How far the path came before it failed; higher is more telling.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Malformed { .. } | Self::ClockUnusable => 0,
            Self::Untrusted(Untrusted::NoPath { .. }) => 1,
            Self::Untrusted(Untrusted::WorkLimit) => 2,
            Self::Untrusted(Untrusted::SignatureAlgorithm { .. } | Untrusted::WeakKey { .. }) => 3,
            Self::NotYetValid { .. } => 4,
            Self::Expired { .. } => 5,
            Self::Untrusted(Untrusted::Rule { .. } | Untrusted::WeakCurve { .. }) => 6,
            Self::Usage(_) => 7,
            Self::RevocationNotConfigured => 8,
            Self::RevocationUnknown { .. } => 9,
            Self::Revoked { .. } => 10,
        }
    }

    /// Whether somebody said that a certificate is revoked who is believed, or of whom nobody can tell whether he is.
    pub(super) fn is_revocation(&self) -> bool {
        match self {
            Self::Revoked { .. } => true,
            Self::RevocationUnknown { gap, .. } => matches!(gap.cause, GapCause::SaidRevoked(_)),
            _ => false,
        }
    }
}

/// The place of a certificate in a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// The certificate whose key the peer holds.
    Card,
    /// Between the card and the root.
    Intermediate,
    /// A configured trust anchor.
    Root,
    /// A certificate outside the path whose key signed a revocation list or an OCSP response.
    RevocationSigner,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Card => "card certificate",
            Self::Intermediate => "intermediate certificate",
            Self::Root => "root certificate",
            Self::RevocationSigner => "revocation signer's certificate",
        })
    }
}

/// Which certificate a refusal is about, in words that are safe to log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateId {
    /// Its place in the path.
    pub role: Role,
    /// Its subject, RFC 4514, bounded and free of control characters.
    pub subject: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
}

impl std::fmt::Display for CertificateId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} with serial {}", self.role, self.subject, self.serial)
    }
}

/// Why a certificate cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It is not the DER of a certificate (RFC 5280 section 4.1).
    #[error("it is not a certificate in DER")]
    Encoding,
    /// One extension stands in it twice (RFC 5280 section 4.2).
    #[error("extension {oid} occurs twice")]
    DuplicateExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// The algorithm inside the signature and the one beside it differ (RFC 5280 section 4.1.1.2).
    #[error("it names two different signature algorithms")]
    AlgorithmMismatch,
    /// An extension that restricts it, or that says who holds it, cannot be read. Passed over, it would not restrict.
    #[error("extension {oid} cannot be read")]
    Extension {
        /// The extension's object identifier.
        oid: String,
    },
    /// Its serial number is longer than 20 octets (RFC 5280 section 4.1.2.2).
    #[error("its serial number is longer than 20 octets")]
    SerialNumber,
    /// The names in it cannot be read as facts about a person.
    #[error("{0}")]
    Facts(#[from] ldap_map::certificate::CertificateError),
}

/// Why no path leads to a root.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Untrusted {
    /// No configured root, and no intermediate that leads to one, issued the card's certificate.
    #[error("no path from a configured root to {certificate}, whose issuer is {issuer:?}")]
    NoPath {
        /// The card's certificate.
        certificate: CertificateId,
        /// The issuer it names, RFC 4514.
        issuer: String,
    },
    /// A signature uses an algorithm that is not accepted, for example with SHA-1.
    #[error("{certificate} is signed with {algorithm}, which is not accepted")]
    SignatureAlgorithm {
        /// The certificate that is signed so.
        certificate: CertificateId,
        /// The object identifier of the algorithm.
        algorithm: String,
    },
    /// An issuer's key is too weak to believe what it signed.
    #[error("{certificate} has {key}; the least is RSA-{minimum_rsa_bits} or P-256, the most RSA-8192")]
    WeakKey {
        /// The issuer.
        certificate: CertificateId,
        /// Its key.
        key: KeyKind,
        /// The least RSA size accepted.
        minimum_rsa_bits: usize,
    },
    /// A key is on a smaller elliptic curve than the configuration accepts.
    #[error("{certificate} has {key}; the least is a curve of {minimum_bits} bits")]
    WeakCurve {
        /// The certificate of the key.
        certificate: CertificateId,
        /// The key.
        key: KeyKind,
        /// The least size accepted.
        minimum_bits: usize,
    },
    /// A certificate breaks a rule of path validation (RFC 5280 section 6.1).
    #[error("{certificate} breaks the path: {rule}")]
    Rule {
        /// The certificate at which validation failed.
        certificate: CertificateId,
        /// The rule.
        rule: PathRule,
    },
    /// The chain offers so many ways that looking further is not worth it.
    #[error("the chain offers too many paths")]
    WorkLimit,
}

/// A rule of RFC 5280 section 6.1 that a path can break.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PathRule {
    /// 6.1.4 (k): an issuer is not a CA.
    #[error("it is not a CA certificate (basicConstraints)")]
    BasicConstraints,
    /// 6.1.4 (l), (m): the path is longer than an issuer allows.
    #[error("the path is longer than allowed (pathLenConstraint)")]
    PathLength,
    /// 6.1.4 (n): an issuer may not sign certificates.
    #[error("it may not sign certificates (keyUsage keyCertSign)")]
    KeyCertSign,
    /// 6.1.3 (b), (c): a name lies outside of what an issuer may certify.
    #[error("a name is outside the issuer's nameConstraints")]
    NameConstraints,
    /// 6.1.3 (f), 6.1.5 (g): no policy is valid for the whole path.
    #[error("no certificate policy is valid for the path")]
    Policy,
    /// 6.1.4 (o), 6.1.5 (f): a critical extension is not understood.
    #[error("critical extension {oid} is not understood")]
    UnknownCriticalExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// An extension that takes part in validation cannot be read.
    #[error("an extension cannot be read")]
    Encoding,
    /// An issuer's extendedKeyUsage does not cover what the card is used for.
    #[error("its extendedKeyUsage does not allow {oid} below it")]
    IssuerExtendedKeyUsage {
        /// The purpose that is not allowed.
        oid: String,
    },
    /// The validator gave up at one of its own bounds.
    #[error("it makes validation too costly")]
    Cost,
    /// Any other rule; the log of the validator says which.
    #[error("it does not fit into the path")]
    Other,
}

/// Why a trusted certificate is not one to log in with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// It is a CA's certificate.
    #[error("the certificate is a CA's, not a person's")]
    CertificateAuthority,
    /// keyUsage is absent or does not say digitalSignature.
    #[error("keyUsage does not include digitalSignature")]
    DigitalSignature,
    /// extendedKeyUsage is absent or lacks a required purpose; anyExtendedKeyUsage does not count.
    #[error("extendedKeyUsage does not include {oid}")]
    ExtendedKeyUsage {
        /// The first purpose that is missing.
        oid: String,
    },
    /// It is another certificate of the card than the one for logging in.
    #[error("{slot} was chosen, not its PIV Authentication certificate (slot 9A)")]
    OtherSlot {
        /// Which one it is.
        slot: Slot,
    },
    /// It is valid for longer than the configuration accepts.
    #[error("the certificate is valid for {days} days, more than {most}")]
    Lifetime {
        /// From its notBefore to its notAfter, in days.
        days: u64,
        /// The most accepted, in days.
        most: u64,
    },
    /// Its issuer is none of those that may issue cards.
    #[error("{issuer:?} is not among the authorities that may issue cards (identity.issuers)")]
    Issuer {
        /// The issuer, RFC 4514.
        issuer: String,
    },
    /// The card's key is too weak.
    #[error("the card has {key}; the least is RSA-{minimum_rsa_bits} or P-256, the most RSA-8192")]
    WeakKey {
        /// The card's key.
        key: KeyKind,
        /// The least RSA size accepted.
        minimum_rsa_bits: usize,
    },
}
