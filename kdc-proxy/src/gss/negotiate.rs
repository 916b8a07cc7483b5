//! SPNEGO around the Kerberos mechanism, the initiator's side (RFC 4178 section 4.2 and 5).
//!
//! Kerberos is the only mechanism offered, so the acceptor can choose nothing weaker, and the MIC over the list is only
//! exchanged where the acceptor asks for it or sends its own.

use zeroize::Zeroizing;

use super::context::Context;
use super::flags::ContextFlags;
use super::framing::{TokenId, is_kerberos, mech_types, open_kerberos_token};
use super::initiator::{ContextError, Initiator, Progress, Stage, refusal};
use crate::message::negotiation::{NegState, NegTokenResp};

/// What became of the MICs over the list of mechanisms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Negotiation {
    answered: bool,
    sent: bool,
    verified: bool,
}

impl Negotiation {
    /// Takes the acceptor's `NegTokenResp`.
    pub(super) fn step(
        mut self,
        token: &[u8],
        stage: Stage,
        flags: ContextFlags,
    ) -> Result<Progress, ContextError> {
        let answer = NegTokenResp::parse(token).map_err(|_| ContextError::Malformed)?;
        let outcome = self.outcome(&answer)?;
        self.answered = true;
        let mut context = complete(stage, answer.response_token.as_deref(), flags)?;
        if let Some(mic) = answer.mech_list_mic.as_deref().filter(|mic| !mic.is_empty()) {
            if self.verified {
                return Err(ContextError::Malformed);
            }
            context.verify_mic(&mech_types(), mic).map_err(|_| ContextError::MechListMic)?;
            self.verified = true;
        }
        self.conclude(outcome, context, flags)
    }

    /// What the acceptor says of the negotiation. Required in its first answer.
    fn outcome(&self, answer: &NegTokenResp) -> Result<NegState, ContextError> {
        if answer.supported_mech.as_deref().is_some_and(|mechanism| !is_kerberos(mechanism)) {
            return Err(ContextError::OtherMechanism);
        }
        match answer.state {
            Some(NegState::Reject) => Err(rejection(answer.response_token.as_deref())),
            Some(state) => Ok(state),
            None if self.answered => Ok(NegState::AcceptCompleted),
            None => Err(ContextError::Malformed),
        }
    }

    fn conclude(
        mut self,
        outcome: NegState,
        mut context: Box<Context>,
        flags: ContextFlags,
    ) -> Result<Progress, ContextError> {
        let due = match outcome {
            NegState::RequestMic => !self.sent,
            // An acceptor that is not done and has sent its MIC waits for ours.
            NegState::AcceptIncomplete => self.verified && !self.sent,
            NegState::AcceptCompleted | NegState::Reject => false,
        };
        if due {
            let mic = context.get_mic(&mech_types()).map_err(|_| ContextError::MechListMic)?;
            self.sent = true;
            let answer = NegTokenResp {
                state: Some(if self.verified {
                    NegState::AcceptCompleted
                } else {
                    NegState::AcceptIncomplete
                }),
                mech_list_mic: Some(mic),
                ..NegTokenResp::default()
            };
            let token = Zeroizing::new(answer.to_bytes());
            if self.verified {
                return Ok(Progress::Established { token: Some(token), context });
            }
            let initiator = Box::new(Initiator::negotiating(flags, Stage::Done(context), self));
            return Ok(Progress::Continue { token, initiator });
        }
        match outcome {
            // Whoever asked for a MIC answers with his own.
            NegState::AcceptCompleted if self.verified || !self.sent => {
                Ok(Progress::Established { token: None, context })
            }
            NegState::AcceptCompleted => Err(ContextError::MechListMic),
            NegState::AcceptIncomplete | NegState::RequestMic | NegState::Reject => {
                Err(ContextError::Malformed)
            }
        }
    }
}

/// Completes the Kerberos mechanism with the token inside the acceptor's answer.
fn complete(
    stage: Stage,
    response_token: Option<&[u8]>,
    flags: ContextFlags,
) -> Result<Box<Context>, ContextError> {
    match (stage, response_token.filter(|token| !token.is_empty())) {
        (Stage::Sent(sent), Some(token)) => Ok(Box::new(sent.prove(token, flags)?)),
        (Stage::Sent(_), None) => Err(ContextError::NotProven),
        (Stage::Done(context), None) => Ok(context),
        (Stage::Done(_), Some(token)) => Err(match open_kerberos_token(token) {
            Some((TokenId::Error, message)) => refusal(message),
            _ => ContextError::Malformed,
        }),
    }
}

/// The reason of a rejection, where the acceptor gives one.
fn rejection(response_token: Option<&[u8]>) -> ContextError {
    match response_token.and_then(open_kerberos_token) {
        Some((TokenId::Error, message)) => refusal(message),
        _ => ContextError::Rejected,
    }
}
