//! What is counted, for Prometheus: one registry, and a file for each room that counts.
//!
//! A label is a word of a closed list or a name of the configuration, never what a stranger sent: the number of series is
//! bounded. No step counts by itself; the front ends and the wiring do. The names begin with `kerbridge_`.

mod controllers;
mod directory_cache;
pub mod identity;
pub mod kdc_proxy;
pub mod policy;
pub mod presentation;
mod revocation;
pub mod sessions;

use std::sync::Arc;

use prometheus_client::{encoding::text::encode, registry::Registry};

use self::{
    controllers::ControllersCollector, directory_cache::DirectoryCacheCollector, identity::IdentityMetrics,
    kdc_proxy::KdcProxyMetrics, policy::PolicyMetrics, presentation::PresentationMetrics,
    revocation::RevocationCollector, sessions::SessionMetrics,
};
use crate::{controllers::RealmControllers, directory::Domains, identity::Memory};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    identity: IdentityMetrics,
    kdc_proxy: KdcProxyMetrics,
    policy: PolicyMetrics,
    presentation: PresentationMetrics,
    sessions: SessionMetrics,
}

impl Metrics {
    /// All counters at nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kerbridge");
        let kdc_proxy = KdcProxyMetrics::registered(registry.sub_registry_with_prefix("kdc_proxy"));
        let identity = IdentityMetrics::registered(registry.sub_registry_with_prefix("identity"));
        let policy = PolicyMetrics::registered(registry.sub_registry_with_prefix("policy"));
        let presentation = PresentationMetrics::registered(registry.sub_registry_with_prefix("presentation"));
        let sessions = SessionMetrics::registered(registry.sub_registry_with_prefix("sessions"));
        Self { registry, identity, kdc_proxy, policy, presentation, sessions }
    }

    /// What is known of the authorities of cards; clones share it.
    #[must_use]
    pub fn identity(&self) -> IdentityMetrics {
        self.identity.clone()
    }

    /// The same, with what is known of these domain controllers, of revocation, and of the directories, whenever it is asked for.
    #[must_use]
    pub fn watching(
        controllers: Vec<Arc<RealmControllers>>,
        revocation: Arc<Memory>,
        domains: Arc<Domains>,
    ) -> Self {
        let mut metrics = Self::new();
        metrics.registry.register_collector(Box::new(RevocationCollector(revocation)));
        metrics.registry.register_collector(Box::new(ControllersCollector(controllers)));
        metrics.registry.register_collector(Box::new(DirectoryCacheCollector(domains)));
        metrics
    }

    /// What the KDC proxy counts; clones count together.
    #[must_use]
    pub fn kdc_proxy(&self) -> KdcProxyMetrics {
        self.kdc_proxy.clone()
    }

    /// What is counted of policies that are tried; clones count together.
    #[must_use]
    pub fn policy(&self) -> PolicyMetrics {
        self.policy.clone()
    }

    /// What is counted of certificates that terminators and gateways present; clones count together.
    #[must_use]
    pub fn presentation(&self) -> PresentationMetrics {
        self.presentation.clone()
    }

    /// What is known of sessions; clones count together.
    #[must_use]
    pub fn sessions(&self) -> SessionMetrics {
        self.sessions.clone()
    }

    /// All of it in the text format of OpenMetrics, which Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes whatever is written to it");
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{kdc_proxy::Limit, *};

    #[test]
    fn the_end_of_every_authority_of_the_newest_configuration_is_told() {
        let metrics = Metrics::new();
        let authority = |subject: &str| crate::identity::AuthoritySummary {
            subject: subject.to_owned(),
            serial: "01".to_owned(),
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        };
        metrics.identity().replace(&[authority("CN=Old")]);
        metrics.identity().replace(&[authority("CN=New")]);
        let text = metrics.text();
        let line = "kerbridge_identity_authority_end_timestamp_seconds{subject=\"CN=New\",serial=\"01\"} 1893456000\n";
        assert!(text.contains(line) && !text.contains("CN=Old"), "{text}");
    }

    #[test]
    fn what_was_counted_is_in_the_text_and_the_text_is_complete() {
        let metrics = Metrics::new();
        metrics.kdc_proxy().limited(Limit::Address);
        metrics.kdc_proxy().limited(Limit::Address);
        let text = metrics.text();
        assert!(text.contains("kerbridge_kdc_proxy_limited_total{limit=\"address\"} 2\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
