//! An established context: its messages wrapped and signed, and those of the acceptor opened and verified.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::flags::ContextFlags;
use super::message::{HEADER, Protection};
use super::sequence::Window;
use super::{mic, wrap};

/// Longest message that is wrapped or signed, in octets.
pub const MAX_MESSAGE_LENGTH: usize = 128 * 1024;

/// Longest token that is opened: the longest message with its header, confounder, checksum, copy of the header, and filler.
pub const MAX_TOKEN_LENGTH: usize = MAX_MESSAGE_LENGTH + 1024;

/// How a message is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageProtection {
    /// Against change.
    Integrity,
    /// Against change and reading.
    Confidentiality,
}

/// Why a message was not wrapped, signed, opened or verified. The context must not be used further: on a channel that keeps
/// order, a message that is refused was changed, repeated or left out by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Longer than [`MAX_MESSAGE_LENGTH`] or [`MAX_TOKEN_LENGTH`].
    #[error("message is longer than {MAX_MESSAGE_LENGTH} octets")]
    TooLong,
    /// The context was made without this protection.
    #[error("the context was not asked for {}", match .0 {
        MessageProtection::Integrity => "integrity",
        MessageProtection::Confidentiality => "confidentiality",
    })]
    NotNegotiated(MessageProtection),
    /// Not a token of the kind that is due.
    #[error("token is not of the kind that is due")]
    Malformed,
    /// A token that this side made came back.
    #[error("token does not come from the acceptor: it says that the initiator made it")]
    Reflected,
    /// The token says that it is under another key than the context's.
    #[error("token is not under the context's key")]
    OtherKey,
    /// Changed on the way, or made with another key.
    #[error("token fails its integrity check")]
    Integrity,
    /// The token came before.
    #[error("token was seen before")]
    Replayed,
    /// The token is older than those that are remembered.
    #[error("token is too old to tell whether it was seen before")]
    TooOld,
    /// The token before it is missing.
    #[error("token does not follow the last one: one is missing or out of order")]
    OutOfOrder,
    /// As many messages were sent as a context can number.
    #[error("the context has no sequence numbers left")]
    Exhausted,
}

/// An established context, the initiator's side. Wiped on drop; `Debug` shows its flags.
#[derive(Debug)]
pub struct Context {
    flags: ContextFlags,
    protection: Protection,
    next: u64,
    window: Window,
}

impl Context {
    /// `sent` and `received` are the initial sequence numbers of both sides.
    pub(super) fn new(flags: ContextFlags, protection: Protection, sent: u32, received: u32) -> Self {
        let window = Window::new(received, flags.contains(ContextFlags::SEQUENCE));
        Self { flags, protection, next: u64::from(sent), window }
    }

    /// What the context was asked for.
    #[must_use]
    pub const fn flags(&self) -> ContextFlags {
        self.flags
    }

    /// `GSS_Wrap` (RFC 2743 section 2.3.3): a token with the message inside, at most 60 octets longer than it.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], [`MessageError::NotNegotiated`], [`MessageError::Exhausted`].
    pub fn wrap<R: CryptoRng + ?Sized>(
        &mut self,
        message: &[u8],
        how: MessageProtection,
        rng: &mut R,
    ) -> Result<Vec<u8>, MessageError> {
        self.check_offered(how)?;
        let sequence = self.number(message)?;
        Ok(wrap::make(&self.protection, message, how, sequence, rng))
    }

    /// `GSS_Unwrap` (RFC 2743 section 2.3.4): the message inside a token of the acceptor, and how it was protected. Whoever
    /// expects secrecy refuses what was only protected against change.
    ///
    /// # Errors
    /// [`MessageError`] by the check that failed.
    pub fn unwrap(&mut self, token: &[u8]) -> Result<(Zeroizing<Vec<u8>>, MessageProtection), MessageError> {
        if token.len() > MAX_TOKEN_LENGTH {
            return Err(MessageError::TooLong);
        }
        self.check_offered(MessageProtection::Integrity)?;
        let (message, how, sequence) = wrap::open(&self.protection, token)?;
        self.window.accept(sequence)?;
        Ok((message, how))
    }

    /// `GSS_GetMIC` (RFC 2743 section 2.3.1): a token that protects a message which travels beside it.
    ///
    /// # Errors
    /// [`MessageError::TooLong`], [`MessageError::NotNegotiated`], [`MessageError::Exhausted`].
    pub fn get_mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MessageError> {
        self.check_offered(MessageProtection::Integrity)?;
        let sequence = self.number(message)?;
        Ok(mic::make(&self.protection, message, sequence))
    }

    /// `GSS_VerifyMIC` (RFC 2743 section 2.3.2): whether a token of the acceptor fits the message.
    ///
    /// # Errors
    /// [`MessageError`] by the check that failed.
    pub fn verify_mic(&mut self, message: &[u8], token: &[u8]) -> Result<(), MessageError> {
        if message.len() > MAX_MESSAGE_LENGTH || token.len() > MAX_TOKEN_LENGTH {
            return Err(MessageError::TooLong);
        }
        self.check_offered(MessageProtection::Integrity)?;
        let sequence = mic::verify(&self.protection, message, token)?;
        self.window.accept(sequence)
    }

    const fn check_offered(&self, how: MessageProtection) -> Result<(), MessageError> {
        let needed = match how {
            MessageProtection::Integrity => ContextFlags::INTEGRITY,
            MessageProtection::Confidentiality => ContextFlags::CONFIDENTIALITY,
        };
        if self.flags.contains(needed) { Ok(()) } else { Err(MessageError::NotNegotiated(how)) }
    }

    /// The number of the next message, which must not be too long.
    fn number(&mut self, message: &[u8]) -> Result<u64, MessageError> {
        if message.len() > MAX_MESSAGE_LENGTH {
            return Err(MessageError::TooLong);
        }
        let number = self.next;
        self.next = number.checked_add(1).ok_or(MessageError::Exhausted)?;
        Ok(number)
    }
}

const _: () =
    assert!(MAX_TOKEN_LENGTH > MAX_MESSAGE_LENGTH + 2 * HEADER + 64, "the longest message fits its token");
