//! The service's own ticket-granting ticket: obtained when it is needed, replaced before it ends, by one task at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::across::CrossRealmTickets;
use super::error::ClientError;
use crate::exchange::Clock;
use crate::exchange::as_exchange::Authenticated;
use crate::net::system;
use crate::net::transport::Endpoint;
use crate::ticket::ServiceTicket;

/// After a failed early replacement the old ticket serves this long before the next attempt.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How long our key is not tried again after the KDC did not accept it: the first time, and at most. A domain locks an
/// account after some ten wrong keys in ten minutes (`lockoutThreshold`).
const FIRST_KEY_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_KEY_PAUSE: Duration = Duration::from_secs(320);
/// How long a proof of our key is good enough, if something still cannot be opened with it.
const PROOF: Duration = Duration::from_secs(60);
/// A ticket this close to its end is not used for a new exchange.
const MARGIN: Duration = Duration::from_secs(5);

/// A ticket-granting ticket with what was learned when it was obtained.
#[derive(Debug)]
pub(super) struct OwnTicket {
    pub(super) authenticated: Authenticated,
    pub(super) kdc: Endpoint,
    /// When to replace it, by the KDC's clock.
    pub(super) due: SystemTime,
    /// What was got with it for other realms.
    pub(super) cross_realm: CrossRealmTickets,
}

/// Holds the ticket and lets only one task at a time obtain another.
#[derive(Debug, Default)]
pub(super) struct OwnTicketHolder {
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    ticket: Option<Arc<OwnTicket>>,
    /// How many attempts have ended, and how the last one failed.
    flights: u64,
    failure: Option<ClientError>,
    pause_until: Option<Instant>,
    /// The present pause, if the last attempt failed because the KDC did not accept our key.
    key_pause: Option<Duration>,
    /// When the present ticket was obtained, if that was to prove our key.
    proved_at: Option<Instant>,
}

impl State {
    /// The refusal of our key that still counts: to try it again now could lock the account.
    fn refusal_of_key(&self) -> Option<ClientError> {
        let pauses = self.pause_until.is_some_and(|until| system::instant() < until);
        if pauses && self.key_pause.is_some() { self.failure.clone() } else { None }
    }

    fn keep(&mut self, ticket: Arc<OwnTicket>) {
        self.ticket = Some(ticket);
        self.failure = None;
        self.pause_until = None;
        self.key_pause = None;
        self.proved_at = None;
    }

    fn note_failure(&mut self, error: &ClientError) {
        self.key_pause = error
            .is_about_own_key()
            .then(|| self.key_pause.map_or(FIRST_KEY_PAUSE, |pause| (pause * 2).min(LONGEST_KEY_PAUSE)));
        self.failure = Some(error.clone());
        self.pause_until = system::instant().checked_add(self.key_pause.unwrap_or(PAUSE_AFTER_FAILURE));
        if let Some(pause) = self.key_pause {
            tracing::warn!(%error, pause = pause.as_secs(), "kdc did not accept our key; it is not tried for a while");
        }
    }
}

impl OwnTicket {
    /// Due `renew_before` its end, but not before an eighth of its life has passed.
    pub(super) fn new(authenticated: Authenticated, kdc: Endpoint, renew_before: Duration) -> Self {
        let times = authenticated.tgt.ticket().times();
        let (start, end) = (times.starttime.to_system(), times.endtime.to_system());
        let most = end.duration_since(start).unwrap_or_default() / 8 * 7;
        if renew_before > most {
            tracing::warn!(
                wanted = renew_before.as_secs(),
                possible = most.as_secs(),
                "own ticket is short-lived: tickets of users may end sooner than they should"
            );
        }
        let due = end.checked_sub(renew_before.min(most)).unwrap_or(start);
        Self { authenticated, kdc, due, cross_realm: CrossRealmTickets::default() }
    }

    /// What exchanges with this ticket know of the KDC's clock.
    pub(super) const fn clock(&self, max_offset: Duration) -> Clock {
        Clock { offset: self.authenticated.clock_offset, max_offset }
    }

    /// The KDC's time.
    pub(super) fn kdc_time(&self) -> SystemTime {
        self.authenticated.clock_offset.apply(system::now())
    }

    fn is_due(&self) -> bool {
        self.kdc_time() >= self.due
    }

    fn has_ended(&self) -> bool {
        self.sees_the_end_of(self.authenticated.tgt.ticket())
    }

    /// Whether `ticket` has ended or is about to, by the KDC's clock.
    pub(super) fn sees_the_end_of(&self, ticket: &ServiceTicket) -> bool {
        ticket.endtime().duration_since(self.kdc_time()).map_or(true, |left| left <= MARGIN)
    }
}

impl OwnTicketHolder {
    /// The ticket as it is, without obtaining one.
    pub(super) fn current(&self) -> Option<Arc<OwnTicket>> {
        self.lock().ticket.clone()
    }

    /// Puts another ticket into the place of the present one, which was obtained with another credential.
    pub(super) fn install(&self, ticket: OwnTicket) {
        let mut state = self.lock();
        state.flights = state.flights.wrapping_add(1);
        state.keep(Arc::new(ticket));
    }

    /// Whether the KDC did not accept our key at the last attempt.
    pub(super) fn key_was_refused(&self) -> bool {
        self.lock().key_pause.is_some()
    }

    /// Drops the ticket if it is of the kind told, so that the next caller obtains another.
    pub(super) fn forget_if(&self, is_of_no_use: impl FnOnce(&OwnTicket) -> bool) {
        let mut state = self.lock();
        if state.ticket.as_deref().is_some_and(is_of_no_use) {
            state.ticket = None;
        }
    }

    /// A usable ticket; `obtain` is called if there is none or it is due.
    ///
    /// Of many concurrent callers one calls `obtain`; the others take what it got, its error included. While a ticket
    /// that is due still serves, nobody waits. A caller that is dropped leaves the work to the next.
    pub(super) async fn get<F>(&self, obtain: impl FnOnce() -> F) -> Result<Arc<OwnTicket>, ClientError>
    where
        F: Future<Output = Result<OwnTicket, ClientError>>,
    {
        let (ticket, flights, paused) = {
            let state = self.lock();
            let paused = state.pause_until.is_some_and(|until| system::instant() < until);
            (state.ticket.clone(), state.flights, paused)
        };
        match ticket {
            Some(ticket) if !ticket.is_due() => Ok(ticket),
            Some(ticket) if !ticket.has_ended() => {
                let Ok(_flight) = self.flight.try_lock() else { return Ok(ticket) };
                if paused || self.lock().flights != flights {
                    return Ok(self.current().unwrap_or(ticket));
                }
                match self.fly(obtain).await {
                    Ok(fresh) => Ok(fresh),
                    Err(error) => {
                        tracing::warn!(%error, "own ticket could not be replaced early; the old one serves on");
                        Ok(ticket)
                    }
                }
            }
            _ => self.wait_or_fly(flights, obtain).await,
        }
    }

    /// Another ticket than `refused`, which the KDC no longer accepts.
    pub(super) async fn replace<F>(
        &self,
        refused: &Arc<OwnTicket>,
        obtain: impl FnOnce() -> F,
    ) -> Result<Arc<OwnTicket>, ClientError>
    where
        F: Future<Output = Result<OwnTicket, ClientError>>,
    {
        let flights = {
            let mut state = self.lock();
            match &state.ticket {
                Some(current) if !Arc::ptr_eq(current, refused) => return Ok(Arc::clone(current)),
                _ => state.ticket = None,
            }
            state.flights
        };
        self.wait_or_fly(flights, obtain).await
    }

    /// Obtains another ticket than `used` to see whether the KDC still accepts our key, unless that was seen a moment ago. Where
    /// it does not, the present ticket stays: another KDC may not know of the change yet.
    pub(super) async fn prove_key<F>(
        &self,
        used: &Arc<OwnTicket>,
        obtain: impl FnOnce() -> F,
    ) -> Result<(), ClientError>
    where
        F: Future<Output = Result<OwnTicket, ClientError>>,
    {
        let _flight = self.flight.lock().await;
        {
            let state = self.lock();
            if let Some(refusal) = state.refusal_of_key() {
                return Err(refusal);
            }
            let is_fresh = state.proved_at.is_some_and(|proved| system::instant() < proved + PROOF);
            if is_fresh || !state.ticket.as_ref().is_some_and(|present| Arc::ptr_eq(present, used)) {
                return Ok(());
            }
        }
        self.fly(obtain).await?;
        self.lock().proved_at = Some(system::instant());
        Ok(())
    }

    /// Takes the result of an attempt that ended after `flights` was read, or makes one.
    async fn wait_or_fly<F>(
        &self,
        flights: u64,
        obtain: impl FnOnce() -> F,
    ) -> Result<Arc<OwnTicket>, ClientError>
    where
        F: Future<Output = Result<OwnTicket, ClientError>>,
    {
        let _flight = self.flight.lock().await;
        {
            let state = self.lock();
            if state.flights != flights {
                match (&state.failure, &state.ticket) {
                    (Some(error), _) => return Err(error.clone()),
                    (None, Some(ticket)) => return Ok(Arc::clone(ticket)),
                    (None, None) => {}
                }
            }
            if let Some(refusal) = state.refusal_of_key() {
                return Err(refusal);
            }
        }
        self.fly(obtain).await
    }

    /// Calls `obtain` and records its outcome; the caller holds the flight.
    async fn fly<F>(&self, obtain: impl FnOnce() -> F) -> Result<Arc<OwnTicket>, ClientError>
    where
        F: Future<Output = Result<OwnTicket, ClientError>>,
    {
        let outcome = obtain().await.map(Arc::new);
        let mut state = self.lock();
        state.flights = state.flights.wrapping_add(1);
        match &outcome {
            Ok(ticket) => state.keep(Arc::clone(ticket)),
            Err(error) => state.note_failure(error),
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
