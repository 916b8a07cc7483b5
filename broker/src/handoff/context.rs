//! A security context of a session: the initiator's side, played for a gateway that holds no key of it.

use std::fmt;
use std::time::SystemTime;

use kdc_proxy::gss::{
    Ask, Context, ContextError, ContextFlags, Initiator, Mechanism, MessageError, MessageProtection, Progress,
};
use kdc_proxy::ticket::ServiceTicket;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use super::ending::SessionEnd;
use super::forms::Binding;

/// What a context is to be.
#[derive(Clone, Debug)]
pub struct ContextRequest {
    /// How its tokens are framed.
    pub mechanism: Mechanism,
    /// Its services.
    pub flags: ContextFlags,
    /// What ties it to one channel.
    pub binding: Option<Binding>,
}

/// What a token of the service leads to.
pub enum Answer {
    /// This goes to the service, whose answer is due next.
    Continue(Zeroizing<Vec<u8>>),
    /// The context is established; this goes to the service first, if there is anything.
    Established(Option<Zeroizing<Vec<u8>>>),
}

/// Why a step of a context is refused. The context is over then.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SecurityContextError {
    /// A message before the context is established, or after it was over.
    #[error("a message came before the context was established")]
    NotEstablished,
    /// A token that makes a context, for one that is established.
    #[error("a token came although the context is established")]
    Established,
    /// No context came about.
    #[error(transparent)]
    Making(#[from] ContextError),
    /// A message is refused.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// How many messages went through a context.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// By `wrap`.
    pub wrapped: u64,
    /// By `unwrap`.
    pub unwrapped: u64,
    /// By `get_mic`.
    pub signed: u64,
    /// By `verify_mic`.
    pub verified: u64,
}

/// A security context with a granted service, in the making or established. Its keys are wiped with it.
pub struct SecurityContext {
    state: State,
    counts: Counts,
    spn: String,
    expires_at: SystemTime,
    session_end: SessionEnd,
}

enum State {
    Making(Box<Initiator>),
    Established(Box<Context>),
    Over,
}

/// What a context is made of.
pub(super) struct Basis<'a> {
    pub(super) ticket: &'a ServiceTicket,
    /// The service, as granted.
    pub(super) spn: String,
    /// When the ticket or the session ends, by our clock.
    pub(super) expires_at: SystemTime,
    pub(super) session_end: SessionEnd,
}

impl SecurityContext {
    /// Begins a context. `now` is the domain controllers' time.
    pub(super) fn begin(
        basis: Basis<'_>,
        request: &ContextRequest,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Answer), ContextError> {
        let Basis { ticket, spn, expires_at, session_end } = basis;
        let ask = Ask {
            ticket,
            mechanism: request.mechanism,
            flags: request.flags,
            bindings: request.binding.as_ref().map(Binding::bindings),
        };
        let progress = Initiator::start(&ask, now, rng)?;
        let (state, answer) = State::after(progress);
        let context = Self { state, counts: Counts::default(), spn, expires_at, session_end };
        Ok((context, answer))
    }

    /// Takes the service's answer to the last token.
    ///
    /// # Errors
    /// [`SecurityContextError::Making`], and [`SecurityContextError::Established`] when none is due.
    pub fn step(&mut self, token: &[u8]) -> Result<Answer, SecurityContextError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Making(initiator) => {
                let (state, answer) = State::after(initiator.step(token)?);
                self.state = state;
                Ok(answer)
            }
            State::Established(_) => Err(SecurityContextError::Established),
            State::Over => Err(SecurityContextError::NotEstablished),
        }
    }

    /// Puts a message to the service into a token.
    ///
    /// # Errors
    /// [`SecurityContextError`].
    pub fn wrap(
        &mut self,
        message: &[u8],
        how: MessageProtection,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, SecurityContextError> {
        let token = self.with(|context| context.wrap(message, how, rng))?;
        self.counts.wrapped = self.counts.wrapped.saturating_add(1);
        Ok(token)
    }

    /// Takes a message of the service out of its token.
    ///
    /// # Errors
    /// [`SecurityContextError`].
    pub fn unwrap(
        &mut self,
        token: &[u8],
    ) -> Result<(Zeroizing<Vec<u8>>, MessageProtection), SecurityContextError> {
        let opened = self.with(|context| context.unwrap(token))?;
        self.counts.unwrapped = self.counts.unwrapped.saturating_add(1);
        Ok(opened)
    }

    /// Makes the token that travels beside a message to the service.
    ///
    /// # Errors
    /// [`SecurityContextError`].
    pub fn get_mic(&mut self, message: &[u8]) -> Result<Vec<u8>, SecurityContextError> {
        let token = self.with(|context| context.get_mic(message))?;
        self.counts.signed = self.counts.signed.saturating_add(1);
        Ok(token)
    }

    /// Verifies the token beside a message of the service.
    ///
    /// # Errors
    /// [`SecurityContextError`].
    pub fn verify_mic(&mut self, message: &[u8], token: &[u8]) -> Result<(), SecurityContextError> {
        self.with(|context| context.verify_mic(message, token))?;
        self.counts.verified = self.counts.verified.saturating_add(1);
        Ok(())
    }

    /// The context's services, once it is established.
    #[must_use]
    pub fn flags(&self) -> Option<ContextFlags> {
        match &self.state {
            State::Established(context) => Some(context.flags()),
            State::Making(_) | State::Over => None,
        }
    }

    /// How many messages went through it.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The service, `class/host`, as granted.
    #[must_use]
    pub fn spn(&self) -> &str {
        &self.spn
    }

    /// When its ticket or its session ends, by our clock. The caller sees to it.
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// The end of the session, however it comes. The caller sees to it.
    #[must_use]
    pub const fn session_end(&self) -> &SessionEnd {
        &self.session_end
    }

    /// Works on the established context, which is over, and its keys wiped, with the first refusal.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&mut Context) -> Result<T, MessageError>,
    ) -> Result<T, SecurityContextError> {
        let State::Established(context) = &mut self.state else {
            self.state = State::Over;
            return Err(SecurityContextError::NotEstablished);
        };
        work(context).map_err(|error| {
            self.state = State::Over;
            error.into()
        })
    }
}

impl State {
    fn after(progress: Progress) -> (Self, Answer) {
        match progress {
            Progress::Continue { token, initiator } => (Self::Making(initiator), Answer::Continue(token)),
            Progress::Established { token, context } => {
                (Self::Established(context), Answer::Established(token))
            }
        }
    }
}

impl fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityContext")
            .field("spn", &self.spn)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Continue(_) => "Continue",
            Self::Established(_) => "Established",
        })
    }
}

#[cfg(test)]
mod tests;
