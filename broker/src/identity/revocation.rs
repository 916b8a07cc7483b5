//! Revocation by OCSP (RFC 6960) and CRLs (RFC 5280 section 6.3), for every certificate of a path but the root.
//!
//! Fails closed: where the lists at hand, fresh and rightly signed, do not cover a certificate for all reasons, the
//! login is refused. Complete, delta, indirect and partitioned lists are used as the standard says.

mod crl;
mod entries;
mod ocsp;
mod pem;
mod scope;
mod status;

use jiff::Timestamp;

pub(super) use self::crl::Crl;
pub use self::crl::{CrlError, CrlScope};
pub use self::entries::Reason;
pub(super) use self::entries::{Entry, Serial};
pub use self::ocsp::OcspError;
pub(super) use self::ocsp::OcspResponse;
pub(super) use self::pem::{split, split_ocsp};
use self::status::{Examination, Source};
use super::certificate::{ParsedCertificate, name_text, timestamp};
use super::error::{IdentityError, Role};
use super::now::Now;
use super::path::{Path, Trust};

/// Where answers about revocation come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Revocation {
    /// Files of CRLs, each DER, or PEM with one or several blocks.
    Crls(Vec<Vec<u8>>),
    /// What an administrator has at hand, to look into one certificate.
    Files {
        /// Files of CRLs, as above.
        crls: Vec<Vec<u8>>,
        /// Files of OCSP responses, each DER, or PEM with one or several blocks. Asked before the CRLs.
        ocsp: Vec<Vec<u8>>,
        /// An issuer that nothing here speaks of is passed over, and said to be so; the certificate at the end never is.
        partial: bool,
    },
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
    /// There is an OCSP response about the certificate, which cannot be used.
    #[error("{0}")]
    Ocsp(#[from] OcspGap),
    /// So many CRLs and signers fit that looking further is not worth it.
    #[error("too much work to find out who signed the CRLs")]
    WorkLimit,
}

/// What is the matter with an OCSP response (RFC 6960 section 3.2).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OcspGap {
    /// The responder does not know the certificate.
    #[error("the OCSP responder does not know the certificate")]
    Unknown,
    /// Signed neither by the issuer nor by a responder that the issuer certified for it (id-kp-OCSPSigning).
    #[error("the OCSP response is signed by nobody the issuer has authorised")]
    Responder,
    /// The responder's certificate is not believed.
    #[error("the OCSP responder is not believed: {0}")]
    Signer(Box<IdentityError>),
    /// A critical extension is not understood.
    #[error("critical extension {oid} of the OCSP response is not understood")]
    UnknownCriticalExtension {
        /// The extension's object identifier.
        oid: String,
    },
    /// The response is from the future.
    #[error("the OCSP response is valid from {this_update} only")]
    NotYetCurrent {
        /// Its thisUpdate.
        this_update: Timestamp,
    },
    /// The response has ended.
    #[error("the OCSP response ended at {ended}")]
    Stale {
        /// Its nextUpdate; without one, an hour after its thisUpdate.
        ended: Timestamp,
    },
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
            Self::Ocsp(_) => 12,
            Self::WorkLimit => 13,
        }
    }
}

/// A revocation source that is ready to be asked.
pub(super) enum Checker {
    Lists {
        /// The newest first.
        crls: Vec<Crl>,
        responses: Vec<OcspResponse>,
        partial: bool,
    },
    Off,
    NotConfigured,
}

impl Checker {
    /// Puts the newest list first, so that it is the one that decides.
    pub(super) fn of(mut crls: Vec<Crl>, responses: Vec<OcspResponse>, partial: bool) -> Self {
        crls.sort_by_key(|crl| std::cmp::Reverse(crl.this_update()));
        Self::Lists { crls, responses, partial }
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
        let (crls, responses, partial) = match self {
            Self::Lists { crls, responses, partial } => (crls, responses, *partial),
            Self::Off => return Ok("switched off by configuration".to_owned()),
            Self::NotConfigured => return Err(IdentityError::RevocationNotConfigured),
        };
        let mut evidence = Vec::new();
        let mut unknown = None;
        let mut examination = Examination::new(crls, responses, trust, hints, path, now);
        for (place, (role, certificate, _)) in path.links().enumerate() {
            match examination.status(role, &path.above(place)) {
                Ok(relied) => {
                    let sources: Vec<String> = relied.into_iter().map(describe).collect();
                    evidence.push(format!("{} {}", certificate.serial(), sources.join(" and ")));
                }
                Err(revoked @ IdentityError::Revoked { .. }) => return Err(revoked),
                Err(IdentityError::RevocationUnknown {
                    gap: RevocationGap { cause: GapCause::NoCrl, .. },
                    ..
                }) if partial && role == Role::Intermediate => {
                    evidence.push(format!("{} not checked", certificate.serial()));
                }
                // A certificate higher up may be known to be revoked, which says more.
                Err(gap) => unknown = unknown.or(Some(gap)),
            }
        }
        unknown.map_or_else(|| Ok(evidence.join("; ")), Err)
    }
}

fn describe(source: Source<'_>) -> String {
    let crl = match source {
        Source::Crl(crl) => crl,
        Source::Ocsp { this_update, ends } => {
            return format!("good by OCSP from {} until {}", timestamp(this_update), timestamp(ends));
        }
    };
    let until = crl.next_update().map(timestamp).unwrap_or_default();
    let kind = match crl.kind() {
        CrlScope::Delta => "delta CRL",
        _ => "CRL",
    };
    let (issuer, from) = (name_text(crl.issuer()), timestamp(crl.this_update()));
    format!("not on the {kind} of {issuer:?} from {from} until {until}")
}

#[cfg(test)]
mod tests;
