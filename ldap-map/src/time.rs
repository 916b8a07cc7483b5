//! The two ways in which the directory writes times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from 1601-01-01 to 1970-01-01.
const FILETIME_OFFSET: u64 = 11_644_473_600;

/// A time in 100 ns steps since 1601-01-01 UTC (MS-DTYP 2.3.3), as `accountExpires` and `lockoutTime` hold it.
///
/// # Errors
/// [`TimeError`] for times before 1970 or beyond what the system can express.
pub fn from_filetime(ticks: u64) -> Result<SystemTime, TimeError> {
    let nanoseconds = u32::try_from(ticks % 10_000_000).map_err(|_| TimeError)? * 100;
    let seconds = (ticks / 10_000_000).checked_sub(FILETIME_OFFSET).ok_or(TimeError)?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds)).ok_or(TimeError)
}

/// A GeneralizedTime as the directory writes it, `YYYYMMDDHHMMSS.0Z` (RFC 4517 3.3.13): UTC, whole seconds;
/// a fraction is read over.
///
/// # Errors
/// [`TimeError`] for every other form, for dates that do not exist and for years before 1970.
pub fn from_generalized_time(text: &str) -> Result<SystemTime, TimeError> {
    let text = text.strip_suffix('Z').ok_or(TimeError)?;
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    if digits.len() != 14 || !all_digits(digits) || !all_digits(fraction) {
        return Err(TimeError);
    }
    let number = |from: usize, to: usize| {
        digits.get(from..to).and_then(|part| part.parse::<u64>().ok()).ok_or(TimeError)
    };
    let days = days_since_1970(number(0, 4)?, number(4, 6)?, number(6, 8)?).ok_or(TimeError)?;
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    // 60 is a leap second, which the system's count of seconds does not have.
    if hour > 23 || minute > 59 || second > 60 {
        return Err(TimeError);
    }
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(TimeError)
}

/// A time that is not written as the directory does, or that cannot be expressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the time is not written as the directory does, or lies before 1970")]
pub struct TimeError;

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    if year < 1970 || day < 1 || day > *lengths.get(before)? {
        return None;
    }
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    Some(years + lengths.iter().take(before).sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(time: SystemTime) -> u64 {
        time.duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn a_filetime_counts_from_1601() {
        assert_eq!(UNIX_EPOCH, from_filetime(116_444_736_000_000_000).unwrap());
        // 2022-11-23 16:01:59 UTC, as a domain controller wrote it.
        assert_eq!(1_669_219_319, seconds(from_filetime(133_136_929_190_000_000).unwrap()));
    }

    #[test]
    fn a_filetime_before_1970_is_refused() {
        assert_eq!(Err(TimeError), from_filetime(1));
    }

    #[test]
    fn a_generalized_time_is_read_in_utc() {
        assert_eq!(1_669_219_319, seconds(from_generalized_time("20221123160159.0Z").unwrap()));
        assert_eq!(951_782_400, seconds(from_generalized_time("20000229000000Z").unwrap()));
        assert_eq!(4_107_542_400, seconds(from_generalized_time("21000301000000.000Z").unwrap()));
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "",
            "Z",
            "20221123160159",
            "20221123160159+0000",
            "202211231601Z",
            "20221323160159Z",
            "20220023160159Z",
            "20220230160159Z",
            "20220200160159Z",
            "20221123240159Z",
            "20221123160161Z",
            "19691231235959Z",
            "20221123160159.Z",
            "2022112316015\u{0661}Z",
            "+0221123160159Z",
        ] {
            assert_eq!(Err(TimeError), from_generalized_time(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_stops_the_readers(ticks in any::<u64>(), text in "[0-9]{0,16}[.Z]{0,2}\\PC{0,3}") {
            let _ = from_filetime(ticks);
            let _ = from_generalized_time(&text);
        }
    }
}
