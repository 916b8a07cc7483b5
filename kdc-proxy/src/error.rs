//! Why an exchange failed, by blame: the KDC refused, a reply failed a check, the clocks differ, the credential does
//! not fit, or the request could not be made.

mod ap_rep;
mod codes;
mod kpasswd;
mod referral;
mod reply;

pub use ap_rep::ApRepError;
pub use codes::{ErrorCode, NtStatus};
pub use kpasswd::{KpasswdError, KpasswdRefusal, KpasswdReplyError, KpasswdResult, PasswordPolicy};
pub use referral::ReferralError;
pub use reply::{EvidenceError, ReplyError};

use std::fmt;
use std::time::SystemTime;

use crate::key::StringToKeyError;
use crate::principal::{NameError, Realm};
use crate::time::{ClockOffset, TimeError};

/// Why an exchange ended without its result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The KDC answered with a KRB-ERROR. It is not authenticated.
    #[error("kdc refused: {0}")]
    Kdc(KdcRefusal),
    /// A reply failed a check. Never retried: somebody answered who is not the KDC, or the KDC is not sound.
    #[error("reply refused: {0}")]
    Reply(#[from] ReplyError),
    /// A verified reply proves that the clocks differ by more than is allowed.
    #[error("clock differs from the kdc's by {offset}")]
    ClockSkew {
        /// The KDC's clock against ours.
        offset: ClockOffset,
        /// What our clock showed when the reply came.
        local: SystemTime,
    },
    /// An unauthenticated error claims a difference too large to be tried, or claims one a second time.
    #[error("kdc claims that its clock differs by {offset}")]
    ClaimedSkew {
        /// The KDC's clock against ours, as claimed.
        offset: ClockOffset,
    },
    /// The verified reply is a referral that is not followed.
    #[error(transparent)]
    Referral(#[from] ReferralError),
    /// Our own keys or password do not fit what the KDC asks for.
    #[error("credential does not serve: {0}")]
    Credential(#[from] CredentialError),
    /// The request could not be made.
    #[error("request cannot be made: {0}")]
    Request(#[from] RequestError),
}

impl From<EvidenceError> for ExchangeError {
    fn from(error: EvidenceError) -> Self {
        Self::Reply(error.into())
    }
}

/// What a KRB-ERROR says (RFC 4120 section 5.9.1), without authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcRefusal {
    /// The realm whose KDC was asked.
    pub realm: Realm,
    /// The Kerberos error code.
    pub code: ErrorCode,
    /// The Windows status in the error data, where the KDC sent one.
    pub status: Option<NtStatus>,
    /// `e-text` without control characters, at most 200 characters.
    pub text: Option<String>,
}

impl fmt::Display for KdcRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, ", {status}")?;
        }
        match &self.text {
            Some(text) => write!(f, ", {text:?}"),
            None => Ok(()),
        }
    }
}

/// Why our own secret does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The KDC offers no encryption type that is allowed here and for which there is a key.
    #[error("no key of an encryption type that is allowed and that the kdc offers")]
    NoCommonEtype,
    /// The KDC asks for pre-authentication without naming the salt of the password.
    #[error("kdc does not name the salt of the password")]
    NoSalt,
    /// The KDC asks for pre-authentication but does not take an encrypted timestamp.
    #[error("kdc does not accept an encrypted timestamp")]
    TimestampNotOffered,
    /// The parameters for turning the password into a key are refused.
    #[error(transparent)]
    StringToKey(#[from] StringToKeyError),
}

/// Why a request could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A clock reading cannot be written as a Kerberos time.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// The ticket-granting ticket has ended.
    #[error("ticket-granting ticket has ended")]
    TicketEnded,
    /// The evidence ticket has ended.
    #[error("evidence ticket has ended")]
    EvidenceEnded,
    /// New evidence was needed, and its user's account is no longer what it was when the caller judged it.
    #[error("the user's account has changed since its evidence was obtained")]
    AccountChanged,
    /// The user belongs to another realm than the ticket-granting ticket is for, or to one that is not configured.
    #[error("user belongs to realm {0}, which is not configured")]
    ForeignUser(Realm),
    /// Our own name and realm cannot be written as one name.
    #[error("own name cannot be written with its realm: {0}")]
    OwnName(#[from] NameError),
    /// A ticket-granting ticket and a proxy ticket lead to different realms.
    #[error("ticket-granting ticket is for realm {0}, the proxy ticket for another")]
    TicketOfAnotherRealm(Realm),
    /// A ticket for krbtgt cannot be asked for on behalf of a user.
    #[error("a ticket-granting ticket is not given on behalf of a user")]
    TicketGrantingService,
    /// The new password and the ticket make a longer request than its length field can say.
    #[error("request to change the password is too long")]
    PasswordRequestTooLong,
}
