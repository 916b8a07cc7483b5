//! How a session ends: the cause, the one record of it, and how those who work on the session learn of it.
//!
//! Every end goes through [`Ending`], whoever brings it about, so that the log, the metrics and whatever else wants to know are
//! told of all of them alike.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::error::{EndsWith, SessionError};
use super::presented::Watched;
use crate::identity::IdentityError;

/// Why a session, or a code that was not redeemed yet, has ended. The words are stable.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EndCause {
    /// Its gateway ended it.
    Gateway,
    /// Its time was over by the configuration, the rule, or the domain controllers' evidence.
    Lifetime,
    /// A certificate of the card's path has ended.
    CertificateExpired,
    /// A certificate of the card's path was revoked.
    CertificateRevoked,
    /// No path leads to a root that is trusted now.
    CertificateUntrusted,
    /// The rules for cards no longer admit the certificate.
    CertificateUsage,
    /// The certificate is built in a way that is no longer accepted.
    CertificateInvalid,
    /// For longer than the grace nobody could say whether a certificate of the path is revoked, or revocation is not configured
    /// any more.
    RevocationUnknown,
    /// The account may not be used any more: it was disabled, has expired, or must not be delegated.
    AccountNotUsable,
    /// The directory has no such account any more.
    AccountGone,
    /// For longer than the grace the directory did not answer.
    AccountUnknown,
}

impl EndCause {
    /// Every cause.
    pub const ALL: [Self; 11] = [
        Self::Gateway,
        Self::Lifetime,
        Self::CertificateExpired,
        Self::CertificateRevoked,
        Self::CertificateUntrusted,
        Self::CertificateUsage,
        Self::CertificateInvalid,
        Self::RevocationUnknown,
        Self::AccountNotUsable,
        Self::AccountGone,
        Self::AccountUnknown,
    ];

    /// The stable word: in the log, in the metrics, and for gateways.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Lifetime => "lifetime",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CertificateUntrusted => "certificate_untrusted",
            Self::CertificateUsage => "certificate_usage",
            Self::CertificateInvalid => "certificate_invalid",
            Self::RevocationUnknown => "revocation_unknown",
            Self::AccountNotUsable => "account_not_usable",
            Self::AccountGone => "account_gone",
            Self::AccountUnknown => "account_unknown",
        }
    }

    /// Whether the gateway could know of it beforehand: it did it itself, or the session told its end.
    pub(super) const fn was_foreseen(self) -> bool {
        matches!(self, Self::Gateway | Self::Lifetime)
    }

    /// The cause of an end that came with its time.
    pub(super) const fn of_time(with: EndsWith) -> Self {
        match with {
            EndsWith::Certificate => Self::CertificateExpired,
            EndsWith::Evidence | EndsWith::Rule | EndsWith::Configuration => Self::Lifetime,
        }
    }
}

impl From<&IdentityError> for EndCause {
    fn from(error: &IdentityError) -> Self {
        match error {
            IdentityError::Revoked { .. } => Self::CertificateRevoked,
            IdentityError::Expired { .. } | IdentityError::NotYetValid { .. } => Self::CertificateExpired,
            IdentityError::Usage(_) => Self::CertificateUsage,
            IdentityError::Malformed { .. } => Self::CertificateInvalid,
            IdentityError::RevocationUnknown { .. }
            | IdentityError::RevocationNotConfigured
            | IdentityError::ClockUnusable => Self::RevocationUnknown,
            IdentityError::Untrusted(_) => Self::CertificateUntrusted,
        }
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The end of one session, or of a code that was not redeemed.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Whose session it was, and what it rested on.
    pub watched: Arc<Watched>,
    /// Why it ended.
    pub cause: EndCause,
    /// What an administrator may want to know beyond the cause.
    pub detail: Arc<str>,
    /// Whether its gateway had redeemed the code.
    pub redeemed: bool,
    /// When it ended.
    pub at: SystemTime,
}

impl Ending {
    /// Writes the one line of the log: a warning where neither the gateway nor the session's own time brought it about.
    pub(super) fn log(&self) {
        let Watched { facts, gateway, .. } = &*self.watched;
        let (login_id, rule, target) = (&facts.login_id, &facts.rule, &facts.target);
        let (account, sid) = (&facts.subject.sam_account_name, &facts.subject.sid);
        let certificate_sha256 = Hexadecimal(&facts.subject.certificate_sha256).to_string();
        let (cause, detail, redeemed) = (self.cause.as_str(), &*self.detail, self.redeemed);
        let at = Timestamp::try_from(self.at).unwrap_or_default().to_string();
        macro_rules! told {
            ($level:ident) => {
                tracing::$level!(
                    event = "session_ended",
                    cause,
                    login_id,
                    gateway,
                    account,
                    sid,
                    certificate_sha256,
                    target,
                    rule,
                    redeemed,
                    at,
                    detail,
                    "session ended"
                )
            };
        }
        if self.cause.was_foreseen() { told!(info) } else { told!(warn) }
    }
}

/// Whoever wants to know of every end, as it comes.
pub trait Endings: Send + Sync {
    /// A session has ended. Called outside of all locks, and not to take long.
    fn ended(&self, ending: &Ending);
}

/// Tells whoever works on a session for long that it is gone, and why.
#[derive(Clone, Debug, Default)]
pub struct SessionEnd {
    token: CancellationToken,
    cause: Arc<OnceLock<EndCause>>,
}

impl SessionEnd {
    /// Waits for the end; what a call that comes too late is told then.
    pub async fn ended(&self) -> SessionError {
        self.token.cancelled().await;
        match self.cause.get() {
            Some(cause) if !cause.was_foreseen() => SessionError::Ended { cause: *cause },
            Some(_) | None => SessionError::Unknown,
        }
    }

    /// Cancelled at the end.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

/// Ends the session for all who hold its [`SessionEnd`] when it is dropped.
#[derive(Debug, Default)]
pub(super) struct EndGuard(SessionEnd);

impl EndGuard {
    pub(super) fn end(&self) -> SessionEnd {
        self.0.clone()
    }

    /// Ends it for this cause.
    pub(super) fn because(self, cause: EndCause) {
        self.0.cause.get_or_init(|| cause);
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.token.cancel();
    }
}

/// Lower-case hexadecimal.
struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_word_of_its_own() {
        let words: BTreeSet<_> = EndCause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(words.len(), EndCause::ALL.len());
    }

    #[tokio::test]
    async fn whoever_waits_for_the_end_learns_why() {
        let guard = EndGuard::default();
        let end = guard.end();
        guard.because(EndCause::CertificateRevoked);
        assert_eq!(end.ended().await, SessionError::Ended { cause: EndCause::CertificateRevoked });
        let guard = EndGuard::default();
        let end = guard.end();
        drop(guard);
        assert_eq!(end.ended().await, SessionError::Unknown);
    }
}
