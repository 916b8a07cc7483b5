//! What is known of the authorities of cards.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::identity::AuthoritySummary;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Authority {
    subject: String,
    serial: String,
}

/// Gauges of the first step; clones share them.
#[derive(Clone, Debug)]
pub struct IdentityMetrics {
    authority_ends: Family<Authority, Gauge>,
}

impl IdentityMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self { authority_ends: Family::default() };
        let help = "End of the certificate of a configured authority of cards, in seconds since 1970";
        registry.register("authority_end_timestamp_seconds", help, metrics.authority_ends.clone());
        metrics
    }

    /// The same, with the authorities of a first configuration.
    pub(crate) fn showing(self, authorities: &[AuthoritySummary]) -> Self {
        self.replace(authorities);
        self
    }

    /// Takes the authorities of a configuration in place of those before.
    pub fn replace(&self, authorities: &[AuthoritySummary]) {
        self.authority_ends.clear();
        for AuthoritySummary { subject, serial, not_after } in authorities {
            let labels = Authority { subject: subject.clone(), serial: serial.clone() };
            self.authority_ends.get_or_create(&labels).set(not_after.as_second());
        }
    }
}
