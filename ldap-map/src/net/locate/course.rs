//! What a search that is repeated has come to, and when it is repeated. Pure: times and the random source are arguments.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rand_core::RngCore;

use super::{LocateError, Located};

/// How soon a failed round is tried again; each further one twice as late, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// What a search has come to so far; at first nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Search {
    /// What was found last, however long ago.
    pub located: Option<Arc<Located>>,
    /// Why the last round found nothing; none where it did.
    pub failing: Option<Failing>,
}

/// A search that finds nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failing {
    /// Since when.
    pub since: SystemTime,
    /// Why, as of the last round.
    pub error: LocateError,
}

impl Search {
    /// The same after one more round that ended now.
    pub(super) fn after(&self, round: Result<Arc<Located>, LocateError>, now: SystemTime) -> Self {
        match round {
            Ok(located) => Self { located: Some(located), failing: None },
            Err(error) => {
                let since = self.failing.as_ref().map_or(now, |failing| failing.since);
                Self { located: self.located.clone(), failing: Some(Failing { since, error }) }
            }
        }
    }
}

/// When to look again.
#[derive(Debug)]
pub(super) struct Course {
    interval: Duration,
    retry: Duration,
}

impl Course {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, retry: FIRST_RETRY }
    }

    /// How long to wait after a round. A tenth more or less, so that brokers which were started together part.
    pub(super) fn pause(&mut self, has_found: bool, rng: &mut impl RngCore) -> Duration {
        let pause = if has_found {
            self.retry = FIRST_RETRY;
            self.interval
        } else {
            let pause = self.retry.min(self.interval);
            self.retry = self.retry.saturating_mul(2).min(self.interval.max(FIRST_RETRY));
            pause
        };
        // Nine to eleven tenths, in two hundred steps.
        let thousandths = 900 + rng.next_u32() % 201;
        pause.saturating_mul(thousandths) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DnsError, DomainController, Standing};
    use super::*;

    /// A random source of one value.
    struct Always(u32);

    impl RngCore for Always {
        fn next_u32(&mut self) -> u32 {
            self.0
        }

        fn next_u64(&mut self) -> u64 {
            self.0.into()
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn found(host: &str) -> Result<Arc<Located>, LocateError> {
        let controller = DomainController {
            host: host.to_owned(),
            addresses: vec![[127, 0, 0, 1].into()],
            kdc_port: 88,
            site: None,
            standing: Standing::Silent,
        };
        Ok(Arc::new(Located { controllers: vec![controller], site: None, at: START }))
    }

    fn away() -> Result<Arc<Located>, LocateError> {
        Err(LocateError::Dns {
            name: "_ldap._tcp.dc._msdcs.corp.example.".to_owned(),
            error: DnsError::Timeout,
        })
    }

    #[test]
    fn what_was_found_stays_while_dns_is_away_and_the_search_says_since_when() {
        let at = |seconds| START + Duration::from_secs(seconds);
        let first = Search::default().after(found("dc1.corp.example"), at(1));
        let lost = first.after(away(), at(2)).after(away(), at(3));
        assert_eq!(first.located, lost.located);
        assert_eq!(Some(Failing { since: at(2), error: away().unwrap_err() }), lost.failing);
        let again = lost.after(found("dc2.corp.example"), at(4));
        assert_eq!(None, again.failing);
        assert_eq!(found("dc2.corp.example").ok(), again.located);
        let nothing = Search::default().after(away(), at(5));
        assert!(nothing.located.is_none() && nothing.failing.is_some());
    }

    #[test]
    fn a_round_that_failed_is_repeated_soon_and_then_less_often() {
        let mut course = Course::new(Duration::from_secs(60));
        let mut pause = |has_found| course.pause(has_found, &mut Always(100)).as_secs();
        let failing: Vec<u64> = (0..6).map(|_| pause(false)).collect();
        assert_eq!(vec![5, 10, 20, 40, 60, 60], failing);
        assert_eq!((60, 5), (pause(true), pause(false)));
        let mut short = Course::new(Duration::from_secs(2));
        assert_eq!(2, short.pause(false, &mut Always(100)).as_secs());
    }

    #[test]
    fn pauses_differ_by_a_tenth_at_most() {
        let pause = |random| Course::new(Duration::from_secs(300)).pause(true, &mut Always(random)).as_secs();
        assert_eq!((270, 300, 330), (pause(0), pause(100), pause(200)));
        assert!((0..1000).all(|random| (270..=330).contains(&pause(random * 7919))));
    }
}
