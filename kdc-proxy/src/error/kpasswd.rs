//! What a server that changes passwords answers (RFC 3244 section 2).

use std::fmt;

use super::{ApRepError, KdcRefusal};

/// Why a password was not changed, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KpasswdError {
    /// The server refused, and has proven that it was the server: the password is what it was.
    #[error("{0}")]
    Refused(KpasswdRefusal),
    /// A KRB-ERROR came, which anybody can send: the password may have been changed.
    #[error("a refusal came that nobody signed: {error}{}", result.as_ref().map_or_else(String::new, |result| format!(", {result}")))]
    Unproven {
        /// What the KRB-ERROR says.
        error: KdcRefusal,
        /// The result in its data, where there is one.
        result: Option<KpasswdRefusal>,
    },
    /// The answer failed a check, a security event: the password may have been changed.
    #[error("answer refused: {0}")]
    Reply(#[from] KpasswdReplyError),
}

/// A check of the answer that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KpasswdReplyError {
    /// Its lengths contradict each other, or what is in it is not what belongs there.
    #[error("message is malformed")]
    Malformed,
    /// Of a version nobody knows.
    #[error("version {0:#06x} is not known")]
    Version(u16),
    /// The server has not opened our AP-REQ.
    #[error(transparent)]
    ApRep(#[from] ApRepError),
    /// The result is not encrypted under the key we sent.
    #[error("result does not decrypt under the key of the request")]
    Decryption,
    /// An error that says that all went well, which no server sends.
    #[error("an error claims success")]
    SuccessInError,
}

/// A refusal with the server's reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KpasswdRefusal {
    /// The result code.
    pub result: KpasswdResult,
    /// The domain's policy, which Active Directory sends in the place of a text.
    pub policy: Option<PasswordPolicy>,
    /// The server's text without control characters, at most 200 characters.
    pub text: Option<String>,
}

/// The domain's policy for passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters.
    pub minimum_length: u32,
    /// How many earlier passwords may not come back.
    pub history: u32,
    /// Whether characters of three kinds are asked for.
    pub is_complex: bool,
    /// How many days a password must have been in force.
    pub minimum_days: u64,
}

/// A result code other than success (RFC 3244 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KpasswdResult {
    /// KRB5_KPASSWD_MALFORMED, 1.
    Malformed,
    /// KRB5_KPASSWD_HARDERROR, 2.
    HardError,
    /// KRB5_KPASSWD_AUTHERROR, 3.
    AuthError,
    /// KRB5_KPASSWD_SOFTERROR, 4: the policy.
    SoftError,
    /// KRB5_KPASSWD_ACCESSDENIED, 5.
    AccessDenied,
    /// KRB5_KPASSWD_BAD_VERSION, 6.
    BadVersion,
    /// KRB5_KPASSWD_INITIAL_FLAG_NEEDED, 7.
    InitialFlagNeeded,
    /// Any other number.
    Other(u16),
}

impl KpasswdResult {
    /// The result of a number; `None` for 0, which is success.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Malformed,
            2 => Self::HardError,
            3 => Self::AuthError,
            4 => Self::SoftError,
            5 => Self::AccessDenied,
            6 => Self::BadVersion,
            7 => Self::InitialFlagNeeded,
            other => Self::Other(other),
        })
    }
}

impl fmt::Display for KpasswdResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the server does not understand the request (KRB5_KPASSWD_MALFORMED)",
            Self::HardError => "the server failed (KRB5_KPASSWD_HARDERROR)",
            Self::AuthError => "the server did not accept the ticket (KRB5_KPASSWD_AUTHERROR)",
            Self::SoftError => "the password policy refused (KRB5_KPASSWD_SOFTERROR)",
            Self::AccessDenied => "the account may not change its password (KRB5_KPASSWD_ACCESSDENIED)",
            Self::BadVersion => "the server does not know the protocol version (KRB5_KPASSWD_BAD_VERSION)",
            Self::InitialFlagNeeded => {
                "the server wants a ticket of an as exchange (KRB5_KPASSWD_INITIAL_FLAG_NEEDED)"
            }
            Self::Other(number) => return write!(f, "the server refused with result {number}"),
        })
    }
}

impl fmt::Display for KpasswdRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.result.fmt(f)?;
        match (&self.policy, &self.text) {
            (Some(policy), _) => write!(f, ": {policy}"),
            (None, Some(text)) => write!(f, ": {text}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for PasswordPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = if self.is_complex { " of three kinds" } else { "" };
        write!(
            f,
            "at least {} characters{kinds}, none of the last {} passwords, not within {} day(s) of the last change",
            self.minimum_length, self.history, self.minimum_days
        )
    }
}
