//! The KDCs of one realm with what is known of them: which answer, which hang, and whom to ask next. Times are arguments.
//!
//! A KDC that failed is passed over for a while, longer after each further failure, until it answers again. One that
//! is silent though asked is passed over at once, before anybody's time is over: the kernel of a frozen host still takes
//! connections, so that nothing but its silence tells.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::locate::Preference;
use super::transport::Endpoint;

/// A KDC that has said nothing to anybody for so long while a request waits is silent. It answers in milliseconds, and one
/// that is overloaded still answers somebody.
pub(super) const SILENCE: Duration = Duration::from_millis(500);
/// A request that waits for so long is worth another KDC, even where others get their answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// How long a KDC is passed over after its first failure, and at most.
const FIRST_PENALTY: Duration = Duration::from_secs(10);
const MAX_PENALTY: Duration = Duration::from_secs(300);

/// The KDCs of a realm, nearest first.
#[derive(Debug)]
pub(super) struct KdcList {
    kdcs: Vec<Kdc>,
}

#[derive(Debug)]
struct Kdc {
    endpoint: Endpoint,
    /// Failures since it last answered.
    failures: u32,
    passed_over_until: Option<Instant>,
    /// Since when it answers or fails.
    since: SystemTime,
    /// When it last answered.
    heard: Option<Instant>,
    /// When each request was sent that it has not answered.
    unanswered: Vec<Instant>,
}

/// What an answer, or its absence, changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// Nothing that was not known.
    Same,
    /// It answered before, and no longer does.
    Lost,
    /// It failed before, and answers again.
    Back,
}

impl Kdc {
    fn new(endpoint: Endpoint, since: SystemTime) -> Self {
        Self { endpoint, failures: 0, passed_over_until: None, since, heard: None, unanswered: Vec::new() }
    }

    /// When its silence begins to count, if it is asked something and stays silent.
    fn silent_from(&self) -> Option<Instant> {
        let oldest = self.unanswered.iter().min()?;
        self.heard.max(Some(*oldest))?.checked_add(SILENCE)
    }

    fn is_ready(&self, now: Instant) -> bool {
        let is_silent = self.silent_from().is_some_and(|from| from <= now);
        !is_silent && self.passed_over_until.is_none_or(|until| until <= now)
    }
}

impl KdcList {
    pub(super) fn new(endpoints: Vec<Endpoint>, since: SystemTime) -> Self {
        let mut list = Self { kdcs: Vec::new() };
        list.replace(endpoints, since);
        list
    }

    /// Takes other KDCs, or another order. What is known of those that stay is kept.
    pub(super) fn replace(&mut self, endpoints: Vec<Endpoint>, now: SystemTime) {
        let mut known = std::mem::take(&mut self.kdcs);
        for endpoint in endpoints {
            let place = known.iter().position(|kdc| kdc.endpoint.is_same(&endpoint));
            let kdc = match place {
                Some(place) => Kdc { endpoint, ..known.swap_remove(place) },
                None => Kdc::new(endpoint, now),
            };
            self.kdcs.push(kdc);
        }
    }

    /// All KDCs in the order to try them: those that are ready, the preferred one first and then the nearest, and at
    /// the end those that are passed over.
    pub(super) fn in_order(&self, near: &Preference, now: Instant) -> Vec<Endpoint> {
        let mut order: Vec<&Kdc> = self.kdcs.iter().collect();
        order.sort_by_key(|kdc| (!kdc.is_ready(now), !near.is_for(&kdc.endpoint)));
        order.into_iter().map(|kdc| kdc.endpoint.clone()).collect()
    }

    /// Whether the KDC is there and not passed over.
    pub(super) fn is_ready(&self, endpoint: &Endpoint, now: Instant) -> bool {
        self.find(endpoint).is_some_and(|kdc| kdc.is_ready(now))
    }

    /// When a request sent at `sent` is worth another KDC, if nothing is heard until then.
    pub(super) fn doubtful_from(&self, endpoint: &Endpoint, sent: Instant) -> Instant {
        let silent = self.find(endpoint).and_then(Kdc::silent_from);
        silent.map_or(sent + PATIENCE, |from| from.min(sent + PATIENCE))
    }

    /// A request is on its way.
    pub(super) fn asked(&mut self, endpoint: &Endpoint, sent: Instant) {
        self.find_mut(endpoint).into_iter().for_each(|kdc| kdc.unanswered.push(sent));
    }

    /// Nobody waits any more for the answer to a request sent at `sent`. Says nothing about the KDC.
    pub(super) fn forget(&mut self, endpoint: &Endpoint, sent: Instant) {
        let Some(kdc) = self.find_mut(endpoint) else { return };
        if let Some(place) = kdc.unanswered.iter().position(|instant| *instant == sent) {
            kdc.unanswered.swap_remove(place);
        }
    }

    /// The KDC gave no usable answer.
    pub(super) fn failed(&mut self, endpoint: &Endpoint, now: Instant, wall: SystemTime) -> Turn {
        let Some(kdc) = self.find_mut(endpoint) else { return Turn::Same };
        let answered_before = kdc.failures == 0;
        // Requests that are on their way together fail together: they count as one.
        if kdc.passed_over_until.is_none_or(|until| until <= now) {
            kdc.failures = kdc.failures.saturating_add(1);
        }
        let doublings = kdc.failures.saturating_sub(1).min(8);
        let penalty = FIRST_PENALTY.saturating_mul(1 << doublings).min(MAX_PENALTY);
        kdc.passed_over_until = kdc.passed_over_until.max(now.checked_add(penalty));
        if answered_before {
            kdc.since = wall;
            return Turn::Lost;
        }
        Turn::Same
    }

    /// The KDC answered.
    pub(super) fn answered(&mut self, endpoint: &Endpoint, now: Instant, wall: SystemTime) -> Turn {
        let Some(kdc) = self.find_mut(endpoint) else { return Turn::Same };
        kdc.heard = Some(now);
        kdc.passed_over_until = None;
        if std::mem::take(&mut kdc.failures) == 0 {
            return Turn::Same;
        }
        kdc.since = wall;
        Turn::Back
    }

    /// Those that failed and have not answered since.
    pub(super) fn failing(&self) -> Vec<Endpoint> {
        self.kdcs.iter().filter(|kdc| kdc.failures > 0).map(|kdc| kdc.endpoint.clone()).collect()
    }

    /// Every KDC, whether it answers, and since when.
    pub(super) fn states(&self) -> impl Iterator<Item = (&Endpoint, bool, SystemTime)> {
        self.kdcs.iter().map(|kdc| (&kdc.endpoint, kdc.failures == 0, kdc.since))
    }

    /// The KDC that runs on the preferred domain controller.
    pub(super) fn preferred(&self, near: &Preference) -> Option<&Endpoint> {
        self.kdcs.iter().map(|kdc| &kdc.endpoint).find(|endpoint| near.is_for(endpoint))
    }

    fn find(&self, endpoint: &Endpoint) -> Option<&Kdc> {
        self.kdcs.iter().find(|kdc| kdc.endpoint.is_same(endpoint))
    }

    fn find_mut(&mut self, endpoint: &Endpoint) -> Option<&mut Kdc> {
        self.kdcs.iter_mut().find(|kdc| kdc.endpoint.is_same(endpoint))
    }
}

#[cfg(test)]
mod tests;
