//! Revocation by OCSP (RFC 6960) and CRLs (RFC 5280 section 6.3), for every certificate of a path but the root.
//!
//! Fails closed: where the lists at hand, fresh and rightly signed, do not cover a certificate for all reasons, the
//! login is refused. Complete, delta, indirect and partitioned lists are used as the standard says.

mod crl;
mod entries;
mod gap;
mod gathered;
mod ocsp;
mod order;
mod pem;
mod question;
mod scope;
mod sources;
mod status;

use std::sync::Arc;

use certval::compare_names;
use jiff::Timestamp;

pub(super) use self::crl::{Crl, MAX_CRL_SIZE};
pub use self::crl::{CrlError, CrlScope};
pub use self::entries::Reason;
pub(super) use self::entries::{Entry, Serial};
pub use self::gap::{GapCause, OcspGap, RevocationGap, SourceFault, SourceGap, SourceName};
pub(super) use self::gathered::{Gathered, Inquest, Question, Remembered, RememberedAnswer, newest_first};
pub use self::ocsp::OcspError;
pub(super) use self::ocsp::OcspResponse;
pub use self::order::{DEFAULT_CACHED_NO_OLDER_THAN, IssuerOrder, OcspUnknown, RevocationStep};
pub(super) use self::order::{Plan, Plans};
pub(super) use self::pem::{split, split_ocsp, split_signed_data};
pub use self::question::{CertIdHash, Nonce, OcspManner, OcspMethod};
pub(super) use self::question::{CertificateKey, OcspKey, OcspQuestion, OcspRequest};
use self::status::{Examination, Ordered, Sources, evidence};
use super::certificate::ParsedCertificate;
use super::error::{IdentityError, Role};
use super::evidence::{Basis, RevocationEvidence};
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
    /// Sources are asked in the order that is declared for each issuer.
    Ordered {
        /// Files of CRLs, as above: the source [`RevocationStep::Files`].
        crls: Vec<Vec<u8>>,
        /// The orders.
        issuers: Vec<IssuerOrder>,
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

/// What a decision looks into beside the configuration.
#[derive(Clone, Copy)]
pub(super) struct AtHand<'a> {
    /// The lists of files, the newest first.
    pub(super) files: &'a [Arc<Crl>],
    /// Certificates of the peer beside its own, of which one may have signed a list.
    pub(super) hints: &'a [ParsedCertificate],
    /// What was asked and answered.
    pub(super) gathered: &'a Gathered,
    /// What came along.
    pub(super) stapled: &'a [OcspResponse],
}

/// A revocation source that is ready to be asked.
pub(super) enum Checker {
    Lists {
        /// The newest first.
        crls: Vec<Arc<Crl>>,
        responses: Vec<OcspResponse>,
        partial: bool,
    },
    Ordered {
        /// The newest first.
        crls: Vec<Arc<Crl>>,
        plans: Plans,
    },
    Off,
    NotConfigured,
}

impl Checker {
    /// The lists of the configuration's files.
    pub(super) fn lists(&self) -> &[Arc<Crl>] {
        match self {
            Self::Lists { crls, .. } | Self::Ordered { crls, .. } => crls,
            Self::Off | Self::NotConfigured => &[],
        }
    }

    /// Checks every certificate of `path` but the root. Where something must be asked first, it is in `inquest`, and the
    /// refusal is not final.
    pub(super) fn check<'a>(
        &'a self,
        path: &Path<'a>,
        trust: &'a Trust,
        at_hand: AtHand<'a>,
        now: Now,
        inquest: &mut Inquest,
    ) -> Result<RevocationEvidence, IdentityError> {
        let AtHand { files, hints, gathered, stapled } = at_hand;
        let (sources, partial) = match self {
            Self::Lists { responses, partial, .. } => (Sources::Files { crls: files, responses }, *partial),
            Self::Ordered { plans, .. } => {
                (Sources::Ordered(Ordered { plans, files, gathered, stapled }), false)
            }
            Self::Off => return Ok(RevocationEvidence::SWITCHED_OFF),
            Self::NotConfigured => return Err(IdentityError::RevocationNotConfigured),
        };
        let mut examination = Examination::new(sources, trust, hints, path, now);
        let outcome = examine(&mut examination, path, partial);
        inquest.join(examination.inquest);
        outcome
    }
}

impl Checker {
    /// Looks for a revocation at hand, by what is believed on a further path, of a certificate that it has in common with the
    /// accepted one: the same certificate, of an issuer of the same name and key.
    pub(super) fn check_again<'a>(
        &'a self,
        path: &Path<'a>,
        accepted: &Path<'a>,
        trust: &'a Trust,
        at_hand: AtHand<'a>,
        now: Now,
        inquest: &mut Inquest,
    ) -> Result<(), IdentityError> {
        let AtHand { files, hints, gathered, stapled } = at_hand;
        let sources = match self {
            Self::Lists { responses, .. } => Sources::Files { crls: files, responses },
            Self::Ordered { plans, .. } => Sources::Ordered(Ordered { plans, files, gathered, stapled }),
            Self::Off | Self::NotConfigured => return Ok(()),
        };
        let mut examination = Examination::new(sources, trust, hints, path, now);
        let outcome = path.links().enumerate().try_for_each(|(place, (role, certificate, issuer))| {
            let is_common = accepted.links().any(|(_, known, its_issuer)| {
                known.der() == certificate.der()
                    && its_issuer.spki() == issuer.spki()
                    && compare_names(its_issuer.subject(), issuer.subject())
            });
            if is_common { examination.not_revoked_at_hand(role, &path.above(place)) } else { Ok(()) }
        });
        inquest.join(examination.inquest);
        outcome
    }
}

fn examine<'a>(
    examination: &mut Examination<'a>,
    path: &Path<'a>,
    partial: bool,
) -> Result<RevocationEvidence, IdentityError> {
    let mut certificates = Vec::new();
    let mut unknown = None;
    for (place, (role, certificate, _)) in path.links().enumerate() {
        match examination.status(role, &path.above(place)) {
            Ok(known) => certificates.push(known),
            Err(revoked @ IdentityError::Revoked { .. }) => return Err(revoked),
            Err(IdentityError::RevocationUnknown {
                gap: RevocationGap { cause: GapCause::NoCrl, .. },
                ..
            }) if partial && role == Role::Intermediate => {
                certificates.push(evidence(role, certificate, Basis::NotChecked));
            }
            // A certificate higher up may be known to be revoked, which says more.
            Err(gap) => unknown = unknown.or(Some(gap)),
        }
    }
    unknown.map_or_else(|| Ok(RevocationEvidence::of(certificates)), Err)
}

#[cfg(test)]
pub(super) use self::question::certificate_key;

#[cfg(test)]
pub(super) mod tests;
