//! What is known of sessions: how many there are, how they end, and what came of judging again what they rest on.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::handoff::{Census, EndCause, Ending, Endings};

/// What came of judging again what sessions rest on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It holds.
    Held,
    /// Nobody could say.
    Undecided,
    /// It holds no more.
    Refused,
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        let word = match self {
            Self::Held => "held",
            Self::Undecided => "undecided",
            Self::Refused => "refused",
        };
        EncodeLabelValue::encode(&word, encoder)
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct EndLabels {
    cause: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: Outcome,
}

/// The counters; clones count together.
#[derive(Clone, Debug)]
pub struct SessionMetrics {
    live: Gauge,
    codes: Gauge,
    ended: Family<EndLabels, Counter>,
    rechecks: Family<OutcomeLabels, Counter>,
    undecided: Gauge,
    account_rechecks: Family<OutcomeLabels, Counter>,
    accounts_undecided: Gauge,
    overdue: Gauge,
    accounts_overdue: Gauge,
}

impl SessionMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            live: Gauge::default(),
            codes: Gauge::default(),
            ended: Family::default(),
            rechecks: Family::default(),
            undecided: Gauge::default(),
            account_rechecks: Family::default(),
            accounts_undecided: Gauge::default(),
            overdue: Gauge::default(),
            accounts_overdue: Gauge::default(),
        };
        // So that an alert sees the first one come.
        for cause in EndCause::ALL {
            metrics.of(cause).inc_by(0);
        }
        for outcome in [Outcome::Held, Outcome::Undecided, Outcome::Refused] {
            metrics.rechecks.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
            metrics.account_rechecks.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
        }
        let Self { live, codes, ended, rechecks, undecided, overdue, .. } = metrics.clone();
        let Self { account_rechecks, accounts_undecided, accounts_overdue, .. } = metrics.clone();
        registry.register("live", "Sessions that live", live);
        registry.register("codes_waiting", "One-time codes that wait to be redeemed", codes);
        registry.register("ended", "Sessions that have ended, and codes that were ended, by cause", ended);
        let help = "How often the certificates of live sessions were judged again, by what came of it";
        registry.register("rechecks", help, rechecks);
        let help = "Different certificates of live sessions that could not be judged when it was tried last";
        registry.register("undecided", help, undecided);
        let help = "How often the accounts of live sessions were judged again, by what came of it";
        registry.register("account_rechecks", help, account_rechecks);
        let help = "Different accounts of live sessions that could not be judged when it was tried last";
        registry.register("accounts_undecided", help, accounts_undecided);
        let help =
            "Different certificates of live sessions that wait to be judged though their time has come";
        registry.register("recheck_overdue", help, overdue);
        let help = "Different accounts of live sessions that wait to be judged though their time has come";
        registry.register("accounts_recheck_overdue", help, accounts_overdue);
        metrics
    }

    /// The same where what is judged again is accounts.
    #[must_use]
    pub fn of_accounts(&self) -> Self {
        let (rechecks, undecided) = (self.account_rechecks.clone(), self.accounts_undecided.clone());
        Self { rechecks, undecided, overdue: self.accounts_overdue.clone(), ..self.clone() }
    }

    /// How many there are.
    pub fn counted(&self, census: Census) {
        self.live.set(i64::try_from(census.sessions).unwrap_or(i64::MAX));
        self.codes.set(i64::try_from(census.codes).unwrap_or(i64::MAX));
    }

    /// Something that sessions rest on was judged again.
    pub fn rechecked(&self, outcome: Outcome) {
        self.rechecks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// How many could not be decided.
    pub fn undecided(&self, count: usize) {
        self.undecided.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How many should have been judged by now.
    pub fn overdue(&self, count: usize) {
        self.overdue.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn of(&self, cause: EndCause) -> impl std::ops::Deref<Target = Counter> + '_ {
        self.ended.get_or_create(&EndLabels { cause: cause.as_str() })
    }
}

impl Endings for SessionMetrics {
    fn ended(&self, ending: &Ending) {
        self.of(ending.cause).inc();
    }
}
