//! The one place of this crate where clocks are read: for the age of connections and of cached names, and for comparison with
//! a server's.

use std::time::SystemTime;

use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "net/ is where this crate meets the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for comparison with a server's.
#[expect(clippy::disallowed_methods, reason = "net/ is where this crate meets the clock")]
pub(super) fn wall() -> SystemTime {
    SystemTime::now()
}
