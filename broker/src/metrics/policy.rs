//! What is counted of policies that are tried beside the live ones.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::policy::{ShadowOutcome, Tally};

impl EncodeLabelValue for ShadowOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OutcomeLabels {
    outcome: ShadowOutcome,
}

/// The counters; clones count together.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    shadow: Family<OutcomeLabels, Counter>,
}

impl PolicyMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // So that an alert sees the first one come.
        for outcome in ShadowOutcome::ALL {
            metrics.shadow.get_or_create(&OutcomeLabels { outcome }).inc_by(0);
        }
        let help = "Decisions that were put before the candidate policies too, by how these decided";
        registry.register("candidate_decisions", help, metrics.shadow.clone());
        metrics
    }

    /// As the one who counts.
    #[must_use]
    pub fn tally(&self) -> Arc<dyn Tally> {
        Arc::new(self.clone())
    }
}

impl Tally for PolicyMetrics {
    fn count(&self, outcome: ShadowOutcome) {
        self.shadow.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}
