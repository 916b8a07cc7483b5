//! What the directories' memories hold, and how often they answered, at the moment of asking.

use std::{fmt, sync::Arc};

use ldap_map::{cache::Cause, net::directory::CacheStatus};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::directory::Domains;

/// Looks at the directories when it is asked.
#[derive(Debug)]
pub(super) struct DirectoryCacheCollector(pub(super) Arc<Domains>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct AnswerLabels {
    domain: String,
    answer: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct CauseLabels {
    domain: String,
    cause: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KindLabels {
    domain: String,
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ServerLabels {
    domain: String,
    server: String,
}

#[derive(Default)]
struct Families {
    answers: Family<AnswerLabels, Counter>,
    dropped: Family<CauseLabels, Counter>,
    entries: Family<KindLabels, Gauge>,
    poll_age: Family<ServerLabels, Gauge>,
}

impl Families {
    fn take(&self, domain: &str, status: &CacheStatus) {
        let domain = || domain.to_owned();
        let counts = &status.counts;
        for (answer, count) in [
            ("hit", counts.hits),
            ("negative_hit", counts.negative_hits),
            ("miss", counts.misses),
            ("shared", counts.shared),
        ] {
            self.answers.get_or_create(&AnswerLabels { domain: domain(), answer }).inc_by(count);
        }
        for cause in Cause::ALL {
            let count = counts.dropped.get(&cause).copied().unwrap_or_default();
            let labels = CauseLabels { domain: domain(), cause: cause.as_str() };
            self.dropped.get_or_create(&labels).inc_by(count);
        }
        for (kind, count) in [("account", status.accounts), ("absence", status.absences)] {
            let entries = self.entries.get_or_create(&KindLabels { domain: domain(), kind });
            entries.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for poll in &status.polls {
            // A server that was never looked at has no age: an alert asks for the absence, not for a number.
            let Some(age) = poll.age else { continue };
            let labels = ServerLabels { domain: domain(), server: poll.server.clone() };
            self.poll_age.get_or_create(&labels).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        }
    }
}

impl Collector for DirectoryCacheCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let families = Families::default();
        let mut remembers = false;
        for domain in self.0.all() {
            let Some(status) = domain.directory().cache_status() else { continue };
            families.take(domain.directory().dns_domain(), &status);
            remembers = true;
        }
        if !remembers {
            return Ok(());
        }
        let Families { answers, dropped, entries, poll_age } = families;
        let help = "Accounts asked for: remembered (hit), known to be missing (negative_hit), neither (miss), or asked for by \
                    another login at that moment (shared)";
        encode(&mut encoder, "directory_cache_answers", help, &answers)?;
        let help = "Remembered accounts and absences that were dropped, by cause";
        encode(&mut encoder, "directory_cache_dropped", help, &dropped)?;
        let help = "Accounts and absences that are remembered";
        encode(&mut encoder, "directory_cache_entries", help, &entries)?;
        let help = "How long ago the last look for changes at a domain controller began";
        encode(&mut encoder, "directory_cache_poll_age_seconds", help, &poll_age)
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
