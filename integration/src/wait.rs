//! The lab's clock: waiting for a condition, with a deadline. Nothing else in the harness sleeps or reads time.

use std::time::{Duration, Instant, SystemTime};

/// A condition that did not come true in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not happen within {limit:?}")]
pub struct TimedOut {
    what: String,
    limit: Duration,
}

/// Asks `probe` every 20 ms until it gives a value.
///
/// # Errors
/// [`TimedOut`] when `limit` has passed; the probe is asked at least once.
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T, TimedOut> {
    let started = monotonic();
    loop {
        if let Some(value) = probe() {
            return Ok(value);
        }
        if monotonic().duration_since(started) >= limit {
            return Err(TimedOut { what: what.to_owned(), limit });
        }
        pause(Duration::from_millis(20));
    }
}

/// A reading of the monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the harness has one clock, and this is it")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the harness has one clock, and this is it")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Blocks this thread.
#[expect(clippy::disallowed_methods, reason = "the harness drives processes from plain threads")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_holds_needs_no_time() {
        assert_eq!(until("a value", Duration::ZERO, || Some(7)).unwrap(), 7);
    }

    #[test]
    fn a_condition_that_never_holds_is_named() {
        let error = until("the moon", Duration::from_millis(1), || None::<()>).unwrap_err();
        assert!(error.to_string().starts_with("the moon did not happen"), "{error}");
    }
}
