//! What each step of a login established, and how long it took.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::Step;

/// One step that held.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct StepReport {
    /// The step, by its stable word.
    pub step: &'static str,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// What it established, for the log; names, no secrets.
    pub established: String,
}

/// Collects the reports of one login. Writes one line when the login ends, however it ends: handed off, refused, or dropped at
/// its deadline.
pub(super) struct Report<E: Fn() -> Duration> {
    elapsed: E,
    reported: Duration,
    steps: Vec<StepReport>,
}

impl<E: Fn() -> Duration> Report<E> {
    /// `elapsed` tells the time since the login began, by a clock that never goes back.
    pub(super) fn new(elapsed: E) -> Self {
        Self { elapsed, reported: Duration::ZERO, steps: Vec::new() }
    }

    /// Notes that a step held; its time is all the time since the step before.
    pub(super) fn establish(&mut self, step: Step, established: impl fmt::Display) {
        let elapsed = self.elapsed();
        let took = elapsed.saturating_sub(self.reported);
        self.reported = elapsed;
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.steps.push(StepReport { step: step.as_str(), micros, established: established.to_string() });
    }

    /// The time since the login began.
    pub(super) fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> &[StepReport] {
        &self.steps
    }
}

impl<E: Fn() -> Duration> Drop for Report<E> {
    fn drop(&mut self) {
        let micros = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        let steps = serde_json::to_string(&self.steps).unwrap_or_default();
        tracing::info!(micros, steps, held = self.steps.len(), "login went through the line");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_step_takes_the_time_since_the_one_before() {
        let clock = Cell::new(Duration::ZERO);
        let mut report = Report::new(|| clock.get());
        clock.set(Duration::from_micros(1500));
        report.establish(Step::Validate, "path");
        clock.set(Duration::from_micros(1700));
        report.establish(Step::Resolve, format_args!("{}", "alice"));
        let told: Vec<_> =
            report.steps().iter().map(|step| (step.step, step.micros, step.established.as_str())).collect();
        assert_eq!(told, [("validate", 1500, "path"), ("resolve", 200, "alice")]);
    }

    #[test]
    fn a_clock_that_goes_back_is_no_fault() {
        let clock = Cell::new(Duration::from_secs(1));
        let mut report = Report::new(|| clock.get());
        report.establish(Step::Validate, "path");
        clock.set(Duration::ZERO);
        report.establish(Step::Resolve, "alice");
        assert_eq!(report.steps()[1].micros, 0);
    }
}
