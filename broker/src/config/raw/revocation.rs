//! `[identity.revocation]`: where it is known which certificates were revoked. Without it every login is refused.

use std::{path::PathBuf, time::Duration};

use toml::de::DeValue;

use super::{HOUR, MILLISECOND, MINUTE, SECOND, seconds};
use crate::{
    config::{
        document::{Located, Section, Value},
        problem::{Fault, Place},
        value::choice,
    },
    identity::{
        CertIdHash, DEFAULT_CACHED_NO_OLDER_THAN, InquirySettings, Nonce, OcspManner, OcspMethod,
        OcspUnknown, RevocationStep,
    },
};

/// How revocation is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum RevocationMode {
    Crl,
    Ordered,
    Off,
}

impl Value for RevocationMode {
    const EXAMPLE: &'static str = "\"crl\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["crl", "ordered", "off"], &[Self::Crl, Self::Ordered, Self::Off])
    }
}

#[derive(Debug)]
pub(in crate::config) struct Revocation {
    pub(in crate::config) mode: Option<Located<RevocationMode>>,
    pub(in crate::config) crls: Vec<Located<PathBuf>>,
    pub(in crate::config) directory: Option<Located<PathBuf>>,
    pub(in crate::config) warn_before: Option<Located<Duration>>,
    /// What stands beside with `mode = "ordered"` only.
    pub(in crate::config) ordered: Option<OrderedRevocation>,
}

/// What is asked over the network, and in which order.
#[derive(Debug)]
pub(in crate::config) struct OrderedRevocation {
    pub(in crate::config) issuers: Vec<RevocationIssuer>,
    pub(in crate::config) question_timeout: Option<Located<Duration>>,
    pub(in crate::config) time_limit: Option<Located<Duration>>,
    pub(in crate::config) reuse_answers: Option<Located<Duration>>,
}

/// `[[identity.revocation.issuer]]`: the sources for the certificates of one issuer.
#[derive(Debug)]
pub(in crate::config) struct RevocationIssuer {
    pub(in crate::config) place: Place,
    pub(in crate::config) name: Option<Located<String>>,
    pub(in crate::config) order: Option<Vec<Located<RevocationStep>>>,
    pub(in crate::config) alternate_ocsp: Option<Vec<Located<String>>>,
    pub(in crate::config) crl_urls: Option<Vec<Located<String>>>,
    pub(in crate::config) cached_no_older_than: Option<Located<Duration>>,
    pub(in crate::config) ocsp_nonce: Option<Located<Nonce>>,
    pub(in crate::config) ocsp_nonce_octets: Option<Located<usize>>,
    pub(in crate::config) ocsp_method: Option<Located<OcspMethod>>,
    pub(in crate::config) ocsp_certificate_hash: Option<Located<CertIdHash>>,
    pub(in crate::config) ocsp_responders: Option<Located<PathBuf>>,
    pub(in crate::config) ocsp_unknown: Option<Located<OcspUnknown>>,
    pub(in crate::config) accept_unknown_revocation_status: Option<Located<bool>>,
}

impl Revocation {
    pub(super) fn read(section: Section<'_>) -> Self {
        let mode: Option<Located<RevocationMode>> = section.required("mode");
        let is = |wanted| matches!(&mode, Some(mode) if mode.value == wanted);
        let needed = is(RevocationMode::Crl) && !section.has("directory");
        let crls = if needed { section.required_list("crls") } else { section.list("crls") };
        // Its default depends on the list.
        let warn_before = if section.has("warn_before") {
            section.within("warn_before", HOUR, MINUTE..=365 * 24 * HOUR)
        } else {
            None
        };
        let directory = section.optional("directory");
        let ordered = is(RevocationMode::Ordered).then(|| OrderedRevocation::read(&section));
        section.close();
        Self { mode, crls: crls.unwrap_or_default(), directory, warn_before, ordered }
    }
}

impl OrderedRevocation {
    fn read(section: &Section<'_>) -> Self {
        if !section.has("issuer") {
            let example = "[[identity.revocation.issuer]] with order".to_owned();
            section.problems().note(&section.place_of("issuer"), Fault::Missing { example });
        }
        let default = InquirySettings::default();
        Self {
            issuers: section.sections("issuer").into_iter().map(RevocationIssuer::read).collect(),
            question_timeout: section.within(
                "question_timeout",
                default.question_timeout,
                100 * MILLISECOND..=MINUTE,
            ),
            time_limit: section.within("time_limit", default.time_limit, SECOND..=MINUTE),
            reuse_answers: section.within("reuse_answers", default.reuse_answers, Duration::ZERO..=24 * HOUR),
        }
    }
}

impl RevocationIssuer {
    fn read(section: Section<'_>) -> Self {
        let manner = OcspManner::default();
        let read = Self {
            place: section.place(),
            name: section.optional("name"),
            order: section.required_list("order"),
            alternate_ocsp: section.list("alternate_ocsp"),
            crl_urls: section.list("crl_urls"),
            cached_no_older_than: section.within(
                "cached_no_older_than",
                DEFAULT_CACHED_NO_OLDER_THAN,
                seconds(60)..=30 * 24 * HOUR,
            ),
            ocsp_nonce: section.or("ocsp_nonce", manner.nonce),
            ocsp_nonce_octets: section.within("ocsp_nonce_octets", manner.nonce_octets, 16..=32),
            ocsp_method: section.or("ocsp_method", manner.method),
            ocsp_certificate_hash: section.or("ocsp_certificate_hash", manner.hash),
            ocsp_responders: section.optional("ocsp_responders"),
            ocsp_unknown: section.or("ocsp_unknown", OcspUnknown::Refuse),
            accept_unknown_revocation_status: section.or("accept_unknown_revocation_status", false),
        };
        section.close();
        read
    }
}

impl Value for RevocationStep {
    const EXAMPLE: &'static str = "\"ocsp\", \"crl\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let all = [Self::Stapled, Self::Ocsp, Self::AlternateOcsp, Self::Crl, Self::Files, Self::Cached];
        choice(value, &["stapled", "ocsp", "alternate_ocsp", "crl", "files", "cached"], &all)
    }
}

impl Value for Nonce {
    const EXAMPLE: &'static str = "\"sent\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["sent", "required", "off"], &[Self::Sent, Self::Required, Self::Off])
    }
}

impl Value for OcspMethod {
    const EXAMPLE: &'static str = "\"post\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["post", "get"], &[Self::Post, Self::Get])
    }
}

impl Value for CertIdHash {
    const EXAMPLE: &'static str = "\"sha1\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["sha1", "sha256"], &[Self::Sha1, Self::Sha256])
    }
}

impl Value for OcspUnknown {
    const EXAMPLE: &'static str = "\"refuse\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["refuse", "next_source"], &[Self::Refuse, Self::NextSource])
    }
}
