//! Which account a certificate belongs to, and how surely (MS-PKCA 3.1.5.2, KB5014754).

pub mod candidates;
pub mod confirm;
pub mod source;

pub use candidates::candidates;
pub use confirm::{Strength, confirm, confirm_weak};

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use self::source::SourceError;
use crate::sid::Sid;
use crate::upn::Upn;

/// Why a certificate does not map to an account.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The certificate holds no user principal name.
    #[error("the certificate holds no user principal name")]
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
