//! Revocation by CRLs (RFC 5280 section 6.3), for every certificate of a path but the root.
//!
//! Fails closed: where the lists at hand, fresh and rightly signed, do not cover a certificate for all reasons, the
//! login is refused. Complete, delta, indirect and partitioned lists are used as the standard says.

mod crl;
mod entries;
mod pem;
mod scope;
mod status;

use jiff::Timestamp;

pub(super) use self::crl::Crl;
pub use self::crl::{CrlError, CrlScope};
pub use self::entries::Reason;
pub(super) use self::entries::{Entry, Serial};
pub(super) use self::pem::split;
use self::status::Examination;
use super::certificate::{ParsedCertificate, name_text, timestamp};
use super::error::IdentityError;
use super::now::Now;
use super::path::{Path, Trust};

/// Where answers about revocation come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// Files of CRLs, each DER, or PEM with one or several blocks.
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
    /// What it covers.
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
    /// The certificate's distribution points cannot be read.
    #[error("the certificate's cRLDistributionPoints cannot be read")]
    DistributionPoints,
    /// The certificate names another CRL issuer, whose CRL is not indirect (RFC 5280 section 6.3.3 (b) (1)).
    #[error("the CRL of the cRLIssuer is not an indirect one")]
    NotIndirect,
    /// The CRL is for other certificates of the issuer (RFC 5280 section 6.3.3 (b) (2)).
    #[error("the CRL is for other distribution points or other kinds of certificates")]
    OtherScope,
    /// A CRL bears the issuer's name, but not the signature of a key of the issuer.
    #[error("the CRL is not signed by a known key of the issuer")]
    Signature,
    /// The issuer's keyUsage does not let it sign CRLs (RFC 5280 section 6.3.3 (f)).
    #[error("the issuer may not sign CRLs (keyUsage cRLSign)")]
    CrlSign,
    /// The certificate of the key that signed the CRL is not believed (RFC 5280 section 6.3.3 (f)).
    #[error("the CRL's signer is not believed: {0}")]
    Signer(Box<IdentityError>),
    /// The CRL is a delta without its complete CRL, or says something that is not understood.
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
    /// The CRLs at hand do not cover all reasons (RFC 5280 section 6.3.3, reasons_mask).
    #[error("the CRLs cover some reasons for a revocation only")]
    SomeReasons,
    /// So many CRLs and signers fit that looking further is not worth it.
    #[error("too much work to find out who signed the CRLs")]
    WorkLimit,
}

impl GapCause {
    fn rank(&self) -> u8 {
        match self {
            Self::NoCrl => 0,
            Self::DistributionPoints => 1,
            Self::NotIndirect => 2,
            Self::OtherScope => 3,
            Self::Scope(_) => 4,
            Self::NoNextUpdate => 5,
            Self::NotYetCurrent { .. } => 6,
            Self::Stale { .. } => 7,
            Self::Signature => 8,
            Self::CrlSign => 9,
            Self::Signer(_) => 10,
            Self::SomeReasons => 11,
            Self::WorkLimit => 12,
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
    /// Puts the newest list first, so that it is the one that decides.
    pub(super) fn of(mut crls: Vec<Crl>) -> Self {
        crls.sort_by_key(|crl| std::cmp::Reverse(crl.this_update()));
        Self::Crls(crls)
    }

    /// Checks every certificate of `path` but the root. Returns the evidence in words. `hints` are certificates of the
    /// peer, of which one may have signed a list.
    pub(super) fn check<'a>(
        &'a self,
        path: &Path<'a>,
        trust: &'a Trust,
        hints: &'a [ParsedCertificate],
        now: Now,
    ) -> Result<String, IdentityError> {
        let crls = match self {
            Self::Crls(crls) => crls,
            Self::Off => return Ok("switched off by configuration".to_owned()),
            Self::NotConfigured => return Err(IdentityError::RevocationNotConfigured),
        };
        let mut evidence = Vec::new();
        let mut unknown = None;
        let mut examination = Examination::new(crls, trust, hints, path, now);
        for (place, (role, certificate, _)) in path.links().enumerate() {
            match examination.status(role, &path.above(place)) {
                Ok(relied) => {
                    let lists: Vec<String> = relied.into_iter().map(describe).collect();
                    evidence.push(format!("{} not on {}", certificate.serial(), lists.join(" and ")));
                }
                Err(revoked @ IdentityError::Revoked { .. }) => return Err(revoked),
                // A certificate higher up may be known to be revoked, which says more.
                Err(gap) => unknown = unknown.or(Some(gap)),
            }
        }
        unknown.map_or_else(|| Ok(evidence.join("; ")), Err)
    }
}

fn describe(crl: &Crl) -> String {
    let until = crl.next_update().map(timestamp).unwrap_or_default();
    let kind = match crl.kind() {
        CrlScope::Delta => "delta CRL",
        _ => "CRL",
    };
    format!("the {kind} of {:?} from {} until {until}", name_text(crl.issuer()), timestamp(crl.this_update()))
}

#[cfg(test)]
mod tests;
