//! What the domain controllers are at the moment of asking: nothing is counted, so that one that is gone is not shown.

use std::{fmt, sync::Arc};

use kdc_proxy::net::client::KdcState;
use ldap_map::net::directory::ServerState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{family::Family, gauge::Gauge},
};

use crate::controllers::{RealmControllers, host_of};

/// Looks at the controllers when it is asked.
#[derive(Debug)]
pub(super) struct ControllersCollector(pub(super) Vec<Arc<RealmControllers>>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ControllerLabels {
    realm: String,
    service: &'static str,
    host: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RealmLabels {
    realm: String,
}

impl Collector for ControllersCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let answering = Family::<ControllerLabels, Gauge>::default();
        let searched = Family::<RealmLabels, Gauge>::default();
        for status in self.0.iter().map(|realm| realm.status()) {
            let realm = status.realm.to_string();
            let set = |service, host: String, answers: bool| {
                let labels = ControllerLabels { realm: realm.clone(), service, host };
                answering.get_or_create(&labels).set(answers.into());
            };
            for server in &status.servers {
                set("directory", server.server.clone(), server.state == ServerState::Answering);
            }
            for kdc in &status.kdcs {
                set("kdc", host_of(&kdc.kdc), kdc.state == KdcState::Answering);
            }
            if let Some(search) = &status.search {
                searched.get_or_create(&RealmLabels { realm }).set(search.failing.is_none().into());
            }
        }
        let help = "1 for a domain controller that answers, 0 for one that is passed over";
        encode(&mut encoder, "controller_answering", help, &answering)?;
        let help = "1 while the search in DNS finds the realm's domain controllers, 0 while those found before serve";
        encode(&mut encoder, "discovery_working", help, &searched)
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
