//! The servers with what is known of them: which answer, which hang, and whom to ask next. Times are arguments.
//!
//! A server that failed is passed over for a while, longer after each further failure, until it answers again. One that is
//! silent though asked is passed over at once, before anybody's time is over: the kernel of a frozen host still takes
//! connections, so that nothing but its silence tells.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::server::LdapServer;

/// A server that has said nothing to anybody for so long while a request waits is silent.
const SILENCE: Duration = Duration::from_millis(500);
/// A request that waits for so long is worth another server, even where others get their answers.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a server is passed over after its first failure, and at most.
const FIRST_PENALTY: Duration = Duration::from_secs(10);
const MAXIMUM_PENALTY: Duration = Duration::from_secs(300);

/// The servers, nearest first.
#[derive(Debug, Default)]
pub(super) struct ServerList(Vec<Known>);

/// A server and what is known of it.
#[derive(Debug)]
struct Known {
    server: LdapServer,
    /// Failures since it last answered.
    failures: u32,
    failed_at: Option<Instant>,
    passed_over_until: Option<Instant>,
    /// Since when it answers or fails.
    since: SystemTime,
    answered_at: Option<Instant>,
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

impl Known {
    const fn new(server: LdapServer, since: SystemTime) -> Self {
        Self {
            server,
            failures: 0,
            failed_at: None,
            passed_over_until: None,
            since,
            answered_at: None,
            unanswered: Vec::new(),
        }
    }

    fn silent_from(&self) -> Option<Instant> {
        let oldest = self.unanswered.iter().copied().min()?;
        Some(self.answered_at.map_or(oldest, |answered| answered.max(oldest)) + SILENCE)
    }

    fn is_ready(&self, now: Instant) -> bool {
        self.silent_from().is_none_or(|from| now < from)
            && self.passed_over_until.is_none_or(|until| until <= now)
    }
}

impl ServerList {
    /// Takes other servers, or another order. What is known of those that stay is kept.
    pub(super) fn replace(&mut self, servers: Vec<LdapServer>, now: SystemTime) {
        let mut before = std::mem::take(&mut self.0);
        let keep = |server: LdapServer| match before.iter().position(|known| known.server.is_same(&server)) {
            Some(place) => Known { server, ..before.swap_remove(place) },
            None => Known::new(server, now),
        };
        self.0 = servers.into_iter().map(keep).collect();
    }

    /// All servers in the order to try them, those that are passed over at the end.
    pub(super) fn in_order(&self, now: Instant) -> Vec<LdapServer> {
        let (ready, late): (Vec<&Known>, Vec<&Known>) = self.0.iter().partition(|known| known.is_ready(now));
        ready.into_iter().chain(late).map(|known| known.server.clone()).collect()
    }

    /// Whether a server other than this one is ready.
    pub(super) fn has_better_than(&self, server: &LdapServer, now: Instant) -> bool {
        self.0.iter().any(|known| !known.server.is_same(server) && known.is_ready(now))
    }

    /// When a request sent at `sent` is worth another server, if nothing is heard until then.
    pub(super) fn doubtful_from(&self, server: &LdapServer, sent: Instant) -> Instant {
        let silent = self.known(server).and_then(Known::silent_from);
        silent.map_or(sent + PATIENCE, |from| from.min(sent + PATIENCE))
    }

    /// A request is on its way.
    pub(super) fn asked(&mut self, server: &LdapServer, sent: Instant) {
        if let Some(known) = self.known_mut(server) {
            known.unanswered.push(sent);
        }
    }

    /// Nobody waits any more for the answer to a request sent at `sent`. Says nothing about the server.
    pub(super) fn forget(&mut self, server: &LdapServer, sent: Instant) {
        if let Some(known) = self.known_mut(server)
            && let Some(place) = known.unanswered.iter().position(|instant| *instant == sent)
        {
            known.unanswered.swap_remove(place);
        }
    }

    /// The server gave no usable answer.
    pub(super) fn failed(&mut self, server: &LdapServer, now: Instant, wall: SystemTime) -> Turn {
        let Some(known) = self.known_mut(server) else { return Turn::Same };
        let turn = if known.failures == 0 { Turn::Lost } else { Turn::Same };
        // Requests that are on their way together fail together: they count as one.
        if known.passed_over_until.is_none_or(|until| until <= now) {
            known.failures = known.failures.saturating_add(1);
        }
        let penalty = FIRST_PENALTY * (1 << known.failures.saturating_sub(1).min(8));
        known.passed_over_until = known.passed_over_until.max(Some(now + penalty.min(MAXIMUM_PENALTY)));
        known.failed_at = Some(now);
        if turn == Turn::Lost {
            known.since = wall;
        }
        turn
    }

    /// The server answered.
    pub(super) fn answered(&mut self, server: &LdapServer, now: Instant, wall: SystemTime) -> Turn {
        let Some(known) = self.known_mut(server) else { return Turn::Same };
        known.answered_at = Some(now);
        known.passed_over_until = None;
        if std::mem::take(&mut known.failures) == 0 {
            return Turn::Same;
        }
        known.since = wall;
        Turn::Back
    }

    /// Whether a connection that has rested since then may still be of use: the server is one of the list, and has not
    /// failed meanwhile.
    pub(super) fn trusts(&self, server: &LdapServer, since: Instant) -> bool {
        self.known(server).is_some_and(|known| known.failed_at.is_none_or(|failed| failed < since))
    }

    /// Those that failed and have not answered since.
    pub(super) fn failing(&self) -> Vec<LdapServer> {
        self.0.iter().filter(|known| known.failures > 0).map(|known| known.server.clone()).collect()
    }

    /// Every server, whether it answers, and since when.
    pub(super) fn states(&self) -> impl Iterator<Item = (&LdapServer, bool, SystemTime)> {
        self.0.iter().map(|known| (&known.server, known.failures == 0, known.since))
    }

    fn known(&self, server: &LdapServer) -> Option<&Known> {
        self.0.iter().find(|known| known.server.is_same(server))
    }

    fn known_mut(&mut self, server: &LdapServer) -> Option<&mut Known> {
        self.0.iter_mut().find(|known| known.server.is_same(server))
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::now;
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const WALL: SystemTime = SystemTime::UNIX_EPOCH;

    fn server(text: &str) -> LdapServer {
        text.parse().unwrap()
    }

    fn two() -> (ServerList, LdapServer, LdapServer) {
        let (one, two) = (server("dc1.corp.example"), server("dc2.corp.example"));
        let mut list = ServerList::default();
        list.replace(vec![one.clone(), two.clone()], WALL);
        (list, one, two)
    }

    #[test]
    fn a_server_that_failed_is_passed_over_until_its_penalty_ends_or_it_answers() {
        let (mut list, one, two) = two();
        let start = now();
        assert_eq!(Turn::Lost, list.failed(&one, start, WALL));
        assert_eq!(vec![two.clone(), one.clone()], list.in_order(start));
        assert_eq!(vec![one.clone(), two.clone()], list.in_order(start + FIRST_PENALTY));
        assert_eq!(vec![one.clone()], list.failing());
        assert_eq!(Turn::Back, list.answered(&one, start, WALL));
        assert_eq!(vec![one, two], list.in_order(start));
    }

    #[test]
    fn repeated_failures_last_longer_and_those_of_one_moment_count_once() {
        let (mut list, one, _) = two();
        let mut at = now();
        let mut penalties = Vec::new();
        for _ in 0..7 {
            for _ in 0..20 {
                list.failed(&one, at, WALL);
            }
            let ready = |seconds: &u64| list.in_order(at + Duration::from_secs(*seconds))[0] == one;
            let seconds = (0..).find(ready).unwrap();
            penalties.push(seconds);
            at += Duration::from_secs(seconds);
        }
        assert_eq!(vec![10, 20, 40, 80, 160, 300, 300], penalties);
    }

    #[test]
    fn a_silent_server_is_passed_over_and_one_that_answers_somebody_is_not_silent() {
        let (mut list, one, two) = two();
        let start = now();
        list.asked(&one, start);
        list.asked(&one, start + 100 * MS);
        assert!(list.has_better_than(&two, start + 499 * MS));
        assert!(!list.has_better_than(&two, start + 500 * MS));
        list.forget(&one, start);
        list.answered(&one, start + 450 * MS, WALL);
        assert_eq!(one, list.in_order(start + 949 * MS)[0]);
        assert_eq!(two, list.in_order(start + 950 * MS)[0]);
        assert_eq!(start + 950 * MS, list.doubtful_from(&one, start + 100 * MS));
        list.forget(&one, start + 100 * MS);
        assert_eq!(one, list.in_order(start + 10_000 * MS)[0]);
        assert_eq!(start + PATIENCE, list.doubtful_from(&one, start));
    }

    #[test]
    fn connections_that_rested_before_a_failure_are_not_trusted_after_it() {
        let (mut list, one, two) = two();
        let start = now();
        list.failed(&one, start + MS, WALL);
        list.answered(&one, start + 2 * MS, WALL);
        assert!(!list.trusts(&one, start) && list.trusts(&one, start + 2 * MS) && list.trusts(&two, start));
        assert!(!list.trusts(&server("dc3.corp.example"), start));
    }

    #[test]
    fn another_list_keeps_what_is_known_of_the_servers_that_stay() {
        let (mut list, one, _) = two();
        let (start, later) = (now(), WALL + Duration::from_secs(60));
        list.failed(&one, start, later);
        let (fixed, third) = (server("DC1.corp.example=10.0.0.1:636"), server("dc3.corp.example"));
        list.replace(vec![fixed.clone(), third.clone()], later);
        assert_eq!(vec![third, fixed], list.in_order(start));
        let states: Vec<_> = list.states().map(|(_, answers, since)| (answers, since)).collect();
        assert_eq!(vec![(false, later), (true, later)], states);
    }
}
