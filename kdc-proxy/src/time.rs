//! Kerberos times: whole seconds of UTC, and the offset between our clock and the KDC's.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `KerberosTime` of RFC 4120 section 5.2.3: whole seconds of UTC, 1970-01-01 to 2106-02-07.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KerberosTime(u32);

/// Why a time could not be expressed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// The text is not `YYYYMMDDhhmmssZ`.
    #[error("time is not written as YYYYMMDDhhmmssZ")]
    Form,
    /// A field holds a value no calendar has, such as month 13 or second 60.
    #[error("time names a date or an hour that does not exist")]
    Impossible,
    /// Before 1970 or after 2106.
    #[error("time lies outside 1970 to 2106")]
    OutOfRange,
}

const SECONDS_A_DAY: u64 = 86_400;
const TEXT_LENGTH: usize = 15;

impl KerberosTime {
    /// 1970-01-01 00:00:00, which as a requested `till` means "as long as the KDC allows".
    pub const EPOCH: Self = Self(0);

    /// The time so many seconds after 1970-01-01 00:00:00 UTC.
    pub const fn from_unix_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub const fn unix_seconds(self) -> u32 {
        self.0
    }

    /// The second in which `time` lies; fractions are dropped.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] before 1970 or after 2106.
    pub fn from_system(time: SystemTime) -> Result<Self, TimeError> {
        Self::with_microseconds(time).map(|(seconds, _)| seconds)
    }

    /// The second in which `time` lies and the microseconds (0 to 999 999) within it, as `ctime` and `cusec`.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] before 1970 or after 2106.
    pub fn with_microseconds(time: SystemTime) -> Result<(Self, u32), TimeError> {
        let since = time.duration_since(UNIX_EPOCH).map_err(|_| TimeError::OutOfRange)?;
        let seconds = u32::try_from(since.as_secs()).map_err(|_| TimeError::OutOfRange)?;
        Ok((Self(seconds), since.subsec_micros()))
    }

    /// The start of this second.
    pub fn to_system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::from(self.0))
    }

    /// Reads `YYYYMMDDhhmmssZ`, the only form RFC 4120 allows: no fraction, no offset.
    ///
    /// # Errors
    /// [`TimeError`] by what is wrong with the text.
    pub fn parse(text: &[u8]) -> Result<Self, TimeError> {
        if text.len() != TEXT_LENGTH || text.last() != Some(&b'Z') {
            return Err(TimeError::Form);
        }
        let field = |start: usize, length: usize| -> Result<u64, TimeError> {
            let digits = text.get(start..start + length).ok_or(TimeError::Form)?;
            digits.iter().try_fold(0u64, |value, digit| match digit {
                b'0'..=b'9' => Ok(value * 10 + u64::from(digit - b'0')),
                _ => Err(TimeError::Form),
            })
        };
        let (year, month, day) = (field(0, 4)?, field(4, 2)?, field(6, 2)?);
        let (hour, minute, second) = (field(8, 2)?, field(10, 2)?, field(12, 2)?);
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError::Impossible);
        }
        let days = days_since_epoch(year, month, day)?;
        let seconds = days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second;
        u32::try_from(seconds).map(Self).map_err(|_| TimeError::OutOfRange)
    }
}

impl fmt::Display for KerberosTime {
    /// Writes `YYYYMMDDhhmmssZ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u64::from(self.0);
        let (year, month, day) = date_of(seconds / SECONDS_A_DAY);
        let of_day = seconds % SECONDS_A_DAY;
        write!(f, "{year:04}{month:02}{day:02}{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
    }
}

impl TryFrom<SystemTime> for KerberosTime {
    type Error = TimeError;

    fn try_from(time: SystemTime) -> Result<Self, TimeError> {
        Self::from_system(time)
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> Option<u64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if is_leap(year) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

fn days_before_year(year: u64) -> u64 {
    let past = year.saturating_sub(1);
    past * 365 + past / 4 - past / 100 + past / 400
}

fn days_since_epoch(year: u64, month: u64, day: u64) -> Result<u64, TimeError> {
    let length = days_in(year, month).ok_or(TimeError::Impossible)?;
    if day == 0 || day > length {
        return Err(TimeError::Impossible);
    }
    if year < 1970 {
        return Err(TimeError::OutOfRange);
    }
    let before_month: u64 = (1..month).filter_map(|earlier| days_in(year, earlier)).sum();
    Ok(days_before_year(year) - days_before_year(1970) + before_month + day - 1)
}

fn date_of(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) - days_before_year(1970) <= days {
        year += 1;
    }
    let mut rest = days - (days_before_year(year) - days_before_year(1970));
    let mut month = 1;
    while let Some(length) = days_in(year, month) {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

/// How far the KDC's clock is from ours, to the microsecond; positive when the KDC is ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockOffset {
    microseconds: i64,
}

impl ClockOffset {
    /// Both clocks agree.
    pub const NONE: Self = Self { microseconds: 0 };

    /// The offset that makes `local` read `kdc`. Differences beyond 290 000 years saturate.
    pub fn between(local: SystemTime, kdc: SystemTime) -> Self {
        let microseconds = match kdc.duration_since(local) {
            Ok(ahead) => i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX),
            Err(behind) => i64::try_from(behind.duration().as_micros()).map_or(i64::MIN, |value| -value),
        };
        Self { microseconds }
    }

    /// What the KDC's clock shows when ours shows `local`. A result outside the clock's range leaves `local`.
    pub fn apply(self, local: SystemTime) -> SystemTime {
        let shifted = if self.microseconds < 0 {
            local.checked_sub(self.magnitude())
        } else {
            local.checked_add(self.magnitude())
        };
        shifted.unwrap_or(local)
    }

    /// The distance of the two clocks, without its direction.
    pub const fn magnitude(self) -> Duration {
        Duration::from_micros(self.microseconds.unsigned_abs())
    }

    /// True when the KDC's clock is ahead of ours.
    pub const fn kdc_is_ahead(self) -> bool {
        self.microseconds > 0
    }
}

impl fmt::Display for ClockOffset {
    /// Writes signed seconds, such as `+600.000s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.microseconds < 0 { '-' } else { '+' };
        let distance = self.magnitude();
        write!(f, "{sign}{}.{:03}s", distance.as_secs(), distance.subsec_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_read_and_write_the_same_text() {
        for (text, seconds) in [
            ("19700101000000Z", 0),
            ("19940610060317Z", 771_228_197),
            ("20000229235959Z", 951_868_799),
            ("20221123160159Z", 1_669_219_319),
            ("20370913024805Z", 2_136_422_885),
            ("20380119031408Z", 2_147_483_648),
            ("21060207062815Z", u32::MAX),
        ] {
            assert_eq!(KerberosTime::parse(text.as_bytes()), Ok(KerberosTime(seconds)), "{text}");
            assert_eq!(KerberosTime(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_of_the_range_survives_writing_and_reading() {
        for day in 0..u32::MAX / 86_400 {
            let time = KerberosTime(day * 86_400 + day % 86_400);
            assert_eq!(KerberosTime::parse(time.to_string().as_bytes()), Ok(time));
        }
    }

    #[test]
    fn dates_no_calendar_has_are_refused() {
        for text in
            ["20261301000000Z", "20260230000000Z", "20250229000000Z", "20260101240000Z", "20260101006000Z"]
        {
            assert_eq!(KerberosTime::parse(text.as_bytes()), Err(TimeError::Impossible), "{text}");
        }
        assert_eq!(KerberosTime::parse(b"20260101000060Z"), Err(TimeError::Impossible));
        assert_eq!(KerberosTime::parse(b"20260100000000Z"), Err(TimeError::Impossible));
        assert_eq!(KerberosTime::parse(b"20260001000000Z"), Err(TimeError::Impossible));
    }

    #[test]
    fn fractions_offsets_and_other_forms_are_refused() {
        for text in [
            "",
            "20260101000000",
            "20260101000000.5Z",
            "20260101000000+0100",
            "2026010100000Z",
            "2026-1-1T0:0:0Z",
        ] {
            assert_eq!(KerberosTime::parse(text.as_bytes()), Err(TimeError::Form), "{text}");
        }
    }

    #[test]
    fn years_outside_the_range_are_refused() {
        for text in ["00000101000000Z", "19691231235959Z", "21060207062816Z", "99991231235959Z"] {
            assert_eq!(KerberosTime::parse(text.as_bytes()), Err(TimeError::OutOfRange), "{text}");
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(KerberosTime::from_system(before), Err(TimeError::OutOfRange));
    }

    #[test]
    fn fractions_of_a_second_are_dropped_and_told_apart() {
        let moment = UNIX_EPOCH + Duration::from_micros(1_700_000_000_999_999);
        assert_eq!(KerberosTime::with_microseconds(moment), Ok((KerberosTime(1_700_000_000), 999_999)));
        assert_eq!(KerberosTime(1_700_000_000).to_system(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn an_offset_moves_our_clock_to_the_kdcs() {
        let local = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for kdc in [local + Duration::from_secs(600), local - Duration::from_secs(600), local] {
            assert_eq!(ClockOffset::between(local, kdc).apply(local), kdc);
        }
    }

    #[test]
    fn an_offset_names_its_direction() {
        let local = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ahead = ClockOffset::between(local, local + Duration::from_millis(1500));
        assert_eq!(ahead.to_string(), "+1.500s");
        assert!(ahead.kdc_is_ahead());
        let behind = ClockOffset::between(local, local - Duration::from_secs(600));
        assert_eq!(behind.to_string(), "-600.000s");
        assert_eq!(behind.magnitude(), Duration::from_secs(600));
    }
}
