//! The system's clocks and randomness.

use std::time::SystemTime;

use rand_core::{OsRng, TryRngCore, UnwrapErr};
use tokio::time::Instant;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "net/ is where this crate reads the clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "net/ is where this crate reads the clock")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// The operating system's random numbers. Without them no key could be made; the kernel has them once it has booted.
pub(super) fn random() -> UnwrapErr<OsRng> {
    OsRng.unwrap_err()
}
