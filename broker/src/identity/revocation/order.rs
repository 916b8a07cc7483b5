//! Which sources are asked about the certificates of an issuer, in which order, and what happens when none can say.

use std::time::Duration;

use certval::compare_names;
use rustls_pki_types::CertificateDer;
use x509_cert::name::Name;

use super::super::certificate::ParsedCertificate;
use super::question::OcspManner;

/// How long an answer counts as remembered, unless configured otherwise.
pub const DEFAULT_CACHED_NO_OLDER_THAN: Duration = Duration::from_secs(4 * 3600);

/// One source of an issuer's order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RevocationStep {
    /// The responders that the certificate names (authorityInfoAccess, id-ad-ocsp).
    Ocsp,
    /// The responders that the configuration names.
    AlternateOcsp,
    /// The lists of the certificate's distribution points, or of the configured URLs.
    Crl,
    /// The lists that were configured as files.
    Files,
    /// The answers of responders that came along with the certificates.
    Stapled,
    /// The last thing that was learnt by one of the others, though it may have ended.
    Cached,
}

impl RevocationStep {
    /// The word of the configuration, of logs and of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ocsp => "ocsp",
            Self::AlternateOcsp => "alternate_ocsp",
            Self::Crl => "crl",
            Self::Files => "files",
            Self::Stapled => "stapled",
            Self::Cached => "cached",
        }
    }
}

impl std::fmt::Display for RevocationStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What follows when a believed responder does not know the certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OcspUnknown {
    /// The login is refused, whatever the other sources would say.
    #[default]
    Refuse,
    /// The next source is asked.
    NextSource,
}

/// What is asked about the certificates of one issuer, in order; where none can say, the login is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerOrder {
    /// The issuer, RFC 4514; `None` for all that have no order of their own.
    pub issuer: Option<String>,
    /// The sources, the first one first.
    pub order: Vec<RevocationStep>,
    /// How responders are asked.
    pub manner: OcspManner,
    /// The responders of [`RevocationStep::AlternateOcsp`].
    pub alternate_ocsp: Vec<String>,
    /// Where lists are fetched, in place of the certificates' distribution points.
    pub crl_urls: Vec<String>,
    /// Certificates of responders that are believed though the issuer has not certified them for it, DER.
    pub responders: Vec<CertificateDer<'static>>,
    /// What follows when a responder does not know the certificate.
    pub ocsp_unknown: OcspUnknown,
    /// How old, by its thisUpdate, an answer of [`RevocationStep::Cached`] may be.
    pub cached_no_older_than: Duration,
    /// Fails open: where no source can say, the certificate counts as not revoked.
    pub accept_unknown_revocation_status: bool,
}

impl IssuerOrder {
    /// The order for an issuer, or for all that have none of their own, with the defaults.
    #[must_use]
    pub fn new(issuer: Option<String>, order: Vec<RevocationStep>) -> Self {
        Self {
            issuer,
            order,
            manner: OcspManner::default(),
            alternate_ocsp: Vec::new(),
            crl_urls: Vec::new(),
            responders: Vec::new(),
            ocsp_unknown: OcspUnknown::Refuse,
            cached_no_older_than: DEFAULT_CACHED_NO_OLDER_THAN,
            accept_unknown_revocation_status: false,
        }
    }
}

/// An [`IssuerOrder`] that has been read.
pub(crate) struct Plan {
    pub(crate) issuer: Option<Name>,
    pub(crate) settings: IssuerOrder,
    pub(crate) responders: Vec<ParsedCertificate>,
}

/// The orders of all issuers.
pub(crate) struct Plans(pub(crate) Vec<Plan>);

impl Plans {
    /// The order for the certificates of an issuer: its own, else the one for all.
    pub(super) fn of(&self, issuer: &Name) -> Option<&Plan> {
        let own = |plan: &&Plan| plan.issuer.as_ref().is_some_and(|named| compare_names(named, issuer));
        self.0.iter().find(own).or_else(|| self.0.iter().find(|plan| plan.issuer.is_none()))
    }
}
