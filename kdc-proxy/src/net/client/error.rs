//! Why the client has no ticket, by who must act.

use std::fmt;
use std::time::SystemTime;

use crate::error::{
    CredentialError, ErrorCode, ExchangeError, KdcRefusal, NtStatus, ReferralError, ReplyError, RequestError,
};
use crate::net::transport::{Endpoint, TransportError};
use crate::principal::Realm;
use crate::time::ClockOffset;

/// Which exchange failed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// AS exchange: our own ticket-granting ticket.
    As,
    /// TGS exchange in our own name.
    Tgs,
    /// S4U2Self: evidence for a user.
    S4u2Self,
    /// S4U2Proxy: a service ticket for a user.
    S4u2Proxy,
}

/// Why no KDC of the list was of use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attempt {
    /// Which KDC.
    pub kdc: Endpoint,
    /// What happened.
    pub failure: AttemptFailure,
}

/// What happened to an attempt, so that another KDC was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptFailure {
    /// No reply came.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// KDC_ERR_SVC_UNAVAILABLE: a service the KDC needs is not there.
    #[error("kdc says that a service it needs is unavailable")]
    ServiceUnavailable,
    /// Something answered that is no KDC.
    #[error("reply is not a kdc's")]
    NotAKdc,
}

/// Why there is no ticket.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No KDC of the list gave an answer: the network's or the KDCs' fault.
    #[error("no kdc answered: {}", Attempts(.attempts))]
    KdcUnavailable {
        /// One for each KDC that was tried, three at most, in the order in which they failed.
        attempts: Vec<Attempt>,
    },
    /// No KDC of the realm is known, so that nobody was asked.
    #[error("no kdc of realm {realm} is known")]
    NoKdc {
        /// The realm a request is for.
        realm: Realm,
    },
    /// The KDC refused. Its answer is not authenticated.
    #[error("kdc of {realm} refused at {stage}: {code}{}", Besides { status: *status, text: text.as_deref() })]
    KdcRefused {
        /// In which exchange.
        stage: Stage,
        /// Whose KDC it is.
        realm: Realm,
        /// The Kerberos error.
        code: ErrorCode,
        /// The Windows status, where the KDC sent one.
        status: Option<NtStatus>,
        /// Its words (`e-text`), without control characters, at most 200 of them.
        text: Option<String>,
    },
    /// A verified reply proves that the clocks differ by more than is allowed.
    #[error("kdc's clock differs by {offset}: ours showed {}, the kdc's {}", Time(*.local), Time(.offset.apply(*.local)))]
    ClockSkew {
        /// The KDC's clock against ours.
        offset: ClockOffset,
        /// What our clock showed.
        local: SystemTime,
    },
    /// The KDC claims, without proof, that the clocks differ by more than can be tried, or again after a correction.
    #[error("kdc claims that its clock differs by {offset}")]
    ClaimedSkew {
        /// The KDC's clock against ours, as claimed.
        offset: ClockOffset,
    },
    /// A reply failed a check. A security event: never retried, not with another KDC either.
    #[error("reply refused: {0}")]
    ReplyRefused(ReplyError),
    /// The KDC refers to another realm, and that is not followed.
    #[error("at {stage} {referral}")]
    Referral {
        /// In which exchange.
        stage: Stage,
        /// Where it refers to, and why that is not followed.
        referral: ReferralError,
    },
    /// Our own keys or password do not serve.
    #[error("own credential does not serve: {0}")]
    Credential(CredentialError),
    /// The request could not be made.
    #[error("request cannot be made: {0}")]
    Request(RequestError),
}

impl ClientError {
    /// The error of an exchange that ended.
    pub(super) fn new(stage: Stage, error: ExchangeError) -> Self {
        match error {
            ExchangeError::Kdc(KdcRefusal { realm, code, status, text }) => {
                Self::KdcRefused { stage, realm, code, status, text }
            }
            ExchangeError::Reply(error) => Self::ReplyRefused(error),
            ExchangeError::ClockSkew { offset, local } => Self::ClockSkew { offset, local },
            ExchangeError::ClaimedSkew { offset } => Self::ClaimedSkew { offset },
            ExchangeError::Referral(referral) => Self::Referral { stage, referral },
            ExchangeError::Credential(error) => Self::Credential(error),
            ExchangeError::Request(error) => Self::Request(error),
        }
    }

    /// Whether the KDC no longer accepts a ticket of ours: its keys or our own have changed since it was issued, or what we
    /// were told beside the ticket was not true.
    pub(super) fn is_about_stale_tickets(&self) -> bool {
        let Self::KdcRefused { code, .. } = self else { return false };
        matches!(
            *code,
            ErrorCode::KDC_ERR_TGT_REVOKED
                | ErrorCode::KRB_AP_ERR_BAD_INTEGRITY
                | ErrorCode::KRB_AP_ERR_MODIFIED
                | ErrorCode::KRB_AP_ERR_BADKEYVER
                | ErrorCode::KRB_AP_ERR_BADMATCH
        )
    }

    /// Whether no KDC could be asked: the same may succeed later.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::KdcUnavailable { .. } | Self::NoKdc { .. })
    }

    /// Whether a KDC may refuse because a change of the directory has not reached it.
    pub(super) fn may_be_about_replication(&self) -> bool {
        let Self::KdcRefused { stage: Stage::S4u2Self | Stage::S4u2Proxy, code, .. } = self else {
            return false;
        };
        let unknown = [ErrorCode::KDC_ERR_C_PRINCIPAL_UNKNOWN, ErrorCode::KDC_ERR_S_PRINCIPAL_UNKNOWN];
        unknown.contains(code) || self.is_about_stale_tickets()
    }

    /// Whether the KDC did not accept our key, which it counts like a wrong password.
    #[must_use]
    pub fn is_about_own_key(&self) -> bool {
        matches!(self, Self::KdcRefused { stage: Stage::As, code: ErrorCode::KDC_ERR_PREAUTH_FAILED, .. })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::As => "as exchange",
            Self::Tgs => "tgs exchange",
            Self::S4u2Self => "s4u2self",
            Self::S4u2Proxy => "s4u2proxy",
        })
    }
}

/// Writes what a KDC says beside its code.
struct Besides<'a> {
    status: Option<NtStatus>,
    text: Option<&'a str>,
}

impl fmt::Display for Besides<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status {
            write!(f, ", {status}")?;
        }
        self.text.map_or(Ok(()), |text| write!(f, ", {text:?}"))
    }
}

/// Writes each KDC with its failure.
struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", attempt.kdc, attempt.failure)?;
        }
        Ok(())
    }
}

/// Writes a time as Kerberos does, in UTC.
struct Time(SystemTime);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::time::KerberosTime::from_system(self.0) {
            Ok(time) => time.fmt(f),
            Err(_) => f.write_str("a time before 1970 or after 2106"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::KerberosTime;
    use std::time::Duration;

    #[test]
    fn a_clock_skew_names_both_times() {
        let local = KerberosTime::from_unix_seconds(1_800_000_000).to_system();
        let offset = ClockOffset::between(local, local + Duration::from_secs(600));
        assert_eq!(
            ClientError::ClockSkew { offset, local }.to_string(),
            "kdc's clock differs by +600.000s: ours showed 20270115080000Z, the kdc's 20270115081000Z"
        );
    }

    #[test]
    fn every_kdc_that_was_tried_is_named() {
        let attempt = |kdc: &str, failure| Attempt { kdc: kdc.parse().unwrap(), failure };
        let error = ClientError::KdcUnavailable {
            attempts: vec![
                attempt("dc1", TransportError::ConnectTimeout.into()),
                attempt("dc2", AttemptFailure::ServiceUnavailable),
            ],
        };
        assert_eq!(
            error.to_string(),
            "no kdc answered: dc1:88: not connected in time; \
             dc2:88: kdc says that a service it needs is unavailable"
        );
    }

    #[test]
    fn a_refusal_names_stage_code_and_status() {
        let error = ClientError::KdcRefused {
            stage: Stage::S4u2Proxy,
            realm: Realm::new("CORP.EXAMPLE").unwrap(),
            code: ErrorCode::KDC_ERR_BADOPTION,
            status: Some(NtStatus::STATUS_NO_MATCH),
            text: Some("no \"match\"".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            r#"kdc of CORP.EXAMPLE refused at s4u2proxy: KDC_ERR_BADOPTION (13), STATUS_NO_MATCH, "no \"match\"""#
        );
    }
}
