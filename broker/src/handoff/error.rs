//! Why a hand-off, a redemption or a session's call is refused.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use kdc_proxy::gss::ContextError;
use thiserror::Error;

use super::ending::EndCause;
use super::forms::FormError;
use crate::policy::HandoverForm;

/// A login cannot be handed off.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum HandOffError {
    /// As many codes wait to be redeemed as the configuration allows.
    #[error("{limit} one-time codes wait to be redeemed: the limit of handoff.max_codes")]
    TooManyCodes {
        /// The limit.
        limit: usize,
    },
    /// As many codes of the person wait to be redeemed as the configuration allows one person.
    #[error(
        "{limit} one-time codes of this person wait to be redeemed: the limit of handoff.max_codes_per_person"
    )]
    TooManyCodesOfPerson {
        /// The limit.
        limit: usize,
    },
    /// What the session ends with leaves it no time.
    #[error("the session would have ended at {} with {with}, before it began", Timestamp::try_from(*end).unwrap_or_default())]
    NoTimeLeft {
        /// When it would have ended.
        end: SystemTime,
        /// What sets that end.
        with: EndsWith,
    },
    /// A new code equals a present one.
    #[error("the random source repeated itself")]
    RandomRepeated,
}

/// What a session ends with: whatever ends first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndsWith {
    /// A certificate of the card's path.
    Certificate,
    /// The domain controllers' evidence about the person.
    Evidence,
    /// `maximum_lifetime` of a deciding rule, or `@maximum_session` of a deciding policy.
    Rule,
    /// `handoff.session_lifetime`.
    Configuration,
}

impl fmt::Display for EndsWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "a certificate of the card's path",
            Self::Evidence => {
                "the evidence of the domain controllers (their clocks, or the domain's lifetime of service tickets)"
            }
            Self::Rule => "the maximum lifetime of the deciding policies",
            Self::Configuration => "handoff.session_lifetime",
        })
    }
}

/// A code cannot be redeemed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum RedeemError {
    /// The text cannot be a code.
    #[error("the code is malformed")]
    Malformed,
    /// Nothing is known about the code.
    #[error("the code was never made, or was forgotten long after its end")]
    Unknown,
    /// The code was redeemed before.
    #[error("the code was redeemed before: {gateway} showed it again")]
    Used {
        /// The gateway it was made for and redeemed by.
        gateway: String,
    },
    /// The code is too old.
    #[error("the code expired before {gateway} redeemed it")]
    Expired {
        /// The gateway it was made for.
        gateway: String,
    },
    /// The login was ended before its code was redeemed.
    #[error("the login was ended before its code was redeemed: {cause}")]
    Ended {
        /// Why.
        cause: EndCause,
    },
    /// The code was made for another gateway. It stays as it was.
    #[error("{tried_by} tried a code that was made for {made_for}")]
    WrongGateway {
        /// The rightful gateway.
        made_for: String,
        /// The caller.
        tried_by: String,
    },
    /// As many sessions are alive as the configuration allows. The code stays good until it expires.
    #[error("{limit} sessions are alive: the limit of handoff.max_sessions")]
    TooManySessions {
        /// The limit.
        limit: usize,
    },
    /// A new session identifier equals a present one. The code stays good until it expires.
    #[error("the random source repeated itself")]
    RandomRepeated,
}

/// A session cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum SessionError {
    /// The text cannot be a session identifier.
    #[error("the session identifier is malformed")]
    Malformed,
    /// No such session, any more.
    #[error("the session was never made, has ended or has expired")]
    Unknown,
    /// The session was ended before its time, and not by its gateway. Told to its gateway for ten minutes.
    #[error("the session was ended before its time: {cause}")]
    Ended {
        /// Why.
        cause: EndCause,
    },
    /// The session is of another gateway. It stays as it was.
    #[error("{tried_by} tried a session of {made_for}")]
    WrongGateway {
        /// The rightful gateway.
        made_for: String,
        /// The caller.
        tried_by: String,
    },
}

/// A session's credential cannot be given. `T` says why there is no ticket.
#[derive(Debug, Error)]
pub enum IssueTicketError<T> {
    /// The session cannot be used.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The rule does not grant the service.
    #[error("the service is not among the session's granted services")]
    NotGranted,
    /// The policies that permitted the login allow other forms only (`@handover`).
    #[error("the policies that permitted the login do not allow the form {form}")]
    FormNotAllowed {
        /// The form.
        form: HandoverForm,
    },
    /// There is no ticket.
    #[error(transparent)]
    Ticket(T),
    /// The ticket cannot be put into the form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// No security context can be begun with the ticket.
    #[error(transparent)]
    Context(#[from] ContextError),
}
