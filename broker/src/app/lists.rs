//! Keeps an eye on revocation lists: the directory of them is looked at again and again, and whoever reads the log and the metrics
//! knows in time which list is about to end.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    health::Failure,
    identity::{Bundle, BundleChange, Ending, ListState, Validator},
    metrics::identity::IdentityMetrics,
    pipeline::Line,
};

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Watches until the service ends. The newest configuration counts.
pub(super) async fn watch(
    line: watch::Receiver<Arc<Line>>,
    metrics: IdentityMetrics,
    drain: CancellationToken,
) {
    let mut told = Told::default();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        let validator = Arc::clone(&line.borrow().validator);
        if let Some(bundle) = validator.bundle() {
            look(bundle).await;
        }
        metrics.replace_lists(&validator.crls(), &validator.store().places());
        let Ok(states) = validator.list_states(crate::clock::now()) else { continue };
        for ListState { summary, ending } in told.news(states) {
            let (issuer, entries) = (&summary.issuer, summary.entries);
            let next_update = summary.next_update.map(|end| end.to_string()).unwrap_or_default();
            match ending {
                Ending::Over => tracing::error!(
                    issuer,
                    next_update,
                    entries,
                    "a revocation list has ended: what it speaks of is refused until there is a newer one"
                ),
                Ending::Soon => {
                    tracing::warn!(
                        issuer,
                        next_update,
                        entries,
                        "a revocation list ends soon and has no successor"
                    );
                }
                Ending::Later => {
                    tracing::info!(issuer, next_update, entries, "a revocation list has a successor");
                }
            }
        }
    }
}

/// Whether the lists of files are all right: the worst of them, for the status page.
pub(super) fn check(validator: &Validator) -> Result<(), Failure> {
    let states = validator.list_states(crate::clock::now()).unwrap_or_default();
    let worst = states.into_iter().max_by_key(|state| state.ending);
    let Some(ListState { summary, ending }) = worst else { return Ok(()) };
    let code = match ending {
        Ending::Later => return Ok(()),
        Ending::Soon => "revocation_list_ends_soon",
        Ending::Over => "revocation_list_ended",
    };
    let end = summary.next_update.map_or_else(|| "never".to_owned(), |end| end.to_string());
    Err(Failure { code, detail: format!("the list of {:?} ends at {end}", summary.issuer) })
}

/// Looks at the directory, and says in the log what has changed.
async fn look(bundle: Arc<Bundle>) {
    let changes = spawn_blocking(move || bundle.look()).await.unwrap_or_default();
    for BundleChange { path, lists, error } in changes {
        let path = path.display();
        match error {
            Some(error) => {
                tracing::warn!(%path, %error, lists, "no new revocation list from here; those before stay in use");
            }
            None => tracing::info!(%path, lists, "revocation lists read"),
        }
    }
}

/// The lists whose end is near, as far as it has been said: by issuer, scope and end.
#[derive(Default)]
struct Told(HashMap<(String, String, Option<Timestamp>), Ending>);

impl Told {
    /// The lists that there is something new to say of: each once for every step towards its end, and its successor once when it
    /// is there.
    fn news(&mut self, states: Vec<ListState>) -> Vec<ListState> {
        let key = |ListState { summary, .. }: &ListState| {
            (summary.issuer.clone(), summary.scope.to_string(), summary.next_update)
        };
        let is_near = |state: &&ListState| state.ending != Ending::Later;
        let near: HashMap<_, _> =
            states.iter().filter(is_near).map(|state| (key(state), state.ending)).collect();
        let gone = self.0.keys().filter(|key| !near.contains_key(*key));
        let mut succeeded: HashSet<(String, String)> =
            gone.map(|(issuer, scope, _)| (issuer.clone(), scope.clone())).collect();
        let mut is_news = |state: &ListState| {
            let key = key(state);
            match state.ending {
                Ending::Later => succeeded.remove(&(key.0, key.1)),
                ending => self.0.get(&key) != Some(&ending),
            }
        };
        let news = states.into_iter().filter(|state| is_news(state)).collect();
        self.0 = near;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{CrlScope, CrlSummary};

    fn state(end: &str, ending: Ending) -> ListState {
        let summary = CrlSummary {
            issuer: "CN=CA".to_owned(),
            this_update: "2026-01-01T00:00:00Z".parse().unwrap(),
            next_update: Some(end.parse().unwrap()),
            entries: 0,
            scope: CrlScope::Complete,
        };
        ListState { summary, ending }
    }

    #[test]
    fn every_step_towards_an_end_is_told_once() {
        let (old, new) = ("2026-01-08T00:00:00Z", "2026-01-15T00:00:00Z");
        let mut told = Told::default();
        let mut news = |end, ending| told.news(vec![state(end, ending)]).len();
        assert_eq!(news(old, Ending::Later), 0);
        assert_eq!(news(old, Ending::Soon), 1);
        assert_eq!(news(old, Ending::Soon), 0);
        assert_eq!(news(old, Ending::Over), 1);
        assert_eq!(news(old, Ending::Over), 0);
        assert_eq!(news(new, Ending::Later), 1);
        assert_eq!(news(new, Ending::Later), 0);
    }

    #[test]
    fn two_lists_of_one_issuer_are_told_of_once_each() {
        let states =
            || vec![state("2026-01-08T00:00:00Z", Ending::Soon), state("2026-01-09T00:00:00Z", Ending::Soon)];
        let mut told = Told::default();
        assert_eq!(told.news(states()).len(), 2);
        assert_eq!(told.news(states()), []);
    }
}
