//! What logins came to, in numbers.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Answer, Made};

/// The numbers of some logins.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// How many there were.
    pub logins: usize,
    /// Those that ended in a code.
    pub codes: usize,
    /// The others, by what became of them.
    pub lost: BTreeMap<Answer, usize>,
    /// Time to the answer: the median.
    pub median: Duration,
    /// Time to the answer of 99 in 100.
    pub p99: Duration,
    /// Time to the answer of the slowest.
    pub slowest: Duration,
}

impl Figures {
    /// The numbers of these logins.
    pub fn of(made: impl IntoIterator<Item: Borrow<Made>>) -> Self {
        let mut figures = Self::default();
        let mut times = Vec::new();
        for login in made {
            let login = login.borrow();
            figures.logins += 1;
            times.push(login.took);
            if login.answer == Answer::Code {
                figures.codes += 1;
            } else {
                *figures.lost.entry(login.answer.clone()).or_default() += 1;
            }
        }
        times.sort_unstable();
        figures.median = percentile(&times, 50);
        figures.p99 = percentile(&times, 99);
        figures.slowest = percentile(&times, 100);
        figures
    }

    /// How many did not end in a code.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.logins - self.codes
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, slowest] = [self.median, self.p99, self.slowest].map(|time| time.as_millis());
        let (logins, lost) = (self.logins, self.lost());
        write!(
            f,
            "{logins:4} logins, {lost:3} lost, p50 {median:5} ms, p99 {p99:5} ms, slowest {slowest:5} ms"
        )?;
        for (answer, count) in &self.lost {
            write!(f, "; {count} x ")?;
            match answer {
                Answer::Code => write!(f, "a code"),
                Answer::Refused { status, code, step } => write!(f, "{status} {code} at {step}"),
                Answer::Broken { why } => write!(f, "broken: {why}"),
                Answer::Late => write!(f, "no answer"),
            }?;
        }
        Ok(())
    }
}

/// The least of the sorted times that so many in a hundred do not exceed; none are zero.
#[must_use]
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait;

    #[test]
    fn percentiles_are_of_the_times_there_are() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let of = |percent| percentile(&times, percent).as_millis();
        assert_eq!([of(50), of(99), of(100)], [100, 198, 200]);
        assert_eq!(percentile(&[], 99), Duration::ZERO);
        assert_eq!(percentile(&times[..1], 50), Duration::from_millis(1));
    }

    #[test]
    fn what_got_no_code_is_counted_by_its_kind() {
        let made = |answer| Made { began: wait::monotonic(), took: Duration::from_millis(3), answer };
        let figures = Figures::of(&[made(Answer::Code), made(Answer::Late), made(Answer::Late)]);
        assert_eq!((figures.logins, figures.codes, figures.lost()), (3, 1, 2));
        assert!(figures.to_string().ends_with("; 2 x no answer"), "{figures}");
    }
}
