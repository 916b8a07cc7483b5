//! What is known of the authorities of cards.

use std::collections::BTreeMap;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::identity::{AuthoritySummary, CrlPlace, CrlScope, CrlSummary};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Authority {
    subject: String,
    serial: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct List {
    issuer: String,
    scope: &'static str,
    origin: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Origin {
    origin: &'static str,
}

/// Gauges of the first step; clones share them.
#[derive(Clone, Debug)]
pub struct IdentityMetrics {
    authority_ends: Family<Authority, Gauge>,
    list_ends: Family<List, Gauge>,
    list_entries: Family<Origin, Gauge>,
    failing_places: Gauge,
}

impl IdentityMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            authority_ends: Family::default(),
            list_ends: Family::default(),
            list_entries: Family::default(),
            failing_places: Gauge::default(),
        };
        let help = "End of the revocation list of an issuer that ends first, in seconds since 1970";
        registry.register("revocation_list_end_timestamp_seconds", help, metrics.list_ends.clone());
        let help = "Certificates that the revocation lists at hand revoke";
        registry.register("revocation_list_entries", help, metrics.list_entries.clone());
        let help = "Distribution points that gave no revocation list when they were last asked";
        registry.register("failing_distribution_points", help, metrics.failing_places.clone());
        let help = "End of the certificate of a configured authority of cards, in seconds since 1970";
        registry.register("authority_end_timestamp_seconds", help, metrics.authority_ends.clone());
        metrics
    }

    /// The same, with the authorities of a first configuration.
    pub(crate) fn showing(self, authorities: &[AuthoritySummary]) -> Self {
        self.replace(authorities);
        self
    }

    /// Takes the lists of files, and those that were fetched, in place of those before. The issuers are those that configured
    /// authorities wrote into certificates.
    pub(crate) fn replace_lists(&self, files: &[CrlSummary], places: &[CrlPlace]) {
        self.list_ends.clear();
        self.list_entries.clear();
        let fetched = places.iter().flat_map(|place| &place.lists).map(|list| (list, "fetched"));
        let mut ends = BTreeMap::new();
        for (list, origin) in files.iter().map(|list| (list, "file")).chain(fetched) {
            let entries = i64::try_from(list.entries).unwrap_or(i64::MAX);
            self.list_entries.get_or_create(&Origin { origin }).inc_by(entries);
            let Some(next_update) = list.next_update else { continue };
            let key = (list.issuer.clone(), scope_word(&list.scope), origin);
            let end = ends.entry(key).or_insert(i64::MAX);
            *end = next_update.as_second().min(*end);
        }
        for ((issuer, scope, origin), end) in ends {
            self.list_ends.get_or_create(&List { issuer, scope, origin }).set(end);
        }
        let failing = places.iter().filter(|place| place.error.is_some()).count();
        self.failing_places.set(i64::try_from(failing).unwrap_or(i64::MAX));
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

/// The kind of a list, as a word.
fn scope_word(scope: &CrlScope) -> &'static str {
    match scope {
        CrlScope::Complete => "complete",
        CrlScope::Delta => "delta",
        CrlScope::Indirect => "indirect",
        CrlScope::Partitioned => "partitioned",
        _ => "unusable",
    }
}
