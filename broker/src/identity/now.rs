//! The time of one validation, in the forms its parts need.

use std::time::{SystemTime, UNIX_EPOCH};

use certval::TimeOfInterest;
use jiff::Timestamp;

use super::certificate::timestamp;
use super::error::IdentityError;

/// A wall-clock time after 1970 and before the year 10000, in whole seconds.
///
/// 1970 itself is refused: certval takes it for "do not check dates".
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    seconds: u64,
    time_of_interest: TimeOfInterest,
}

impl Now {
    pub(super) fn new(now: SystemTime) -> Result<Self, IdentityError> {
        let seconds = now.duration_since(UNIX_EPOCH).map_err(|_| IdentityError::ClockUnusable)?.as_secs();
        if seconds == 0 {
            return Err(IdentityError::ClockUnusable);
        }
        let time_of_interest =
            TimeOfInterest::from_unix_secs(seconds).map_err(|_| IdentityError::ClockUnusable)?;
        Ok(Self { seconds, time_of_interest })
    }

    pub(super) fn seconds(self) -> u64 {
        self.seconds
    }

    pub(super) fn time_of_interest(self) -> TimeOfInterest {
        self.time_of_interest
    }

    pub(super) fn timestamp(self) -> Timestamp {
        timestamp(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_at_1970_is_refused() {
        assert_eq!(Now::new(UNIX_EPOCH).err(), Some(IdentityError::ClockUnusable));
    }
}
