//! First step: who holds the card. No I/O but in [`Fetcher`] and [`CrlStore`], and where [`Validator::validate`] asks through them.
//!
//! [`PeerCertificates`], as the handshake brought them, become a [`ValidatedIdentity`] or an
//! [`IdentityError`]. Path validation (RFC 5280 section 6.1) is done by certval over signatures that aws-lc-rs
//! verifies; path building, the rules for cards, and revocation (section 6.3) are our own.
//!
//! The TLS layer uses [`verifier::ProofOfPossession`], which makes no decision about trust.

mod bundle;
mod certificate;
mod crl_store;
mod description;
mod ending;
mod error;
mod evidence;
mod fetch;
mod hints;
mod inquiry;
mod issuer_store;
mod now;
mod path;
mod peer_certificates;
mod possession;
mod revocation;
mod settings;
mod signature;
mod signed_data;
mod slot;
mod usage;
mod validated_identity;
mod validator;
pub mod verifier;

pub use self::bundle::{Bundle, BundleChange, BundleError};
pub use self::crl_store::{CrlPlace, CrlStore, CrlStoreSettings, ObtainError};
pub use self::description::Description;
pub use self::ending::{Ending, ListState};
pub use self::error::{CertificateId, IdentityError, Malformed, PathRule, Role, Untrusted, UsageError};
pub use self::evidence::{Basis, CertificateEvidence, EvidenceKind, ReliedOn, RevocationEvidence};
pub use self::fetch::{AddressKind, FetchError, FetchSettings, Fetcher, LdapUrl, Limits, Url, UrlError};
pub use self::inquiry::{InquiryCounts, InquirySettings, Memory, ResponderStatus};
pub use self::issuer_store::IssuerFetchSettings;
pub use self::peer_certificates::{
    MAX_CERTIFICATE_SIZE, MAX_CERTIFICATES, MAX_CHAIN_SIZE, MAX_STAPLED, MAX_STAPLED_SIZE, PeerCertificates,
    PeerError,
};
pub use self::possession::{Challenge, NotProven, Purpose, SignatureScheme};
pub use self::revocation::{
    CertIdHash, CrlError, CrlScope, CrlSummary, DEFAULT_CACHED_NO_OLDER_THAN, GapCause, IssuerOrder, Nonce,
    OcspError, OcspGap, OcspManner, OcspMethod, OcspUnknown, Reason, Revocation, RevocationGap,
    RevocationStep, SourceFault, SourceGap, SourceName,
};
pub use self::settings::{
    DEFAULT_EXTENDED_KEY_USAGE, MINIMUM_RSA_BITS, Policies, Settings, SettingsError, SettingsProblem, Usage,
};
pub use self::signature::KeyKind;
pub use self::slot::Slot;
pub use self::validated_identity::{Check, CheckName, ValidatedIdentity};
pub use self::validator::{AuthoritySummary, Validator};

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod measured;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
