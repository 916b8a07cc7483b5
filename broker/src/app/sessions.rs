//! What keeps the desk true: sessions end at their time, and sooner where what they rest on no longer holds.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock, entropy,
    handoff::Desk,
    metrics::sessions::SessionMetrics,
    pipeline::Line,
    recheck::{self, Accounts, Certificates, Recheck},
    tickets::Issuer,
};

/// Begins to watch the sessions of a desk. Certificates are judged by the newest line, accounts by the directories, which stay.
pub(super) fn watch(
    desk: &Arc<Desk<Issuer>>,
    settings: recheck::Settings,
    line: &watch::Sender<Arc<Line>>,
    metrics: &SessionMetrics,
    (drain, tasks): (&CancellationToken, &TaskTracker),
) {
    tasks.spawn(recheck::sweep(Arc::clone(desk), metrics.clone(), clock::now, drain.clone()));
    let (newest, changed) = (line.subscribe(), line.subscribe());
    let domains = Arc::clone(&newest.borrow().domains);
    let newest = move || Arc::clone(&newest.borrow().validator);
    let recheck = Recheck {
        desk: Arc::clone(desk),
        ground: Arc::new(Certificates { newest, rng: entropy::system }),
        settings,
        metrics: metrics.clone(),
        clock: clock::now,
    };
    tasks.spawn(recheck::run(recheck, changed, entropy::system(), drain.clone()));
    let recheck = Recheck {
        desk: Arc::clone(desk),
        ground: Arc::new(Accounts { domains }),
        settings,
        metrics: metrics.of_accounts(),
        clock: clock::now,
    };
    tasks.spawn(recheck::run(recheck, line.subscribe(), entropy::system(), drain.clone()));
}
