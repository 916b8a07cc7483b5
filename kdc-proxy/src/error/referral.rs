//! Why a referral is not followed (RFC 6806 section 8).

use crate::principal::Realm;

/// A verified reply refers to another realm, and that is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferralError {
    /// The realm is not configured.
    #[error("kdc refers to realm {realm}, which is not configured")]
    NotConfigured {
        /// Where the KDC refers to.
        realm: Realm,
    },
    /// The realm was asked before: the referrals go in a circle.
    #[error("kdc refers back to realm {realm}, which has been asked already")]
    Visited {
        /// Where the KDC refers to.
        realm: Realm,
    },
    /// More referrals than [`crate::exchange::realms::MAX_REFERRALS`].
    #[error("kdc refers to realm {realm} after too many other realms")]
    TooMany {
        /// Where the KDC refers to.
        realm: Realm,
    },
    /// The KDC of the service's own realm refers elsewhere for the service itself.
    #[error("kdc of the service's own realm refers to realm {realm} for the service itself")]
    AwayFromHome {
        /// Where the KDC refers to.
        realm: Realm,
    },
    /// The referral gives no right to act for the user: the KDC took the S4U2Proxy request for an ordinary one.
    #[error(
        "kdc refers to realm {realm} without the right to act for the user there: it does not delegate across realms"
    )]
    WithoutDelegation {
        /// Where the KDC refers to.
        realm: Realm,
    },
}

impl ReferralError {
    /// Where the KDC refers to.
    #[must_use]
    pub const fn realm(&self) -> &Realm {
        match self {
            Self::NotConfigured { realm }
            | Self::Visited { realm }
            | Self::TooMany { realm }
            | Self::AwayFromHome { realm }
            | Self::WithoutDelegation { realm } => realm,
        }
    }
}
