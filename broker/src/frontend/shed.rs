//! Words about connections that were turned away: at most one line a second, with their number.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::room::Full;

/// Counts what a listener turns away, and says so now and then.
#[derive(Debug)]
pub(super) struct Shed {
    listener: &'static str,
    /// Of all clients.
    all: Pace,
    /// Of clients with too many connections: one of them must not silence what is said of all.
    of_address: Pace,
}

/// Lets one line a second through.
#[derive(Debug, Default)]
struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    unsaid: u64,
}

impl Shed {
    pub(super) fn new(listener: &'static str) -> Self {
        Self { listener, all: Pace::default(), of_address: Pace::default() }
    }

    /// A connection was closed because there is no room for it.
    pub(super) fn connection(&self, peer: SocketAddr, full: Full, now: Instant) {
        let pace = match full {
            Full::Listener => &self.all,
            Full::Address => &self.of_address,
        };
        if let Some(count) = pace.due(now) {
            tracing::warn!(
                listener = self.listener, %peer, limit = %full, count,
                "connection limit reached, connections closed"
            );
        }
    }

    /// The system would not give us a connection.
    pub(super) fn accept_failed(&self, error: &io::Error, now: Instant) {
        if let Some(count) = self.all.due(now) {
            tracing::error!(listener = self.listener, %error, count, "connections cannot be accepted");
        }
    }
}

impl Pace {
    /// Counts one more; the number of all that were not spoken of, if it is time to speak.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.unsaid = state.unsaid.saturating_add(1);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_that_counts_the_rest() {
        let pace = Pace::default();
        let start = crate::clock::instant();
        assert_eq!(pace.due(start), Some(1));
        for _ in 0..5 {
            assert_eq!(pace.due(start + Duration::from_millis(999)), None);
        }
        assert_eq!(pace.due(start + Duration::from_secs(1)), Some(6));
    }
}
