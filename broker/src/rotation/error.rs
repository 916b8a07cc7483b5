//! Why a rotation ended without a new secret.

use kdc_proxy::{
    error::KpasswdRefusal,
    net::client::{ChangeError, ReplaceError, UnknownCause},
};

use super::DiskError;

impl RotationError {
    pub(super) fn unavailable(error: ReplaceError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Why a rotation ended before its end, and what lies on disk now. Sorted by who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// The domain does not accept the present secret, nor the pending one where there is one.
    #[error("the domain does not accept the present secret: {0}")]
    NotAccepted(#[source] Box<ReplaceError>),
    /// A directory is asked with the same password under a name that may be another account's.
    #[error(
        "the directory's bind_name {name:?} has the same password or file as the account, and by its name it cannot be told \
         whether it is the same account; name it ACCOUNT@DOMAIN, or give it another password in another file"
    )]
    DirectoryNameUnclear {
        /// The name.
        name: String,
    },
    /// A directory is asked with the same password, whose file cannot be written.
    #[error(
        "the password of the directory's bind_name {name:?} is that of the same account, and is a credential that this \
         program cannot replace; name a file as bind_password, or the one it is loaded from with --bind-password"
    )]
    DirectoryPasswordReadOnly {
        /// The name.
        name: String,
    },
    /// The domain refused the new password. The present one is in force; nothing is pending.
    #[error("the domain refused the new password: {0}")]
    Refused(Box<KpasswdRefusal>),
    /// The same, but an earlier request with the same password might still be carried out.
    #[error(
        "the domain refused the new password: {0}; it stays pending, because an earlier request for it may still be \
         carried out: run this again in a quarter of an hour"
    )]
    RefusedAndPending(Box<KpasswdRefusal>),
    /// The password service could not be asked. The present secret is in force.
    #[error("the domain could not be asked: {0}")]
    NotAsked(#[source] Box<ChangeError>),
    /// No domain controller could be asked whether a secret is in force.
    #[error("{0}; what was pending stays so, and the next run goes on from there")]
    Unavailable(#[source] Box<ReplaceError>),
    /// Nobody knows what became of the request, but the present secret is in force still.
    #[error(
        "{cause}; the present secret is in force still. The new password stays pending, because the request may yet be \
         carried out: run this again"
    )]
    NotChangedYet {
        /// What came in the place of an answer.
        cause: Box<UnknownCause>,
    },
    /// Nobody knows what became of the request, and neither password is accepted.
    #[error("{cause}; now neither the present nor the new password is accepted. The new one stays pending")]
    Undetermined {
        /// What came in the place of an answer.
        cause: Box<UnknownCause>,
    },
    /// The password is in force, and nobody tells the version of its keys.
    #[error(
        "the password is changed, but neither the directory nor a ticket tells the version of its keys; it stays pending: \
         run this again"
    )]
    VersionUnknown,
    /// A file could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The clock shows a time that cannot be written into a keytab.
    #[error("the clock shows a time before 1970 or after 2106")]
    Clock,
    /// Somebody asked to stop; what is on disk is whole, and the next run goes on from there.
    #[error("stopped; the next run goes on from here")]
    Stopped,
}
