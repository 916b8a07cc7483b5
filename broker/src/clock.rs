//! The only place in the broker that reads a clock.
//!
//! Everything else takes the time as an argument, so that a test decides what time it is. The listeners and
//! the wiring in [`crate::app`] call these functions and hand the result down.

use std::time::{Instant, SystemTime};

/// The wall clock: what certificates, tickets and sessions are judged by.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The monotonic clock: how long a step took, and when a cached answer is stale.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
#[must_use]
pub fn instant() -> Instant {
    Instant::now()
}
