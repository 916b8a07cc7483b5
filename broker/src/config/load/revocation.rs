//! Where revocation is asked.

use std::sync::Arc;

use super::Loader;
use crate::{
    config::{
        document::Located,
        problem::{Fault, Place},
        raw::{self, RevocationMode},
        warning::Warning,
    },
    identity::{Bundle, BundleChange, InquirySettings, IssuerOrder, OcspManner, Revocation},
};

impl Loader<'_> {
    /// Where revocation is asked, and the place of each list.
    pub(super) fn revocation(&self, raw: Option<&raw::Revocation>) -> Option<(Revocation, Vec<Place>)> {
        let Some(raw) = raw else { return Some((Revocation::NotConfigured, Vec::new())) };
        let mode = raw.mode.as_ref()?.value;
        if mode == RevocationMode::Off {
            return Some((Revocation::Off, Vec::new()));
        }
        let lists = self.revocation_lists(&raw.crls);
        let issuers = raw.ordered.as_ref().map(|ordered| self.orders(&ordered.issuers));
        let (crls, places) = lists?.into_iter().map(|list| (list.value, list.place)).unzip();
        let revocation = match issuers {
            Some(issuers) => Revocation::Ordered { crls, issuers: issuers? },
            None => Revocation::Crls(crls),
        };
        Some((revocation, places))
    }

    fn orders(&self, raw: &[raw::RevocationIssuer]) -> Option<Vec<IssuerOrder>> {
        let orders: Vec<_> = raw.iter().map(|issuer| self.order(issuer)).collect();
        orders.into_iter().collect()
    }

    fn order(&self, raw: &raw::RevocationIssuer) -> Option<IssuerOrder> {
        let responders = match &raw.ocsp_responders {
            Some(path) => self.certificates(Some(path)),
            None => Some(Vec::new()),
        };
        let texts = |listed: &Option<Vec<Located<String>>>| -> Vec<String> {
            listed.iter().flatten().map(|one| one.value.clone()).collect()
        };
        Some(IssuerOrder {
            issuer: raw.name.as_ref().map(|name| name.value.clone()),
            order: raw.order.as_ref()?.iter().map(|step| step.value).collect(),
            manner: OcspManner {
                nonce: raw.ocsp_nonce.as_ref()?.value,
                nonce_octets: raw.ocsp_nonce_octets.as_ref()?.value,
                method: raw.ocsp_method.as_ref()?.value,
                hash: raw.ocsp_certificate_hash.as_ref()?.value,
            },
            alternate_ocsp: texts(&raw.alternate_ocsp),
            crl_urls: texts(&raw.crl_urls),
            responders: responders?,
            ocsp_unknown: raw.ocsp_unknown.as_ref()?.value,
            cached_no_older_than: raw.cached_no_older_than.as_ref()?.value,
            accept_unknown_revocation_status: raw.accept_unknown_revocation_status.as_ref()?.value,
        })
    }
}

impl Loader<'_> {
    /// The directory of lists, looked at for the first time. A file in it that cannot be used is worth a warning, since the
    /// others can; that there is no such directory is a mistake.
    pub(super) fn bundle(
        &self,
        raw: Option<&raw::Revocation>,
        warnings: &mut Vec<Warning>,
    ) -> Option<Option<Arc<Bundle>>> {
        let Some(raw) = raw.filter(|raw| is_checked(raw)) else { return Some(None) };
        let Some(named) = &raw.directory else { return Some(None) };
        let bundle = Bundle::new(self.places.base.join(&named.value));
        for BundleChange { path, error, .. } in bundle.look() {
            match error {
                Some(error) if path == bundle.directory() => {
                    let mend = "name a directory that this service can read, with revocation lists in it";
                    self.problems.note(&named.place, Fault::mended(error, mend));
                    return None;
                }
                Some(error) => warnings.push(Warning::ListFile { path, error }),
                None => {}
            }
        }
        Some(Some(Arc::new(bundle)))
    }
}

fn is_checked(raw: &raw::Revocation) -> bool {
    raw.mode.as_ref().is_some_and(|mode| mode.value != RevocationMode::Off)
}

/// The bounds of what is asked over the network.
pub(super) fn bounds(raw: Option<&raw::Revocation>) -> Option<InquirySettings> {
    let Some(ordered) = raw.and_then(|raw| raw.ordered.as_ref()) else {
        return Some(InquirySettings::default());
    };
    Some(InquirySettings {
        question_timeout: ordered.question_timeout.as_ref()?.value,
        time_limit: ordered.time_limit.as_ref()?.value,
        reuse_answers: ordered.reuse_answers.as_ref()?.value,
    })
}

/// What of it lets a revoked card in.
pub(super) fn warnings(raw: Option<&raw::Revocation>) -> Vec<Warning> {
    let Some(raw) = raw else { return vec![Warning::RevocationNotConfigured] };
    if raw.mode.as_ref().is_some_and(|mode| mode.value == RevocationMode::Off) {
        return vec![Warning::RevocationOff];
    }
    let issuers = raw.ordered.iter().flat_map(|ordered| &ordered.issuers);
    let open = issuers
        .filter(|issuer| issuer.accept_unknown_revocation_status.as_ref().is_some_and(|accept| accept.value));
    let issuer = |issuer: &raw::RevocationIssuer| issuer.name.as_ref().map(|name| name.value.clone());
    open.map(|open| Warning::UnknownRevocationAccepted { issuer: issuer(open) }).collect()
}
