//! What an exchange knows of the KDC's clock.

use std::time::{Duration, SystemTime};

use crate::error::{ExchangeError, RequestError};
use crate::time::{ClockOffset, KerberosTime, TimeError};

/// Largest unauthenticated difference that is tried, so that an attacker cannot have us date a request at will.
const MAX_CLAIMED_OFFSET: Duration = Duration::from_secs(12 * 3600);

/// How far the start of a fresh ticket may lie from the KDC's present time: RFC 4120's usual tolerance.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

/// The offset an exchange starts with and the one it tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The KDC's clock against ours as far as it is known; [`ClockOffset::NONE`] at first.
    pub offset: ClockOffset,
    /// Largest difference that a verified reply may prove.
    pub max_offset: Duration,
}

impl Clock {
    /// The KDC's time when our clock shows `now`.
    pub(super) fn kdc_time(self, now: SystemTime) -> SystemTime {
        self.offset.apply(now)
    }

    /// The KDC's time `lifetime` after `now`, as a ticket's end.
    pub(super) fn end(self, now: SystemTime, lifetime: Duration) -> Result<KerberosTime, RequestError> {
        let end = self.kdc_time(now).checked_add(lifetime).ok_or(TimeError::OutOfRange)?;
        Ok(KerberosTime::from_system(end)?)
    }

    /// The KDC's present time as it is written, with microseconds.
    pub(super) fn stamp(self, now: SystemTime) -> Result<(KerberosTime, u32), RequestError> {
        Ok(KerberosTime::with_microseconds(self.kdc_time(now))?)
    }

    /// Takes over what an unauthenticated error claims, within [`MAX_CLAIMED_OFFSET`].
    pub(super) fn claim(&mut self, now: SystemTime, kdc: SystemTime) -> Result<(), ExchangeError> {
        let offset = ClockOffset::between(now, kdc);
        if offset.magnitude() > MAX_CLAIMED_OFFSET {
            return Err(ExchangeError::ClaimedSkew { offset });
        }
        self.offset = offset;
        Ok(())
    }

    /// Takes over what a verified reply to a fresh request proves: the KDC's clock showed `fresh` just now.
    pub(super) fn prove(&mut self, now: SystemTime, fresh: KerberosTime) -> Result<(), ExchangeError> {
        // The KDC writes whole seconds: its clock showed something within the second that starts at `fresh`.
        let earliest = ClockOffset::between(now, fresh.to_system());
        let latest = ClockOffset::between(now, fresh.to_system() + Duration::from_secs(1));
        if self.offset < earliest || self.offset > latest {
            self.offset = nearest_to_none(earliest, latest);
        }
        if self.offset.magnitude() > self.max_offset {
            return Err(ExchangeError::ClockSkew { offset: self.offset, local: now });
        }
        Ok(())
    }
}

fn nearest_to_none(earliest: ClockOffset, latest: ClockOffset) -> ClockOffset {
    if earliest > ClockOffset::NONE {
        earliest
    } else if latest < ClockOffset::NONE {
        latest
    } else {
        ClockOffset::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        KerberosTime::from_unix_seconds(1_800_000_000).to_system() + Duration::from_millis(milliseconds)
    }

    fn clock() -> Clock {
        Clock { offset: ClockOffset::NONE, max_offset: Duration::from_secs(300) }
    }

    #[test]
    fn a_difference_below_the_resolution_is_none() {
        let mut clock = clock();
        clock.prove(at(900), KerberosTime::from_unix_seconds(1_800_000_000)).unwrap();
        assert_eq!(clock.offset, ClockOffset::NONE);
    }

    #[test]
    fn a_claim_within_the_proven_second_is_kept_as_the_finer_one() {
        let mut clock = clock();
        clock.claim(at(0), at(60_250)).unwrap();
        clock.prove(at(10), KerberosTime::from_unix_seconds(1_800_000_060)).unwrap();
        assert_eq!(clock.offset.to_string(), "+60.250s");
    }

    #[test]
    fn a_claim_that_the_proof_contradicts_is_dropped() {
        let mut clock = clock();
        clock.claim(at(0), at(3_600_000)).unwrap();
        clock.prove(at(0), KerberosTime::from_unix_seconds(1_800_000_000)).unwrap();
        assert_eq!(clock.offset, ClockOffset::NONE);
    }

    #[test]
    fn a_proven_difference_beyond_the_bound_is_an_error_that_names_it() {
        let mut clock = clock();
        let error = clock.prove(at(600_000), KerberosTime::from_unix_seconds(1_800_000_000)).unwrap_err();
        let ExchangeError::ClockSkew { offset, local } = error else { panic!("{error}") };
        assert_eq!((offset.to_string().as_str(), local), ("-599.000s", at(600_000)));
    }

    #[test]
    fn a_lifetime_beyond_the_calendar_is_refused() {
        for lifetime in [Duration::MAX, Duration::from_secs(1 << 33)] {
            assert_eq!(clock().end(at(0), lifetime), Err(RequestError::Time(TimeError::OutOfRange)));
        }
        assert_eq!(clock().end(at(0), Duration::from_secs(60)).unwrap().unix_seconds(), 1_800_000_060);
    }

    #[test]
    fn a_claim_beyond_twelve_hours_is_refused() {
        let mut clock = clock();
        let error = clock.claim(at(0), at(12 * 3_600_000 + 1)).unwrap_err();
        assert!(matches!(error, ExchangeError::ClaimedSkew { .. }), "{error}");
        assert_eq!(clock.offset, ClockOffset::NONE);
    }
}
