//! Sessions end at their time, and codes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::handoff::{Desk, Further};
use crate::metrics::sessions::SessionMetrics;

/// Drops codes and sessions that have expired, with the tickets they hold, until `drain`: sessions at the moment of their end.
pub async fn sweep<F: Further>(
    desk: Arc<Desk<F>>,
    metrics: SessionMetrics,
    clock: impl Fn() -> SystemTime + Send,
    drain: CancellationToken,
) {
    loop {
        let now = clock();
        let census = desk.sweep(now);
        metrics.counted(census);
        tracing::trace!(codes = census.codes, sessions = census.sessions, "swept");
        let next = desk.next_end().map(|end| end.duration_since(now).unwrap_or_default());
        // A little later: a timer that is early would find nothing and be set again without end.
        let wait = next.map_or(SWEEP, |next| SWEEP.min(next.saturating_add(SLACK)));
        tokio::select! {
            biased;
            () = drain.cancelled() => return,
            () = sleep(wait) => {}
            () = desk.opened() => {}
        }
    }
}

/// How often expired codes are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// How much later than its end a session is dropped.
const SLACK: Duration = Duration::from_millis(2);
