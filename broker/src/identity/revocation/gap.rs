//! Why nobody can say whether a certificate is revoked.

use jiff::Timestamp;

use super::super::crl_store::ObtainError;
use super::super::error::IdentityError;
use super::super::fetch::FetchError;
use super::order::RevocationStep;
use super::{CrlScope, OcspError};

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
    /// Of several sources that were asked in the issuer's order, none could say.
    #[error("{}", joined(.0))]
    Sources(Vec<SourceGap>),
    /// A source that was asked gave nothing.
    #[error("{0}")]
    Source(#[from] SourceFault),
    /// A source says that the certificate is revoked, and nobody can say whether its signer may be believed. No other source
    /// outweighs that.
    #[error("it is said to be revoked, though not by whom that can be believed for certain: {0}")]
    SaidRevoked(Box<Self>),
    /// The configuration declares no order of sources for this issuer.
    #[error("no order of sources is declared for the issuer (identity.revocation.issuer)")]
    NoOrder,
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
    /// The response says nothing of the certificate that was asked about.
    #[error("the OCSP response is about other certificates")]
    OtherCertificate,
    /// Signed neither by the issuer nor by a responder that the issuer certified for it (id-kp-OCSPSigning).
    #[error("the OCSP response is signed by nobody the issuer has authorised")]
    Responder,
    /// The responder's own status rests on what it says itself.
    #[error("the OCSP responder vouches for itself")]
    Itself,
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
    /// The answer is older than a remembered one may be.
    #[error("the remembered answer is of {this_update}, which is too long ago")]
    TooOld {
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
    pub(super) fn rank(&self) -> u8 {
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
            Self::Source(_) => 13,
            Self::Sources(_) => 14,
            Self::NoOrder => 15,
            Self::WorkLimit => 16,
            Self::SaidRevoked(_) => 17,
        }
    }

    /// Whether it stands for something that is true or false and that nobody could find out: who signed, and whether that
    /// signer is revoked itself.
    pub(super) fn is_unsettled(&self) -> bool {
        match self {
            Self::WorkLimit => true,
            Self::Signer(error) | Self::Ocsp(OcspGap::Signer(error)) => {
                matches!(**error, IdentityError::RevocationUnknown { .. })
            }
            _ => false,
        }
    }
}

/// One source of an issuer's order, and why it could not say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{source_name}: {cause}")]
pub struct SourceGap {
    /// The step of the order, and whom it asked.
    pub source_name: SourceName,
    /// Why it could not say.
    pub cause: GapCause,
}

/// A source of revocation, as an issuer's order names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceName {
    /// The step of the order.
    pub step: RevocationStep,
    /// Whom it asks, where it asks somebody.
    pub url: Option<String>,
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{} {url}", self.step),
            None => write!(f, "{}", self.step),
        }
    }
}

/// Why a source that was asked gave nothing that could be looked at.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceFault {
    /// Neither the certificate nor the configuration says whom to ask.
    #[error("nobody is named to be asked")]
    NotNamed,
    /// Nothing came, or nothing could be asked for.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// It failed again and again, and is left alone for a while.
    #[error("it failed again and again and is left alone for a while")]
    Paused,
    /// The time for the whole decision was over.
    #[error("no time was left to ask")]
    NoTime,
    /// It is just being asked.
    #[error("it is just being asked")]
    Asked,
    /// Only what is at hand counts here.
    #[error("it is not asked here")]
    Offline,
    /// The reply is no OCSP response that says anything.
    #[error("the reply: {0}")]
    Reply(#[from] OcspError),
    /// The reply lacks the nonce, which is required (RFC 8954).
    #[error("the reply has no nonce, which is required")]
    NonceMissing,
    /// The reply has another nonce than the question: it is the answer to another one.
    #[error("the reply has the nonce of another question")]
    NonceDiffers,
    /// None of the distribution points gave a list.
    #[error("no list: {0}")]
    Lists(#[from] ObtainError),
    /// Nothing was ever learnt of the certificate, or it has been forgotten.
    #[error("nothing is remembered")]
    NothingRemembered,
}

fn joined(gaps: &[SourceGap]) -> String {
    gaps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
