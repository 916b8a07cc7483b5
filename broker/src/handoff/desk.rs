//! The desk: takes a login in, redeems its code, and serves the session's calls.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kdc_proxy::ticket::ServiceTicket;
use rand_core::CryptoRng;
use tokio::sync::Notify;
use zeroize::Zeroizing;

use super::code::Token;
use super::context::{Answer, Basis, ContextRequest, SecurityContext};
use super::ending::{EndCause, Endings, SessionEnd};
use super::error::{EndsWith, HandOffError, IssueTicketError, RedeemError, SessionError};
use super::forms::{Credential, Form};
use super::presented::{PresentedChain, Watched};
use super::proxy_tokens::{NoProxyToken, ProxyAccess, ProxyTokens};
use super::session::{Session, SessionFacts, Slot, Subject};
use super::store::{Census, Draft, Limits, Store};
use crate::policy::HandoverForm;

/// Lifetimes and limits.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a code may wait to be redeemed.
    pub code_lifetime: Duration,
    /// The longest a session may live, counted from the login.
    pub session_lifetime: Duration,
    /// How many codes may wait at once.
    pub max_codes: usize,
    /// How many of them may be one person's, by the security identifier of the account.
    pub max_codes_per_person: usize,
    /// How many sessions may live at once.
    pub max_sessions: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            code_lifetime: Duration::from_secs(60),
            session_lifetime: Duration::from_secs(8 * 3600),
            max_codes: 4096,
            max_codes_per_person: 32,
            max_sessions: 16384,
        }
    }
}

/// Where the tickets for further services come from.
pub trait Further: Send + Sync {
    /// What is kept of a login to ask with.
    type Basis: Send + Sync;
    /// Why there is no ticket.
    type Error;

    /// Asks a domain controller for the ticket to the `place`-th granted service, to end after `lifetime` at the latest.
    /// Whoever asks waits until `answer_by`.
    fn further(
        &self,
        basis: &Self::Basis,
        place: usize,
        lifetime: Duration,
        answer_by: Instant,
    ) -> impl Future<Output = Result<Arc<ServiceTicket>, Self::Error>> + Send;

    /// The domain controllers' time at the local time `now`, as far as it is known.
    fn kdc_time(&self, now: SystemTime) -> SystemTime;
}

/// A login that may be handed off.
pub struct Opening<B> {
    /// The only gateway that can redeem it.
    pub gateway: String,
    /// What the gateway will learn; `expires_at` is shortened to the session lifetime of the [`Settings`].
    pub facts: SessionFacts,
    /// What sets `expires_at`.
    pub ends_with: EndsWith,
    /// The ticket for the first granted service.
    pub first: Arc<ServiceTicket>,
    /// What further tickets are asked for with.
    pub basis: B,
    /// The card's certificates, to be judged again while the session lives.
    pub chain: Arc<PresentedChain>,
    /// When they were judged at the login.
    pub checked_at: SystemTime,
}

/// A login on its way to its gateway.
#[derive(Debug)]
pub struct Handoff {
    code: Token<32>,
    expires_in: Duration,
    gateway: String,
    subject: Subject,
}

impl Handoff {
    /// The one-time code, 43 characters of base64url. Secret until redeemed.
    #[must_use]
    pub fn code(&self) -> Zeroizing<String> {
        self.code.text()
    }

    /// How long the code works.
    #[must_use]
    pub const fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// The only gateway that can redeem it.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Who logged in.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// Who asks for a ticket to what.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The session's identifier, as the gateway sent it.
    pub session_id: &'a str,
    /// The calling gateway.
    pub gateway: &'a str,
    /// The service, as the gateway sent it.
    pub spn: &'a str,
    /// When the gateway no longer waits.
    pub answer_by: Instant,
}

/// Waiting codes and living sessions.
pub struct Desk<F: Further> {
    settings: Settings,
    source: Arc<F>,
    store: Store<Session<F::Basis>>,
    proxy: Option<Arc<ProxyTokens>>,
    endings: Option<Arc<dyn Endings>>,
    opened: Notify,
}

impl<F: Further> Desk<F> {
    /// An empty desk that asks `source` for further tickets.
    pub fn new(settings: Settings, source: Arc<F>) -> Self {
        let limits = Limits {
            codes: settings.max_codes,
            codes_per_person: settings.max_codes_per_person,
            sessions: settings.max_sessions,
        };
        let opened = Notify::new();
        Self { settings, source, store: Store::new(limits), proxy: None, endings: None, opened }
    }

    /// The same desk, whose sessions get tokens for the KDC proxy.
    #[must_use]
    pub fn with_proxy_tokens(self, tokens: Option<Arc<ProxyTokens>>) -> Self {
        Self { proxy: tokens, ..self }
    }

    /// The same desk, which tells of the end of every session.
    #[must_use]
    pub fn telling(self, endings: Arc<dyn Endings>) -> Self {
        Self { endings: Some(endings), ..self }
    }

    pub(super) fn source(&self) -> &F {
        &self.source
    }

    /// Takes a login in and makes the code for it.
    ///
    /// # Errors
    /// [`HandOffError`]: too many codes wait, at all or of this person, or the session would be over already.
    pub fn open(
        &self,
        opening: Opening<F::Basis>,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Handoff, HandOffError> {
        let Opening { gateway, mut facts, ends_with, first, basis, chain, checked_at } = opening;
        let (end, with) = earliest([
            (facts.expires_at, ends_with),
            (now + self.settings.session_lifetime, EndsWith::Configuration),
        ]);
        facts.expires_at = end;
        let expires_in = match end.duration_since(now) {
            Ok(left) if !left.is_zero() => left.min(self.settings.code_lifetime),
            Ok(_) | Err(_) => return Err(HandOffError::NoTimeLeft { end, with }),
        };
        let mut first = Some(first);
        let slots = facts.granted_spns.iter().map(|spn| Slot::new(spn.clone(), first.take())).collect();
        let subject = facts.subject.clone();
        let code = Token::draw(rng);
        let facts = Arc::new(facts);
        let draft = Draft {
            watched: Watched { gateway: gateway.clone(), facts: Arc::clone(&facts), chain, checked_at },
            code_expires_at: now + expires_in,
            session_end: (end, with),
            session: Session { facts, basis, slots },
        };
        let admitted = self.store.admit(&code, draft, now);
        self.tell();
        admitted?;
        self.opened.notify_one();
        Ok(Handoff { code, expires_in, gateway, subject })
    }

    /// Exchanges a code for its session: once, in time, and by its gateway. Returns the new session's identifier.
    ///
    /// # Errors
    /// [`RedeemError`].
    pub fn redeem(
        &self,
        code: &str,
        gateway: &str,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<(Token<16>, SessionFacts), RedeemError> {
        let code = Token::parse(code).map_err(|_| RedeemError::Malformed)?;
        let id = Token::draw(rng);
        let redeemed = self.store.redeem(&code, gateway, &id, now);
        self.tell();
        Ok((id, SessionFacts::clone(&redeemed?.facts)))
    }

    /// The way to the KDC proxy for a session that was just redeemed; nothing where the proxy knows no tokens, or the session
    /// has ended. To be asked once: every call makes another token.
    ///
    /// # Errors
    /// [`NoProxyToken`]. The session is of use without it.
    pub fn proxy_access(
        &self,
        id: &Token<16>,
        gateway: &str,
        now: SystemTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<ProxyAccess>, NoProxyToken> {
        let Some(tokens) = &self.proxy else { return Ok(None) };
        let Ok((session, end)) = self.live(id, gateway, now) else { return Ok(None) };
        tokens.grant(&session.facts, end.token(), now, rng).map(Some)
    }

    /// A credential for one granted service, in the form asked for.
    ///
    /// Asks a domain controller at the first call for a service other than the first. Bounded by the caller; a call that is
    /// dropped leaves nothing behind. `clock` is read again whenever time may have passed: a call may wait for its turn and
    /// for the domain controller, and neither may lengthen what the session allows.
    ///
    /// # Errors
    /// [`IssueTicketError`].
    pub async fn issue_ticket(
        &self,
        call: &Call<'_>,
        form: Form,
        clock: impl Fn() -> SystemTime + Send,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Credential, IssueTicketError<F::Error>> {
        let Held { ticket, spn, now, .. } = self.ticket(call, form.handover(), clock).await?;
        Ok(form.make(&ticket, spn, self.source.kdc_time(now), rng)?)
    }

    /// Begins a security context with one granted service: the first token to send to it, and the context that takes its
    /// answer. The caller ends the context when its session ends, and at its own end.
    ///
    /// Asks a domain controller as [`Self::issue_ticket`] does.
    ///
    /// # Errors
    /// [`IssueTicketError`].
    pub async fn init_security_context(
        &self,
        call: &Call<'_>,
        request: &ContextRequest,
        clock: impl Fn() -> SystemTime + Send,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<(SecurityContext, Answer), IssueTicketError<F::Error>> {
        let Held { ticket, spn, session_expires_at, session_end, now } =
            self.ticket(call, HandoverForm::SecurityContext, clock).await?;
        let kdc_time = self.source.kdc_time(now);
        let left = ticket.endtime().duration_since(kdc_time).unwrap_or_default();
        let expires_at = session_expires_at.min(now + left);
        let basis = Basis { ticket: &ticket, spn, expires_at, session_end };
        Ok(SecurityContext::begin(basis, request, kdc_time, rng)?)
    }

    /// The ticket for one granted service of a session that is alive when it is there.
    async fn ticket(
        &self,
        call: &Call<'_>,
        form: HandoverForm,
        clock: impl Fn() -> SystemTime + Send,
    ) -> Result<Held, IssueTicketError<F::Error>> {
        let id = Token::parse(call.session_id).map_err(|_| SessionError::Malformed)?;
        let (session, session_end) = self.live(&id, call.gateway, clock())?;
        // A refusal from here on belongs to a login, and its log line says to which.
        tracing::Span::current().record("login_id", &session.facts.login_id);
        let (place, slot) = session.slot(call.spn).ok_or(IssueTicketError::NotGranted)?;
        if !session.facts.obligations.allow(form) {
            return Err(IssueTicketError::FormNotAllowed { form });
        }
        let fresh = |now| {
            let lifetime = session.facts.expires_at.duration_since(now).unwrap_or_default();
            self.source.further(&session.basis, place, lifetime, call.answer_by)
        };
        let ticket = slot.ticket(&clock, fresh).await.map_err(IssueTicketError::Ticket)?;
        // The session may have ended while the domain controller was asked.
        let now = clock();
        self.live(&id, call.gateway, now)?;
        let (spn, session_expires_at) = (slot.spn().to_owned(), session.facts.expires_at);
        Ok(Held { ticket, spn, session_expires_at, session_end, now })
    }

    /// Ends a session and drops its secrets.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn end(&self, id: &str, gateway: &str, now: SystemTime) -> Result<SessionFacts, SessionError> {
        let id = Token::parse(id).map_err(|_| SessionError::Malformed)?;
        let ended = self.store.end(&id, gateway, now);
        self.tell();
        Ok(SessionFacts::clone(&ended?.facts))
    }

    /// Ends every session and every code that waits that rest on a chain (its [`PresentedChain::digest`]) and of which this is true,
    /// and drops their secrets. Security contexts and tokens of the KDC proxy end with them; the next call of their gateways is told
    /// the cause. Others are not looked at.
    ///
    /// [`PresentedChain::digest`]: super::PresentedChain::digest
    pub fn end_all(
        &self,
        cause: EndCause,
        detail: &str,
        now: SystemTime,
        chain: &[u8; 32],
        meant: impl Fn(&Watched) -> bool,
    ) {
        self.store.end_all((cause, detail), now, chain, meant);
        self.tell();
    }

    /// All codes that wait and all sessions that live, for whoever looks whether they still may.
    #[must_use]
    pub fn watched(&self, now: SystemTime) -> Vec<Arc<Watched>> {
        let watched = self.store.watched(now);
        self.tell();
        watched
    }

    /// When the next session ends by its time.
    #[must_use]
    pub fn next_end(&self) -> Option<SystemTime> {
        self.store.next_end()
    }

    /// Waits for the next login, whose session may end before all others. For one waiter.
    pub async fn opened(&self) {
        self.opened.notified().await;
    }

    /// The live session of that identifier, and what tells of its end.
    fn live(&self, id: &Token<16>, gateway: &str, now: SystemTime) -> Result<Alive<F::Basis>, SessionError> {
        let found = self.store.session(id, gateway, now);
        self.tell();
        found
    }

    /// Tells of what has ended: the one place where that is done.
    fn tell(&self) {
        for ending in self.store.take_endings() {
            ending.log();
            if let Some(endings) = &self.endings {
                endings.ended(&ending);
            }
        }
    }

    /// Drops what has expired, with its secrets, and counts what is left. To be called every few seconds, and at
    /// [`Self::next_end`]: nothing else drops a session that nobody asks for.
    pub fn sweep(&self, now: SystemTime) -> Census {
        if let Some(tokens) = &self.proxy {
            tokens.sweep(now);
        }
        let census = self.store.sweep(now);
        self.tell();
        census
    }
}

/// A session that is alive, and what tells of its end.
type Alive<B> = (Arc<Session<B>>, SessionEnd);

/// A ticket of a session.
struct Held {
    ticket: Arc<ServiceTicket>,
    spn: String,
    session_expires_at: SystemTime,
    session_end: SessionEnd,
    /// When the session was last seen alive.
    now: SystemTime,
}

/// The end that comes first, and whose it is; of equal ends the first in the list.
pub(super) fn earliest<const ENDS: usize>(ends: [(SystemTime, EndsWith); ENDS]) -> (SystemTime, EndsWith) {
    const { assert!(ENDS > 0, "a session ends") };
    ends.into_iter().min_by_key(|(end, _)| *end).expect("there is at least one end")
}

#[cfg(test)]
mod tests;
