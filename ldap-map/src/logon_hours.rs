//! `logonHours`: in which hours of the week an account may log on (MS-ADA1 2.376, MS-SAMR 2.2.6.5).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const HOURS_A_WEEK: u64 = 168;
/// One bit for each hour of the week.
const LENGTH: usize = 21;
/// 1970 began on a Thursday; the week of the attribute on Sunday.
const HOURS_BEFORE_1970: u64 = 4 * 24;

/// The hours of the week, by UTC, from Sunday 00:00 on; the lowest bit of an octet is its earliest hour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogonHours([u8; LENGTH]);

impl LogonHours {
    /// Reads the attribute.
    ///
    /// # Errors
    /// [`LogonHoursError`] when it has not 21 octets: nobody could tell which hours are meant.
    pub fn parse(octets: &[u8]) -> Result<Self, LogonHoursError> {
        octets.try_into().map(Self).map_err(|_| LogonHoursError)
    }

    /// Whether the hour is one of them.
    #[must_use]
    pub fn allow(&self, HourOfWeek(hour): HourOfWeek) -> bool {
        let octet = usize::try_from(hour / 8).ok().and_then(|index| self.0.get(index));
        octet.is_some_and(|octet| octet >> (hour % 8) & 1 == 1)
    }

    /// Whether there is any hour at all.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.0.iter().all(|octet| *octet == 0)
    }
}

/// An hour of the week, by UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HourOfWeek(u64);

impl HourOfWeek {
    /// The hour of a time; of one before 1970, the first hour of that year.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self((since.as_secs() / 3600 + HOURS_BEFORE_1970) % HOURS_A_WEEK)
    }
}

impl fmt::Display for HourOfWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] =
            ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        let day = usize::try_from(self.0 / 24).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"");
        write!(f, "{day} {:02}:00 UTC", self.0 % 24)
    }
}

/// The attribute has not one bit for each hour of the week.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("logonHours has not 21 octets")]
pub struct LogonHoursError;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// 2026-11-22 00:00:00 UTC, a Sunday.
    const SUNDAY: u64 = 1_795_305_600;
    const HOUR: u64 = 3600;

    fn at(seconds: u64) -> HourOfWeek {
        HourOfWeek::of(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn hours(octets: [u8; LENGTH]) -> LogonHours {
        LogonHours::parse(&octets).unwrap()
    }

    fn with(index: usize, octet: u8) -> LogonHours {
        let mut octets = [0; LENGTH];
        octets[index] = octet;
        hours(octets)
    }

    #[test]
    fn no_hour_at_all_and_all_hours() {
        let (never, always) = (hours([0; LENGTH]), hours([0xff; LENGTH]));
        assert!(never.is_never() && !always.is_never());
        for hour in 0..HOURS_A_WEEK {
            assert!(!never.allow(at(SUNDAY + hour * HOUR)), "{hour}");
            assert!(always.allow(at(SUNDAY + hour * HOUR)), "{hour}");
        }
    }

    #[test]
    fn the_week_begins_on_sunday_with_the_lowest_bit() {
        let first = with(0, 0b1);
        assert!(first.allow(at(SUNDAY)) && first.allow(at(SUNDAY + HOUR - 1)));
        assert!(!first.allow(at(SUNDAY - 1)) && !first.allow(at(SUNDAY + HOUR)));
    }

    #[test]
    fn the_week_ends_on_saturday_with_the_highest_bit() {
        let last = with(20, 0b1000_0000);
        assert!(last.allow(at(SUNDAY - 1)) && last.allow(at(SUNDAY - HOUR)));
        assert!(!last.allow(at(SUNDAY)) && !last.allow(at(SUNDAY - HOUR - 1)));
    }

    #[test]
    fn every_hour_has_a_bit_of_its_own() {
        for hour in 0..HOURS_A_WEEK {
            let only = with(usize::try_from(hour / 8).unwrap(), 1 << (hour % 8));
            let allowed: Vec<u64> =
                (0..HOURS_A_WEEK).filter(|other| only.allow(at(SUNDAY + other * HOUR))).collect();
            assert_eq!(vec![hour], allowed);
        }
    }

    #[test]
    fn working_hours_as_an_administrator_sets_them() {
        // Monday to Friday, 8 to 18 o'clock UTC, as `Set-ADUser -Replace @{logonHours=...}` writes them.
        let mut octets = [0; LENGTH];
        for day in 1..6 {
            octets[day * 3 + 1] = 0xff;
            octets[day * 3 + 2] = 0x03;
        }
        let (hours, monday) = (hours(octets), SUNDAY + 24 * HOUR);
        assert!(hours.allow(at(monday + 8 * HOUR)) && hours.allow(at(monday + 18 * HOUR - 1)));
        assert!(!hours.allow(at(monday + 8 * HOUR - 1)) && !hours.allow(at(monday + 18 * HOUR)));
        assert!(!hours.allow(at(SUNDAY + 12 * HOUR)) && !hours.allow(at(SUNDAY - 12 * HOUR)));
    }

    #[test]
    fn another_length_is_refused() {
        for length in [0, 1, 20, 22, 42] {
            assert_eq!(Err(LogonHoursError), LogonHours::parse(&vec![0xff; length]));
        }
    }

    #[test]
    fn an_hour_is_written_by_its_day() {
        assert_eq!("Sunday 00:00 UTC", at(SUNDAY).to_string());
        assert_eq!("Saturday 23:00 UTC", at(SUNDAY - 1).to_string());
        assert_eq!("Thursday 00:00 UTC", HourOfWeek::of(UNIX_EPOCH - Duration::from_secs(1)).to_string());
    }
}
