//! The interface's words for a security context, and ours.

use kdc_proxy::gss::{ContextFlags, Mechanism, MessageProtection};
use prost_types::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use super::v1;
use super::v1::init_security_context_response::Step as Response;
use crate::handoff::forms::{Binding, BindingError};
use crate::handoff::{Answer, ContextRequest, SecurityContext};

/// A request of a context is not what the interface definition says.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(super) enum MalformedStep {
    /// The first request is no `start`, or a later one is.
    #[error("start is the first request of a stream, and only the first")]
    Start,
    /// Nothing is asked.
    #[error("the request asks for nothing that is known")]
    Empty,
    /// A field of `start` is empty.
    #[error("{0} is empty")]
    Field(&'static str),
    /// None of the mechanisms.
    #[error("mechanism is none of the known mechanisms")]
    Mechanism,
    /// None of the flags.
    #[error("flags has one that is none of the known flags")]
    Flag,
    /// None of the protections.
    #[error("protection is none of the known protections")]
    Protection,
    /// The binding is none.
    #[error(transparent)]
    Binding(#[from] BindingError),
}

/// The flags by their names, in the order they are told.
const FLAGS: [(v1::ContextFlag, ContextFlags); 4] = [
    (v1::ContextFlag::Mutual, ContextFlags::MUTUAL),
    (v1::ContextFlag::Sequence, ContextFlags::SEQUENCE),
    (v1::ContextFlag::Confidentiality, ContextFlags::CONFIDENTIALITY),
    (v1::ContextFlag::Integrity, ContextFlags::INTEGRITY),
];

/// What `start` asks for.
pub(super) fn asked(start: &v1::StartContext) -> Result<ContextRequest, MalformedStep> {
    if start.session_id.is_empty() {
        return Err(MalformedStep::Field("session_id"));
    }
    if start.spn.is_empty() {
        return Err(MalformedStep::Field("spn"));
    }
    let mechanism = match v1::Mechanism::try_from(start.mechanism) {
        Ok(v1::Mechanism::Spnego) => Mechanism::Spnego,
        Ok(v1::Mechanism::Kerberos) => Mechanism::Kerberos,
        Ok(v1::Mechanism::Unspecified) | Err(_) => return Err(MalformedStep::Mechanism),
    };
    let mut flags = ContextFlags::default();
    for number in &start.flags {
        let known = FLAGS.iter().find(|(name, _)| i32::from(*name) == *number);
        let (_, flag) = known.ok_or(MalformedStep::Flag)?;
        flags = flags.union(*flag);
    }
    let binding = match start.channel_bindings.as_slice() {
        [] => None,
        data => Some(Binding::parse(data)?),
    };
    Ok(ContextRequest { mechanism, flags, binding })
}

/// How a message is to be protected.
pub(super) fn protection(number: i32) -> Result<MessageProtection, MalformedStep> {
    match v1::Protection::try_from(number) {
        Ok(v1::Protection::Integrity) => Ok(MessageProtection::Integrity),
        Ok(v1::Protection::Confidentiality) => Ok(MessageProtection::Confidentiality),
        Ok(v1::Protection::Unspecified) | Err(_) => Err(MalformedStep::Protection),
    }
}

/// What a token leads to.
pub(super) fn answered(context: &SecurityContext, answer: Answer) -> Response {
    let octets = |mut token: Zeroizing<Vec<u8>>| std::mem::take(&mut *token);
    match answer {
        Answer::Continue(token) => Response::Token(v1::ContextToken { token: octets(token) }),
        Answer::Established(token) => {
            let has = context.flags().unwrap_or_default();
            let flags = FLAGS.iter().filter(|(_, flag)| has.contains(*flag)).map(|(name, _)| (*name).into());
            Response::Established(v1::ContextEstablished {
                token: token.map(octets).unwrap_or_default(),
                flags: flags.collect(),
                expires_at: Some(Timestamp::from(context.expires_at())),
            })
        }
    }
}

/// A message that was taken out of its token.
pub(super) fn unwrapped(mut message: Zeroizing<Vec<u8>>, how: MessageProtection) -> Response {
    let protection = match how {
        MessageProtection::Integrity => v1::Protection::Integrity,
        MessageProtection::Confidentiality => v1::Protection::Confidentiality,
    };
    let message = std::mem::take(&mut *message);
    Response::Unwrapped(v1::Unwrapped { message, protection: protection.into() })
}

/// The word for a mechanism in logs.
pub(super) const fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Spnego => "spnego",
        Mechanism::Kerberos => "kerberos",
    }
}
