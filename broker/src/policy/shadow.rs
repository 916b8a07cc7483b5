//! Policies that are tried beside the live ones: what they would have decided, and where that differs.
//!
//! A candidate has no say. It is asked after the live policies have answered, on a thread of its own, and by few at a time: where
//! all of these are at work, a request is not put before it, and that is counted too.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::decide::{Decision, Request};
use super::denial::{Denial, Reason};
use super::engine::Policy;
use super::obligations::Obligations;

/// How many requests are put before a candidate at once.
const AT_ONCE: usize = 2;

/// What came of asking a candidate too.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ShadowOutcome {
    /// It answers as the live policies do.
    Same,
    /// The live policies permit, it denies.
    Stricter,
    /// The live policies deny, it permits.
    Looser,
    /// Both permit, for other services.
    OtherServices,
    /// Both permit the same services, and oblige to something else.
    OtherObligations,
    /// One of its policies cannot be evaluated.
    Failed,
    /// It was not asked: too many requests at once.
    Skipped,
}

impl ShadowOutcome {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Same,
        Self::Stricter,
        Self::Looser,
        Self::OtherServices,
        Self::OtherObligations,
        Self::Failed,
        Self::Skipped,
    ];

    /// The word in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Stricter => "live_permit_candidate_deny",
            Self::Looser => "live_deny_candidate_permit",
            Self::OtherServices => "other_services",
            Self::OtherObligations => "other_obligations",
            Self::Failed => "candidate_failed",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for ShadowOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who counts what came of it.
pub trait Tally: Send + Sync {
    /// One request was, or was not, put before the candidate.
    fn count(&self, outcome: ShadowOutcome);
}

/// A candidate, and who counts. Clones ask and count together.
#[derive(Clone)]
pub struct Shadow {
    candidate: Option<Arc<Policy>>,
    tally: Arc<dyn Tally>,
    turns: Arc<Semaphore>,
}

/// What the live policies answered, as far as it can differ.
#[derive(Clone, Debug)]
struct Live {
    policies: Vec<String>,
    granted: Option<(Vec<String>, Obligations)>,
}

impl Shadow {
    /// Nothing is tried until there is a candidate.
    pub fn new(tally: Arc<dyn Tally>) -> Self {
        Self { candidate: None, tally, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The same with another candidate, or none.
    #[must_use]
    pub fn trying(&self, candidate: Option<Arc<Policy>>) -> Self {
        Self { candidate, ..self.clone() }
    }

    /// Whether something is tried.
    #[must_use]
    pub const fn is_trying(&self) -> bool {
        self.candidate.is_some()
    }

    /// Puts a request before the candidate that the live policies have answered. Returns at once; what comes of it is counted and
    /// logged in the present span.
    pub fn ask(&self, request: Request, live: &Decision) {
        let Some(candidate) = self.candidate.clone() else { return };
        let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() else {
            self.tally.count(ShadowOutcome::Skipped);
            return;
        };
        let (live, tally, span) = (Live::of(live), Arc::clone(&self.tally), tracing::Span::current());
        // Nobody waits for it. Should it panic, it is this task that ends.
        drop(tokio::task::spawn_blocking(move || {
            let found = candidate.decide(request);
            let outcome = live.compare(&found);
            span.in_scope(|| tell(outcome, &live, &found));
            tally.count(outcome);
            drop(turn);
        }));
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow").field("is_trying", &self.is_trying()).finish_non_exhaustive()
    }
}

impl Live {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Permit(grant) => Self {
                policies: grant.policies().to_vec(),
                granted: Some((
                    grant.services().iter().map(ToString::to_string).collect(),
                    grant.obligations().clone(),
                )),
            },
            Decision::Deny(denial) => Self { policies: ids(denial), granted: None },
        }
    }

    fn compare(&self, found: &Decision) -> ShadowOutcome {
        match (&self.granted, found) {
            (_, Decision::Deny(denial)) if has_failed(denial) => ShadowOutcome::Failed,
            (None, Decision::Deny(_)) => ShadowOutcome::Same,
            (Some(_), Decision::Deny(_)) => ShadowOutcome::Stricter,
            (None, Decision::Permit(_)) => ShadowOutcome::Looser,
            (Some((services, obligations)), Decision::Permit(grant)) => {
                let others: Vec<String> = grant.services().iter().map(ToString::to_string).collect();
                if *services != others {
                    ShadowOutcome::OtherServices
                } else if obligations == grant.obligations() {
                    ShadowOutcome::Same
                } else {
                    ShadowOutcome::OtherObligations
                }
            }
        }
    }
}

fn has_failed(denial: &Denial) -> bool {
    denial.reasons().iter().any(|reason| matches!(reason, Reason::Failed { .. } | Reason::Facts(_)))
}

fn ids(denial: &Denial) -> Vec<String> {
    denial.policies().into_iter().map(str::to_owned).collect()
}

/// One line of the log for each difference.
fn tell(outcome: ShadowOutcome, live: &Live, found: &Decision) {
    let (policies, detail) = match found {
        Decision::Permit(grant) => (grant.policies().to_vec(), None),
        Decision::Deny(denial) => (ids(denial), Some(denial.to_string())),
    };
    let (live_policies, candidate_policies) = (live.policies.join(", "), policies.join(", "));
    if outcome == ShadowOutcome::Same {
        tracing::debug!(live_policies, candidate_policies, "the candidate policies decide alike");
        return;
    }
    tracing::warn!(
        event = "policy_difference",
        outcome = outcome.as_str(),
        live_policies,
        candidate_policies,
        detail,
        "the candidate policies decide otherwise than the live ones"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::policy::rule::Membership;
    use crate::policy::testing::{held, policies, request};

    /// Counts, and tells when something was counted.
    #[derive(Default)]
    struct Counted(Mutex<Vec<ShadowOutcome>>, tokio::sync::Notify);

    impl Tally for Counted {
        fn count(&self, outcome: ShadowOutcome) {
            self.0.lock().unwrap().push(outcome);
            self.1.notify_one();
        }
    }

    const LIVE: &str = r#"
@id("desks")
permit(principal in Kerbridge::Group::"Desktop Users",
       action in [Kerbridge::Action::"login", Kerbridge::Action::"delegate"], resource);
"#;

    fn asked(group: &str) -> Request {
        let membership = Membership { held: vec![held(group, "S-1-5-21-1-2-3-1104")], foreign: None };
        request(&membership, "gw1", "desk1.corp.example")
    }

    /// What comes of a candidate beside the live policies, for a member of this group.
    async fn outcome(candidate: &str, group: &str) -> ShadowOutcome {
        let counted = Arc::new(Counted::default());
        let tally: Arc<dyn Tally> = Arc::<Counted>::clone(&counted);
        let shadow = Shadow::new(tally).trying(Some(Arc::new(policies(candidate))));
        let live = Arc::new(policies(LIVE)).decide(asked(group));
        shadow.ask(asked(group), &live);
        counted.1.notified().await;
        let outcomes = counted.0.lock().unwrap().clone();
        let [outcome] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        *outcome
    }

    #[tokio::test]
    async fn each_kind_of_difference_is_told_from_the_others() {
        let forbid = r#"@id("no") forbid(principal, action == Kerbridge::Action::"login", resource);"#;
        let http = r#"@id("no-http") forbid(principal, action == Kerbridge::Action::"delegate", resource) when { context.service == "http" };"#;
        let fails = r#"@id("fails") forbid(principal, action == Kerbridge::Action::"login", resource) when { 9223372036854775807 + principal.authentication_level + 1 > 0 };"#;
        let short = LIVE.replace("@id(\"desks\")", "@id(\"desks\") @maximum_session(\"10m\")");
        for (candidate, group, expected) in [
            (LIVE.to_owned(), "Desktop Users", ShadowOutcome::Same),
            (LIVE.to_owned(), "Guests", ShadowOutcome::Same),
            (format!("{LIVE}{forbid}"), "Desktop Users", ShadowOutcome::Stricter),
            (LIVE.replace("Desktop Users", "Guests"), "Guests", ShadowOutcome::Looser),
            (format!("{LIVE}{http}"), "Desktop Users", ShadowOutcome::OtherServices),
            (short, "Desktop Users", ShadowOutcome::OtherObligations),
            (format!("{LIVE}{fails}"), "Desktop Users", ShadowOutcome::Failed),
        ] {
            assert_eq!(outcome(&candidate, group).await, expected, "{candidate}");
        }
    }

    #[tokio::test]
    async fn what_comes_while_all_are_at_work_is_left_out_and_counted() {
        let counted = Arc::new(Counted::default());
        let tally: Arc<dyn Tally> = Arc::<Counted>::clone(&counted);
        let shadow = Shadow::new(tally).trying(Some(Arc::new(policies(LIVE))));
        let live = Arc::new(policies(LIVE)).decide(asked("Desktop Users"));
        let turns = shadow.turns.try_acquire_many(2).expect("nobody is at work");
        shadow.ask(asked("Desktop Users"), &live);
        assert_eq!(*counted.0.lock().unwrap(), [ShadowOutcome::Skipped]);
        drop(turns);
        shadow.trying(None).ask(asked("Desktop Users"), &live);
        assert_eq!(counted.0.lock().unwrap().len(), 1, "nothing is tried");
    }
}
