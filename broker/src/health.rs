//! Whether the service can do its work: asked of the directory and the KDC now and then, and remembered.
//!
//! This file does I/O through the probes it is given. The service starts and keeps running while they fail; it says
//! so here, in the log, and by `grpc.health.v1`, and is ready as soon as they succeed.

use std::{pin::Pin, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::error::Refusal;

/// One thing the service depends on, and how it is asked.
pub struct Probe {
    name: &'static str,
    is_needed: bool,
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
}

type Asked = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Why something does not work.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The stable word for the status page.
    pub code: &'static str,
    /// What the log has beside it.
    pub detail: String,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code(), detail: refusal.detail() }
    }
}

impl Probe {
    /// A probe with a stable name for the status page. Its future may be dropped when it takes too long.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        let ask = Box::new(move || -> Asked {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(Failure::from) })
        });
        Self { name, is_needed: true, ask }
    }

    /// The same for something that some logins depend on and others do not: it is shown, and the service is ready without it.
    pub fn beside<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        Self { is_needed: false, ..Self::new(name, ask) }
    }

    /// The same for something of which is known, without asking anybody, whether it works.
    pub fn known(
        name: &'static str,
        known: impl Fn() -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Self {
        let ask = Box::new(move || -> Asked { Box::pin(std::future::ready(known())) });
        Self { name, is_needed: false, ask }
    }
}

/// What is known of one dependency.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Not asked yet.
    Unknown,
    /// It answered.
    Working,
    /// It did not, with the stable code of why.
    Failing(&'static str),
}

impl State {
    /// The word on the status page: `unknown`, `ok`, or the code of the failure.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Working => "ok",
            Self::Failing(code) => code,
        }
    }
}

/// What is known of the whole service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Every dependency by its name.
    pub checks: Vec<(&'static str, State)>,
    /// Those that the service is ready without.
    pub beside: Vec<&'static str>,
    /// The service is about to end and takes no new work.
    pub draining: bool,
}

impl Report {
    /// Whether new logins would have a chance.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is_in_order =
            |(name, state): &(&'static str, State)| *state == State::Working || self.beside.contains(name);
        !self.draining && self.checks.iter().all(is_in_order)
    }
}

/// Asks all probes again and again, and keeps the report and the gRPC health service in step.
pub struct Monitor {
    probes: Vec<Probe>,
    interval: Duration,
    report: watch::Sender<Report>,
    reporter: HealthReporter,
}

impl Monitor {
    /// A monitor that has asked nothing yet.
    #[must_use]
    pub fn new(probes: Vec<Probe>, interval: Duration, reporter: HealthReporter) -> Self {
        let checks = probes.iter().map(|probe| (probe.name, State::Unknown)).collect();
        let beside = probes.iter().filter(|probe| !probe.is_needed).map(|probe| probe.name).collect();
        let (report, _) = watch::channel(Report { checks, beside, draining: false });
        Self { probes, interval, report, reporter }
    }

    /// The newest report, whenever it is looked at.
    #[must_use]
    pub fn report(&self) -> watch::Receiver<Report> {
        self.report.subscribe()
    }

    /// Asks until `drain`, soon again while something fails. Then says that the service is ending.
    pub async fn run(self, drain: CancellationToken) {
        let mut retry = FIRST_RETRY;
        loop {
            self.publish().await;
            let asked = tokio::select! {
                biased;
                () = drain.cancelled() => break,
                asked = self.ask() => asked,
            };
            self.report.send_modify(|report| report.checks = asked);
            self.publish().await;
            let pause = if self.report.borrow().is_ready() {
                retry = FIRST_RETRY;
                self.interval
            } else {
                let pause = retry.min(self.interval);
                retry = retry.saturating_mul(2).min(self.interval);
                pause
            };
            tokio::select! {
                biased;
                () = drain.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        self.report.send_modify(|report| report.draining = true);
        self.publish().await;
    }

    async fn ask(&self) -> Vec<(&'static str, State)> {
        let mut states = Vec::with_capacity(self.probes.len());
        for probe in &self.probes {
            let before =
                self.report.borrow().checks.iter().find(|(name, _)| *name == probe.name).map(|(_, s)| *s);
            let state = match timeout(PROBE_TIMEOUT, (probe.ask)()).await {
                Ok(Ok(())) => State::Working,
                Ok(Err(Failure { code, detail })) => {
                    let state = State::Failing(code);
                    if before != Some(state) {
                        tracing::warn!(check = probe.name, code, detail, "check fails");
                    }
                    state
                }
                Err(_) => {
                    let state = State::Failing(crate::error::Code::DeadlineExceeded.as_str());
                    if before != Some(state) {
                        tracing::warn!(check = probe.name, code = state.word(), "check takes too long");
                    }
                    state
                }
            };
            if state == State::Working && before != Some(state) {
                tracing::info!(check = probe.name, "check succeeds");
            }
            states.push((probe.name, state));
        }
        states
    }

    async fn publish(&self) {
        let status =
            if self.report.borrow().is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", GATEWAY_SERVICE] {
            self.reporter.set_service_status(service, status).await;
        }
    }
}

/// The name of the gateways' interface in `grpc.health.v1`.
const GATEWAY_SERVICE: &str = "kerbridge.v1.Gateway";

/// How soon a failing dependency is asked again; each further time twice as late, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// How long a dependency may take. The probes have deadlines of their own; this is for those that forgot.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    use super::*;
    use crate::error::{Code, Step};

    fn switched(name: &'static str, works: &Arc<AtomicBool>) -> Probe {
        let works = Arc::clone(works);
        Probe::new(name, move || {
            let works = works.load(Ordering::Relaxed);
            async move { if works { Ok(()) } else { Err(Refusal::new(Code::KdcUnavailable, Step::Issue)) } }
        })
    }

    fn monitor(probes: Vec<Probe>) -> Monitor {
        let (reporter, _service) = tonic_health::server::health_reporter();
        Monitor::new(probes, Duration::from_secs(10), reporter)
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_not_ready_before_it_has_asked() {
        let monitor = monitor(vec![switched("kerberos", &Arc::new(AtomicBool::new(true)))]);
        assert!(!monitor.report().borrow().is_ready());
        assert_eq!(monitor.report().borrow().checks, [("kerberos", State::Unknown)]);
    }

    #[tokio::test(start_paused = true)]
    async fn readiness_follows_the_dependencies_and_ends_with_the_drain() {
        let works = Arc::new(AtomicBool::new(false));
        let always = Arc::new(AtomicBool::new(true));
        let monitor = monitor(vec![switched("directory", &always), switched("kerberos", &works)]);
        let mut report = monitor.report();
        let drain = CancellationToken::new();
        let running = tokio::spawn(monitor.run(drain.clone()));

        let failing = [("directory", State::Working), ("kerberos", State::Failing("kdc_unavailable"))];
        report.wait_for(|report| report.checks == failing).await.unwrap();
        works.store(true, Ordering::Relaxed);
        report.wait_for(Report::is_ready).await.unwrap();
        works.store(false, Ordering::Relaxed);
        report.wait_for(|report| report.checks == failing).await.unwrap();
        works.store(true, Ordering::Relaxed);
        report.wait_for(Report::is_ready).await.unwrap();
        drain.cancel();
        running.await.unwrap();
        assert!(report.borrow().draining);
        assert!(!report.borrow().is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_ready_without_what_only_some_logins_need() {
        let always = Arc::new(AtomicBool::new(true));
        let never = || async { Err(Refusal::new(Code::DirectoryUnavailable, Step::Resolve)) };
        let monitor =
            monitor(vec![switched("directory", &always), Probe::beside("trusted_directories", never)]);
        let mut report = monitor.report();
        let drain = CancellationToken::new();
        let running = tokio::spawn(monitor.run(drain.clone()));
        report.wait_for(Report::is_ready).await.unwrap();
        let failing = State::Failing("directory_unavailable");
        assert_eq!(report.borrow().checks, [("directory", State::Working), ("trusted_directories", failing)]);
        drain.cancel();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_never_answers_fails_by_the_deadline() {
        let monitor = monitor(vec![Probe::new("directory", std::future::pending)]);
        assert_eq!(monitor.ask().await, [("directory", State::Failing("deadline_exceeded"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_dependency_is_asked_again_soon_and_then_less_often() {
        // After 0 and 10 seconds; and after 0, 1, 3, 7 and 15 seconds.
        for (works, expected) in [(true, 2), (false, 5)] {
            let count = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&count);
            let monitor = monitor(vec![Probe::new("kerberos", move || {
                counted.fetch_add(1, Ordering::Relaxed);
                async move { if works { Ok(()) } else { Err(Refusal::new(Code::KdcUnavailable, Step::Issue)) } }
            })]);
            let drain = CancellationToken::new();
            let running = tokio::spawn(monitor.run(drain.clone()));
            sleep(Duration::from_secs(20) - Duration::from_millis(1)).await;
            drain.cancel();
            running.await.unwrap();
            assert_eq!(count.load(Ordering::Relaxed), expected);
        }
    }
}
