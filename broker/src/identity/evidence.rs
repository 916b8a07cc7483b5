//! What the first step relied on to say that nothing is revoked, and how old it was.

use std::time::Duration;

use jiff::Timestamp;

use super::error::Role;
use super::revocation::{SourceGap, SourceName};

/// The evidence of one validation: of every certificate of the path but the root.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationEvidence {
    checked: bool,
    certificates: Vec<CertificateEvidence>,
}

impl RevocationEvidence {
    /// Nothing was asked, as the configuration wants it.
    pub(crate) const SWITCHED_OFF: Self = Self { checked: false, certificates: Vec::new() };

    pub(super) fn of(certificates: Vec<CertificateEvidence>) -> Self {
        Self { checked: true, certificates }
    }

    /// Whether revocation was checked at all, or is switched off by configuration.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// The evidence of each certificate, the card's first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateEvidence] {
        &self.certificates
    }

    /// Whether a source that stands first in its issuer's order could not say, so that another one was relied on.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.certificates.iter().any(|one| !one.passed_over.is_empty())
    }

    /// Whether nothing at all was known of a certificate, and the configuration accepts that.
    #[must_use]
    pub fn is_something_unknown(&self) -> bool {
        self.certificates.iter().any(|one| one.basis == Basis::NothingKnown)
    }

    /// The thisUpdate of the oldest thing that was relied on; `None` where nothing was.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let relied = self.certificates.iter().flat_map(CertificateEvidence::relied_on);
        relied.map(|one| one.this_update).min()
    }

    /// How old the oldest thing that was relied on is.
    #[must_use]
    pub fn oldest_age(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.oldest()?);
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

impl std::fmt::Display for RevocationEvidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.checked {
            return f.write_str("switched off by configuration");
        }
        for (index, certificate) in self.certificates.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            certificate.fmt(f)?;
        }
        Ok(())
    }
}

/// The evidence of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateEvidence {
    /// Its place in the path.
    pub role: Role,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Its issuer, RFC 4514.
    pub issuer: String,
    /// What was relied on.
    pub basis: Basis,
    /// The sources that stand before it in the issuer's order and could not say: not empty means degraded.
    pub passed_over: Vec<SourceGap>,
}

/// What it was relied on that a certificate is not revoked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Basis {
    /// These, together.
    Sources(Vec<ReliedOn>),
    /// Nothing at hand spoke of it, which an administrator who looks into a certificate may allow.
    NotChecked,
    /// No source could say, and the configuration accepts that (`accept_unknown_revocation_status`).
    NothingKnown,
}

impl CertificateEvidence {
    /// What was relied on; nothing where nothing was known.
    #[must_use]
    pub fn relied_on(&self) -> &[ReliedOn] {
        match &self.basis {
            Basis::Sources(sources) => sources,
            Basis::NotChecked | Basis::NothingKnown => &[],
        }
    }
}

impl std::fmt::Display for CertificateEvidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.serial)?;
        match &self.basis {
            Basis::NotChecked => f.write_str("not checked")?,
            Basis::NothingKnown => f.write_str("accepted though nothing is known of its revocation")?,
            Basis::Sources(sources) => {
                let texts: Vec<String> = sources.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(" and "))?;
            }
        }
        if !self.passed_over.is_empty() {
            let gaps: Vec<String> = self.passed_over.iter().map(ToString::to_string).collect();
            write!(f, " (degraded: {})", gaps.join("; "))?;
        }
        Ok(())
    }
}

/// One list or answer that was relied on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReliedOn {
    /// What it is.
    pub kind: EvidenceKind,
    /// The source of the issuer's order that gave it; `None` where no order is declared.
    pub source: Option<SourceName>,
    /// When it was known to be true.
    pub this_update: Timestamp,
    /// When newer information is promised.
    pub next_update: Option<Timestamp>,
}

/// What kind of evidence it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EvidenceKind {
    /// A responder's answer.
    Ocsp {
        /// The responder, as its answer names it.
        responder: String,
    },
    /// A revocation list.
    Crl {
        /// The list's issuer, RFC 4514.
        issuer: String,
    },
    /// A delta revocation list.
    DeltaCrl {
        /// The list's issuer, RFC 4514.
        issuer: String,
    },
}

impl EvidenceKind {
    /// The word for logs and interfaces.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ocsp { .. } => "ocsp",
            Self::Crl { .. } => "crl",
            Self::DeltaCrl { .. } => "delta_crl",
        }
    }

    /// Whose word it is.
    #[must_use]
    pub fn signer(&self) -> &str {
        match self {
            Self::Ocsp { responder: signer }
            | Self::Crl { issuer: signer }
            | Self::DeltaCrl { issuer: signer } => signer,
        }
    }
}

impl std::fmt::Display for ReliedOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            EvidenceKind::Ocsp { .. } => f.write_str("good by OCSP")?,
            EvidenceKind::Crl { issuer } => write!(f, "not on the CRL of {issuer:?}")?,
            EvidenceKind::DeltaCrl { issuer } => write!(f, "not on the delta CRL of {issuer:?}")?,
        }
        write!(f, " from {}", self.this_update)?;
        if let Some(next_update) = self.next_update {
            write!(f, " until {next_update}")?;
        }
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}
