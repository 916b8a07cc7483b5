//! What the attempts of one exchange know of each other: whom each waits for, and who gave no answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::error::{Attempt, AttemptFailure, ClientError};
use crate::net::kdc_list::PATIENCE;
use crate::net::transport::Endpoint;
use crate::principal::Realm;

/// Shared by the attempts of one exchange.
#[derive(Debug, Default)]
pub(super) struct Course(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By the number of the attempt.
    waiting: BTreeMap<usize, Waiting>,
    attempts: Vec<Attempt>,
    /// Which attempt has shown our key to a KDC, and when.
    shown: Option<(usize, Instant)>,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) realm: Realm,
    pub(super) kdc: Endpoint,
    pub(super) sent: Instant,
}

impl Course {
    /// The attempt waits for a KDC.
    pub(super) fn waits(&self, attempt: usize, waiting: Waiting) {
        self.lock().waiting.insert(attempt, waiting);
    }

    pub(super) fn no_longer_waits(&self, attempt: usize) {
        self.lock().waiting.remove(&attempt);
    }

    /// The KDC gave no answer.
    pub(super) fn failed(&self, kdc: Endpoint, failure: AttemptFailure) {
        self.lock().attempts.push(Attempt { kdc, failure });
    }

    /// Whether the attempt may show our key to its KDC. Each KDC that does not accept it counts it, so that no two see it at once;
    /// but one that says nothing for long is not waited for.
    pub(super) fn may_show_key(&self, attempt: usize, now: Instant) -> bool {
        let mut state = self.lock();
        let may = state.shown.is_none_or(|(other, since)| other == attempt || now >= since + PATIENCE);
        if may {
            state.shown = Some((attempt, now));
        }
        may
    }

    /// Whether a KDC has just been shown our key.
    pub(super) fn is_judging_key(&self, now: Instant) -> bool {
        self.lock().shown.is_some_and(|(_, since)| now < since + PATIENCE)
    }

    /// The attempt is over.
    pub(super) fn ended(&self, attempt: usize) {
        let mut state = self.lock();
        state.shown = state.shown.filter(|(other, _)| *other != attempt);
    }

    /// The requests that are on their way.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        self.lock().waiting.values().cloned().collect()
    }

    /// Whether an attempt waits for the KDC, or it gave no answer: no further attempt asks it.
    pub(super) fn is_taken(&self, kdc: &Endpoint) -> bool {
        let is_waited_for = self.lock().waiting.values().any(|waiting| waiting.kdc.is_same(kdc));
        is_waited_for || self.has_failed(kdc)
    }

    /// Whether the KDC gave no answer.
    pub(super) fn has_failed(&self, kdc: &Endpoint) -> bool {
        self.lock().attempts.iter().any(|attempt| attempt.kdc.is_same(kdc))
    }

    /// The error of an exchange for which no KDC is left.
    pub(super) fn unavailable(&self) -> ClientError {
        ClientError::KdcUnavailable { attempts: self.lock().attempts.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
