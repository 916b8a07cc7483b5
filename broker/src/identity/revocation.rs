//! Revocation by complete CRLs (RFC 5280 section 6.3), for every certificate of a path but the root.
//!
//! Fails closed: where no CRL of the issuer is at hand, fresh and rightly signed, the login is refused. CRLs
//! with a narrower scope (delta, indirect, partitioned by an issuing distribution point) are recognised and
//! not used.

mod crl;
mod entries;
mod pem;

use std::fmt::Write as _;

use certval::compare_names;
use jiff::Timestamp;
use x509_cert::ext::pkix::KeyUsages;

pub(super) use self::crl::Crl;
pub use self::crl::{CrlError, CrlScope};
pub use self::entries::Reason;
pub(super) use self::entries::{Entry, Serial};
pub(super) use self::pem::split;
use super::certificate::{ParsedCertificate, name_text, timestamp};
use super::error::{IdentityError, Role};
use super::now::Now;
use super::path::Path;

/// Where answers about revocation come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// Files of complete CRLs, each DER, or PEM with one or several blocks.
    Crls(Vec<Vec<u8>>),
    /// No check is made. Only ever by explicit configuration.
    Off,
    /// Nothing was configured: every login is refused.
    #[default]
    NotConfigured,
}

/// One CRL that is loaded, for health pages and warnings before it ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CrlSummary {
    /// The issuer, RFC 4514.
    pub issuer: String,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When it ends; a CRL that does not say so is not used.
    pub next_update: Option<Timestamp>,
    /// How many certificates it revokes.
    pub entries: usize,
    /// What it covers; only complete ones are used.
    pub scope: CrlScope,
}

/// Why revocation cannot be decided, and by whom it should have been.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{cause} (CRL issuer {issuer:?})")]
pub struct RevocationGap {
    /// The issuer whose CRL is missing or unusable, RFC 4514.
    pub issuer: String,
    /// What is the matter.
    pub cause: GapCause,
}

/// What is the matter with an issuer's CRLs. Of several CRLs, the one that came furthest is reported.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GapCause {
    /// No configured CRL is from this issuer.
    #[error("no CRL of the issuer is configured")]
    NoCrl,
    /// A CRL bears the issuer's name, but not the signature of its key.
    #[error("the CRL is not signed by the issuer's key")]
    Signature,
    /// The issuer's keyUsage does not let it sign CRLs (RFC 5280 section 6.3.3 (f)).
    #[error("the issuer may not sign CRLs (keyUsage cRLSign)")]
    CrlSign,
    /// The CRL does not cover all of the issuer's certificates, or says something that is not understood.
    #[error("the CRL cannot be used: {0}")]
    Scope(CrlScope),
    /// The CRL does not say when it ends.
    #[error("the CRL has no nextUpdate")]
    NoNextUpdate,
    /// The CRL is from the future.
    #[error("the CRL is valid from {this_update} only")]
    NotYetCurrent {
        /// Its thisUpdate.
        this_update: Timestamp,
    },
    /// The CRL has ended.
    #[error("the CRL ended at {next_update}")]
    Stale {
        /// Its nextUpdate.
        next_update: Timestamp,
    },
}

impl GapCause {
    fn rank(&self) -> u8 {
        match self {
            Self::NoCrl => 0,
            Self::Signature => 1,
            Self::Scope(_) => 2,
            Self::CrlSign => 3,
            Self::NoNextUpdate => 4,
            Self::NotYetCurrent { .. } => 5,
            Self::Stale { .. } => 6,
        }
    }
}

/// A revocation source that is ready to be asked.
pub(super) enum Checker {
    Crls(Vec<Crl>),
    Off,
    NotConfigured,
}

impl Checker {
    /// Checks every certificate of `path` but the root. Returns the evidence in words.
    pub(super) fn check(&self, path: &Path<'_>, now: Now) -> Result<String, IdentityError> {
        let crls = match self {
            Self::Crls(crls) => crls,
            Self::Off => return Ok("switched off by configuration".to_owned()),
            Self::NotConfigured => return Err(IdentityError::RevocationNotConfigured),
        };
        let mut evidence = String::new();
        let mut unknown = None;
        for (role, certificate, issuer) in path.links() {
            match check_one(crls, role, certificate, issuer, now) {
                Ok(crl) => {
                    let separator = if evidence.is_empty() { "" } else { "; " };
                    // Writing to a String does not fail.
                    let _ = write!(evidence, "{separator}{} not on {}", certificate.serial(), describe(crl));
                }
                Err(revoked @ IdentityError::Revoked { .. }) => return Err(revoked),
                // A certificate higher up may be known to be revoked, which says more.
                Err(gap) => unknown = unknown.or(Some(gap)),
            }
        }
        unknown.map_or(Ok(evidence), Err)
    }
}

/// Asks the newest usable CRL of a certificate's issuer; returns the CRL that does not list it.
fn check_one<'a>(
    crls: &'a [Crl],
    role: Role,
    certificate: &ParsedCertificate,
    issuer: &ParsedCertificate,
    now: Now,
) -> Result<&'a Crl, IdentityError> {
    let mut furthest = GapCause::NoCrl;
    let mut newest: Option<&Crl> = None;
    for crl in crls.iter().filter(|crl| compare_names(crl.issuer(), certificate.issuer())) {
        match usable(crl, issuer, now) {
            Ok(()) if newest.is_none_or(|found| found.precedes(crl)) => newest = Some(crl),
            Ok(()) => {}
            Err(cause) if cause.rank() > furthest.rank() => furthest = cause,
            Err(_) => {}
        }
    }
    let Some(crl) = newest else {
        let gap = RevocationGap { issuer: name_text(certificate.issuer()), cause: furthest };
        return Err(IdentityError::RevocationUnknown { certificate: certificate.id(role), gap });
    };
    match crl.entry(certificate.serial()) {
        Some(Entry { reason, since, .. }) => Err(IdentityError::Revoked {
            certificate: certificate.id(role),
            reason: *reason,
            since: timestamp(*since),
        }),
        None => Ok(crl),
    }
}

/// Whether a CRL that bears the issuer's name may be asked (RFC 5280 section 6.3.3 (a), (b), (f), (g)).
fn usable(crl: &Crl, issuer: &ParsedCertificate, now: Now) -> Result<(), GapCause> {
    if crl.scope() != &CrlScope::Complete {
        return Err(GapCause::Scope(crl.scope().clone()));
    }
    if !crl.is_signed_by(issuer) {
        return Err(GapCause::Signature);
    }
    // Without a keyUsage extension every use is allowed (RFC 5280 section 4.2.1.3).
    if issuer.key_usage().is_some_and(|usage| !usage.0.contains(KeyUsages::CRLSign)) {
        return Err(GapCause::CrlSign);
    }
    let next_update = crl.next_update().ok_or(GapCause::NoNextUpdate)?;
    if now.seconds() < crl.this_update() {
        return Err(GapCause::NotYetCurrent { this_update: timestamp(crl.this_update()) });
    }
    if now.seconds() >= next_update {
        return Err(GapCause::Stale { next_update: timestamp(next_update) });
    }
    Ok(())
}

fn describe(crl: &Crl) -> String {
    let until = crl.next_update().map(timestamp).unwrap_or_default();
    format!("the CRL of {:?} from {} until {until}", name_text(crl.issuer()), timestamp(crl.this_update()))
}

#[cfg(test)]
mod tests;
