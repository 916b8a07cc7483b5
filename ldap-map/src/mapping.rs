//! Which account a certificate belongs to, and how surely (MS-PKCA 3.1.5.2, KB5014754).

pub mod confirm;
pub mod rules;
pub mod sought;
pub mod source;
pub mod windows;

pub use confirm::{Ground, IgnoredValue, Mapping, NamedBy, Strength, confirm, enforce};
pub use rules::{Enforcement, EnterpriseIssuers, NameRule, NameRuleError, Rules};
pub use sought::Sought;
pub use windows::{Event, WindowsVerdict};

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use self::source::SourceError;
use crate::certificate::CertificateFacts;
use crate::sid::Sid;
use crate::upn::Upn;

/// A card that was believed: what it says, and who issued it.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// What its certificate says.
    pub facts: &'a CertificateFacts,
    /// SHA-1 of its issuer's certificate, where that is known.
    pub issuer_sha1: Option<[u8; 20]>,
}

/// Why a certificate does not map to an account.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The certificate holds no user principal name, and nothing else that an account was found by.
    #[error("the certificate holds no user principal name, and no account has it in altSecurityIdentities")]
    UpnMissing,
    /// The certificate holds more than one: which is meant would be a guess.
    #[error("the certificate holds {count} user principal names")]
    SeveralUpns {
        /// How many.
        count: usize,
    },
    /// What the configuration asks of the certificate is not there, is there twice, or is no name.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The certificate names two SIDs that differ.
    #[error("the certificate names {count} different SIDs")]
    SeveralSids {
        /// How many.
        count: usize,
    },
    /// The certificate's SID is not the account's `objectSid`: the account was replaced, or the certificate is
    /// another one's.
    #[error("the certificate names the SID {certificate}, but objectSid is {account}")]
    SidDiffers {
        /// The SID in the certificate.
        certificate: Sid,
        /// The account's `objectSid`.
        account: Sid,
    },
    /// The account does not have the certificate's name.
    #[error("the account is not the one of {upn}")]
    NameDiffers {
        /// The name in the certificate.
        upn: Upn,
    },
    /// Nothing ties the certificate to the account.
    #[error("nothing in the certificate or in the account's altSecurityIdentities ties one to the other")]
    NotMapped,
    /// What ties them is not enough under the configured enforcement.
    #[error("the mapping is weak")]
    TooWeak,
    /// The certificate is older than the account (`whenCreated`), so that it was issued to a former holder of
    /// the name.
    #[error("the certificate is older than the account: whenCreated is later than notBefore")]
    OlderThanAccount {
        /// Begin of the certificate's validity.
        not_before: SystemTime,
        /// The account's `whenCreated`.
        when_created: SystemTime,
    },
}
