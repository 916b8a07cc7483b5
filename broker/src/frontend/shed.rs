//! Words about connections that were turned away: at most one line a second, with their number.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Counts what a listener turns away, and says so now and then.
#[derive(Debug)]
pub(super) struct Shed {
    listener: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    unsaid: u64,
}

impl Shed {
    pub(super) fn new(listener: &'static str) -> Self {
        Self { listener, state: Mutex::default() }
    }

    /// A connection was closed because there is no room for it.
    pub(super) fn connection(&self, peer: SocketAddr, now: Instant) {
        if let Some(count) = self.due(now) {
            tracing::warn!(listener = self.listener, %peer, count, "connection limit reached, connections closed");
        }
    }

    /// The system would not give us a connection.
    pub(super) fn accept_failed(&self, error: &io::Error, now: Instant) {
        if let Some(count) = self.due(now) {
            tracing::error!(listener = self.listener, %error, count, "connections cannot be accepted");
        }
    }

    /// Counts one more; the number of all that were not spoken of, if it is time to speak.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
        let shed = Shed::new("card");
        let start = crate::clock::instant();
        assert_eq!(shed.due(start), Some(1));
        for _ in 0..5 {
            assert_eq!(shed.due(start + Duration::from_millis(999)), None);
        }
        assert_eq!(shed.due(start + Duration::from_secs(1)), Some(6));
    }
}
