//! A card that was believed, with every check and what it relied on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ldap_map::certificate::CertificateFacts;
use ldap_map::mapping::Card;

use super::evidence::RevocationEvidence;
use super::peer_certificates::PeerCertificates;

/// The result of the first step. Only [`super::Validator`] makes one.
#[derive(Clone, Debug)]
pub struct ValidatedIdentity {
    facts: CertificateFacts,
    fingerprint_sha256: [u8; 32],
    issuer_sha1: [u8; 20],
    checks: Vec<Check>,
    revocation: RevocationEvidence,
    not_after: Timestamp,
    policies: BTreeSet<String>,
    extended: Option<PeerCertificates>,
}

impl ValidatedIdentity {
    pub(super) fn new(
        facts: CertificateFacts,
        fingerprint_sha256: [u8; 32],
        issuer_sha1: [u8; 20],
        checks: Vec<Check>,
        revocation: RevocationEvidence,
        not_after: Timestamp,
    ) -> Self {
        let (policies, extended) = (BTreeSet::new(), None);
        Self { facts, fingerprint_sha256, issuer_sha1, checks, revocation, not_after, policies, extended }
    }

    /// The same, for whose path these certificate policies hold.
    pub(super) fn under(self, policies: BTreeSet<String>) -> Self {
        Self { policies, ..self }
    }

    /// The same, found to hold by this chain, which has certificates of issuers that its peer did not send.
    pub(super) fn by(self, extended: PeerCertificates) -> Self {
        Self { extended: Some(extended), ..self }
    }

    /// What the card's certificate says about its holder.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// SHA-256 of the card's certificate in DER.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> &[u8; 32] {
        &self.fingerprint_sha256
    }

    /// What the mapping to an account rests on.
    #[must_use]
    pub const fn card(&self) -> Card<'_> {
        Card { facts: &self.facts, issuer_sha1: Some(self.issuer_sha1) }
    }

    /// Every check that was made, in order, with its evidence.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What it was relied on that no certificate of the path is revoked, and how old it was.
    #[must_use]
    pub fn revocation(&self) -> &RevocationEvidence {
        &self.revocation
    }

    /// When the first certificate of the path ends, the root included: nothing derived from this identity should
    /// outlive it.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The certificate policies of the card that hold for the whole path, dotted, in the card's words (RFC 5280 section 6.1.5 g);
    /// where the configuration accepts certain policies only, those of them. Other than what [`CertificateFacts::policies`] claims.
    #[must_use]
    pub const fn policies(&self) -> &BTreeSet<String> {
        &self.policies
    }

    /// The chain that leads to a root: what was presented, with the issuers that had to be fetched for it. Whoever judges it again
    /// does not depend on the places they came from.
    #[must_use]
    pub fn chain(&self, presented: PeerCertificates) -> PeerCertificates {
        self.extended.clone().unwrap_or(presented)
    }
}

/// One check that held. `Display` is one line: the name, a colon, the evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    name: CheckName,
    evidence: String,
}

impl Check {
    pub(super) fn new(name: CheckName, evidence: String) -> Self {
        Self { name, evidence }
    }

    /// Which check it was.
    #[must_use]
    pub fn name(&self) -> CheckName {
        self.name
    }

    /// What it relied on, in words for an administrator.
    #[must_use]
    pub fn evidence(&self) -> &str {
        &self.evidence
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.evidence)
    }
}

/// The checks of the first step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckName {
    /// A path to a configured root exists and RFC 5280 section 6.1 accepts it.
    Path,
    /// Every certificate of the path is valid now.
    Validity,
    /// The card's certificate is not a CA's.
    EndEntity,
    /// The card's key is strong enough.
    KeyStrength,
    /// keyUsage allows a signature that proves who is there.
    KeyUsage,
    /// extendedKeyUsage names all required purposes.
    ExtendedKeyUsage,
    /// The issuer is one that may issue cards; only where some are named.
    Issuer,
    /// No certificate of the path is revoked.
    Revocation,
}

impl CheckName {
    /// The stable name, for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Validity => "validity",
            Self::EndEntity => "end_entity",
            Self::KeyStrength => "key_strength",
            Self::KeyUsage => "key_usage",
            Self::ExtendedKeyUsage => "extended_key_usage",
            Self::Issuer => "issuer",
            Self::Revocation => "revocation",
        }
    }
}

impl std::fmt::Display for CheckName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
