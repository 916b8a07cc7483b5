//! Handing a login over to its gateway: the one-time code, the session behind it, and the forms of credential.
//!
//! A gateway that is to hold no key gets no credential at all: [`SecurityContext`] plays the initiator for it.
//!
//! What a session rests on may cease to hold while it lives: the certificates of its login stay with it ([`Watched`]), whoever finds
//! that they are no longer good ends it ([`Desk::end_all`]), and every end is told in one place ([`Ending`]).
//!
//! No I/O but for the further tickets that [`Further`] asks for. Nothing is stored outside of memory: a restart ends every
//! session, and its person logs in again.

mod code;
mod context;
mod desk;
mod ending;
mod error;
pub mod forms;
mod login;
mod presented;
mod proxy_tokens;
mod session;
mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use self::code::{MalformedToken, Token};
pub use self::context::{Answer, ContextRequest, Counts, SecurityContext, SecurityContextError};
pub use self::desk::{Call, Desk, Further, Handoff, Opening, Settings};
pub use self::ending::{EndCause, Ending, Endings, SessionEnd};
pub use self::error::{EndsWith, HandOffError, IssueTicketError, RedeemError, SessionError};
pub use self::login::Login;
pub use self::presented::{PresentedChain, Watched};
pub use self::proxy_tokens::{NoProxyToken, ProxyAccess, ProxyPass, ProxyTokens};
pub use self::session::{SessionFacts, Subject};
pub use self::store::Census;
