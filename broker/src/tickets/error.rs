//! Why there is no delegated ticket.

use kdc_proxy::net::client::ClientError;
use thiserror::Error;

use super::binding::Unbound;
use super::{AccountRefused, Diagnosed, Mismatch, SubjectError};
use crate::policy::NotConfirmed;

/// No delegated ticket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The account cannot be asked for.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The domain controller vouches for somebody else than the directory named. A security event.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// By the groups that the domain controller names, policies decide otherwise. A security event.
    #[error(transparent)]
    Membership(Box<NotConfirmed>),
    /// The domain controller says what the account is, and such an account is never delegated.
    #[error(transparent)]
    Account(#[from] AccountRefused),
    /// The domain gives no ticket because of how it is set up, or of what state an account is in.
    #[error(transparent)]
    Diagnosed(Box<Diagnosed>),
    /// The Kerberos client failed in another way.
    #[error(transparent)]
    Client(ClientError),
    /// A service was asked for that the login was not planned for: a fault of ours.
    #[error("the service is not part of the login's plan")]
    NotPlanned,
}

impl From<NotConfirmed> for TicketError {
    fn from(not_confirmed: NotConfirmed) -> Self {
        Self::Membership(Box::new(not_confirmed))
    }
}

impl From<Unbound> for TicketError {
    fn from(unbound: Unbound) -> Self {
        match unbound {
            Unbound::Mismatch(mismatch) => Self::Mismatch(mismatch),
            Unbound::Account(refused) => Self::Account(refused),
        }
    }
}
