//! Each step's error becomes a refusal: the code is chosen here, the text stays the error's own.

use super::{Code, Refusal, Step};
use crate::handoff::{HandOffError, RedeemError, SessionError};

impl From<HandOffError> for Refusal {
    fn from(error: HandOffError) -> Self {
        let code = match error {
            HandOffError::TooManyCodes { .. } => Code::Overloaded,
            HandOffError::NoTimeLeft { .. } => Code::CertificateExpired,
            HandOffError::RandomRepeated => Code::Internal,
        };
        Self::because(code, Step::HandOff, error)
    }
}

impl From<RedeemError> for Refusal {
    fn from(error: RedeemError) -> Self {
        let code = match error {
            RedeemError::Malformed | RedeemError::Unknown => Code::CodeUnknown,
            RedeemError::Used { .. } => Code::CodeUsed,
            RedeemError::Expired { .. } => Code::CodeExpired,
            RedeemError::WrongGateway { .. } => Code::CodeWrongGateway,
            RedeemError::TooManySessions { .. } => Code::Overloaded,
            RedeemError::RandomRepeated => Code::Internal,
        };
        Self::because(code, Step::Redeem, error)
    }
}

impl Refusal {
    /// The refusal of a session's call.
    #[must_use]
    pub fn from_session(error: SessionError, step: Step) -> Self {
        let code = match error {
            SessionError::Malformed | SessionError::Unknown => Code::SessionUnknown,
            SessionError::WrongGateway { .. } => Code::SessionWrongGateway,
        };
        Self::because(code, step, error)
    }
}
