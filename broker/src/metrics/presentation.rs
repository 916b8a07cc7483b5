//! What is counted of certificates that others than their cards present: terminators and gateways.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::error::Code;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Refused {
    listener: &'static str,
    reason: &'static str,
}

/// Counters of presented certificates; clones count together.
#[derive(Clone, Debug, Default)]
pub struct PresentationMetrics {
    refused: Family<Refused, Counter>,
}

impl PresentationMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let help = "Requests refused because of who presented a certificate, or how";
        registry.register("refused", help, metrics.refused.clone());
        metrics
    }

    /// Counts a refused request of the card listener, for its headers.
    pub fn refused_at_cards(&self, reason: &'static str) {
        self.count("card", reason);
    }

    /// Counts a refused request of the gateways' listener, for its headers.
    pub fn refused_at_gateways(&self, reason: &'static str) {
        self.count("gateway", reason);
    }

    /// Counts a gateway's call that was refused for what is particular to presenting certificates.
    pub fn refused_gateway(&self, code: Code) {
        self.count("gateway", code.as_str());
    }

    fn count(&self, listener: &'static str, reason: &'static str) {
        self.refused.get_or_create(&Refused { listener, reason }).inc();
    }
}
