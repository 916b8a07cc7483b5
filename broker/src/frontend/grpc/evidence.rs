//! The interface's words for what a login relied on about revocation.

use std::time::SystemTime;

use prost_types::Timestamp;

use super::v1;
use crate::identity::{CertificateEvidence, ReliedOn, RevocationEvidence};

/// All of it.
pub(super) fn evidence(evidence: &RevocationEvidence) -> v1::RevocationEvidence {
    v1::RevocationEvidence {
        checked: evidence.is_checked(),
        degraded: evidence.is_degraded(),
        something_unknown: evidence.is_something_unknown(),
        oldest: evidence.oldest().map(timestamp),
        certificates: evidence.certificates().iter().map(certificate).collect(),
    }
}

fn certificate(evidence: &CertificateEvidence) -> v1::CertificateEvidence {
    v1::CertificateEvidence {
        serial: evidence.serial.clone(),
        issuer: evidence.issuer.clone(),
        sources: evidence.relied_on().iter().map(source).collect(),
        passed_over: evidence.passed_over.iter().map(ToString::to_string).collect(),
    }
}

fn source(relied: &ReliedOn) -> v1::RevocationSource {
    let source = relied.source.as_ref();
    v1::RevocationSource {
        kind: relied.kind.as_str().to_owned(),
        signer: relied.kind.signer().to_owned(),
        step: source.map(|source| source.step.as_str().to_owned()).unwrap_or_default(),
        url: source.and_then(|source| source.url.clone()).unwrap_or_default(),
        this_update: Some(timestamp(relied.this_update)),
        next_update: relied.next_update.map(timestamp),
    }
}

fn timestamp(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from(SystemTime::from(time))
}
