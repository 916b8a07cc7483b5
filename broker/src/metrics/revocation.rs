//! How the questions about revocation go, at the moment of asking: the memory of the first step counts.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
};

use crate::identity::Memory;

/// Looks into the memory when it is asked.
#[derive(Debug)]
pub(super) struct RevocationCollector(pub(super) Arc<Memory>);

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct QuestionLabels {
    responder: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResponderLabels {
    responder: String,
}

impl Collector for RevocationCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let questions = Family::<QuestionLabels, Counter>::default();
        let paused = Family::<ResponderLabels, Gauge>::default();
        for (responder, status) in self.0.responders() {
            let count = |outcome, count| {
                let labels = QuestionLabels { responder: responder.clone(), outcome };
                questions.get_or_create(&labels).inc_by(count);
            };
            count("answered", status.answered);
            count("failed", status.failed);
            count("passed_over", status.passed_over);
            paused.get_or_create(&ResponderLabels { responder }).set(status.paused_until.is_some().into());
        }
        let help = "Questions to OCSP responders, by host and port: answered, failed, or passed over while it is left alone";
        encode(&mut encoder, "revocation_questions", help, &questions)?;
        let help = "1 for an OCSP responder that is left alone because it failed again and again";
        encode(&mut encoder, "revocation_responder_paused", help, &paused)?;
        let counts = self.0.counts();
        let help = "OCSP answers that were taken from memory";
        encode(&mut encoder, "revocation_answers_reused", help, &ConstCounter::new(counts.reused))?;
        let help = "Cards whose OCSP answers were renewed before they ended";
        encode(&mut encoder, "revocation_cards_renewed", help, &ConstCounter::new(counts.renewed))?;
        let help = "Validations that relied on a source that is not the first of its issuer's order";
        encode(&mut encoder, "revocation_degraded", help, &ConstCounter::new(counts.degraded))?;
        let help = "Validations that accepted a certificate of whose revocation nothing was known";
        encode(
            &mut encoder,
            "revocation_unknown_accepted",
            help,
            &ConstCounter::new(counts.accepted_unknown),
        )?;
        let answers = i64::try_from(self.0.answers()).unwrap_or(i64::MAX);
        encode(&mut encoder, "revocation_answers", "OCSP answers in memory", &ConstGauge::new(answers))?;
        if let Some(age) = counts.evidence_age {
            let age = i64::try_from(age).unwrap_or(i64::MAX);
            let help = "Age of the oldest evidence of revocation that the last validation relied on";
            encode(&mut encoder, "revocation_evidence_age_seconds", help, &ConstGauge::new(age))?;
        }
        Ok(())
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
