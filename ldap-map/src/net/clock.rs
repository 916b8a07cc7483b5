//! The one place of this crate where a clock is read: for the age of connections and of cached names.

use tokio::time::Instant;

#[expect(clippy::disallowed_methods, reason = "net/ is where this crate meets the clock")]
pub(super) fn now() -> Instant {
    Instant::now()
}
