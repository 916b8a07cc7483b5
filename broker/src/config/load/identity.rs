//! The first step: what cards are believed.

use std::{sync::Arc, time::Duration};

use super::{Loader, fetch, revocation};
use crate::{
    config::{
        document::Located,
        problem::{Fault, Place},
        raw::{self, PolicyMatch},
        warning::Warning,
    },
    identity::{DEFAULT_EXTENDED_KEY_USAGE, Fetcher, Policies, Settings, SettingsProblem, Usage, Validator},
};

impl Loader<'_> {
    pub(super) fn identity(
        &self,
        raw: &raw::Identity,
        fetcher: &Arc<Fetcher>,
        warnings: &mut Vec<Warning>,
    ) -> Option<Validator> {
        let roots = self.certificates(raw.roots.as_ref());
        let intermediates = match &raw.intermediates {
            Some(path) => self.certificates(Some(path)),
            None => Some(Vec::new()),
        };
        let revocation = self.revocation(raw.revocation.as_ref());
        let purposes = raw.extended_key_usage.as_ref();
        let extended_key_usage = purposes.map_or_else(
            || DEFAULT_EXTENDED_KEY_USAGE.map(str::to_owned).to_vec(),
            |purposes| texts(Some(purposes)),
        );
        let bundle = self.bundle(raw.revocation.as_ref(), warnings);
        let warn_before = raw.revocation.as_ref().and_then(|revocation| revocation.warn_before.as_ref());
        let warn_before = warn_before.map(|before| before.value);
        let (revocation, lists) = revocation?;
        let policies = texts(raw.policies.as_ref());
        let policies = Policies {
            all: raw.policy_match.as_ref()?.value == PolicyMatch::All,
            explicit: !policies.is_empty(),
            accepted: policies,
            ..Policies::default()
        };
        let settings = Settings {
            roots: roots?,
            intermediates: intermediates?,
            hints: Vec::new(),
            revocation,
            inquiry: revocation::bounds(raw.revocation.as_ref())?,
            fetcher: Arc::clone(fetcher),
            bundle: bundle?,
            list_warning: warn_before,
            crl_store: fetch::lists(&raw.fetch)?,
            issuer_fetch: fetch::issuers(raw.aia.as_ref())?,
            policies,
            usage: Usage::Card,
            extended_key_usage,
            accept_any_extended_key_usage: raw.accept_any_extended_key_usage.as_ref()?.value,
            minimum_rsa_bits: raw.minimum_rsa_bits.as_ref()?.value,
            minimum_curve_bits: raw.minimum_curve_bits.as_ref()?.value,
            minimum_hash_bits: raw.minimum_hash_bits.as_ref()?.value,
            maximum_validity: raw.maximum_validity_days.as_ref().map(|days| {
                let days = u64::try_from(days.value).unwrap_or(u64::MAX);
                Duration::from_secs(days.saturating_mul(86_400))
            }),
            issuers: texts(raw.issuers.as_ref()),
        };
        match Validator::new(settings, self.now) {
            Ok(validator) => Some(validator),
            Err(error) => {
                for problem in error.problems() {
                    self.problems.note(
                        place_of(problem, raw, &lists),
                        Fault::mended(problem.clone(), mend_of(problem)),
                    );
                }
                None
            }
        }
    }
}

fn texts(listed: Option<&Vec<Located<String>>>) -> Vec<String> {
    listed.into_iter().flatten().map(|one| one.value.clone()).collect()
}

/// The key a problem of the step's settings belongs to.
fn place_of<'r>(problem: &SettingsProblem, raw: &'r raw::Identity, lists: &'r [Place]) -> &'r Place {
    let of = |place: Option<&'r Place>| place.unwrap_or(&raw.place);
    match problem {
        SettingsProblem::NoRoots | SettingsProblem::Root { .. } | SettingsProblem::NoRootIsValid => {
            of(raw.roots.as_ref().map(|roots| &roots.place))
        }
        SettingsProblem::Intermediate { .. } => of(raw.intermediates.as_ref().map(|named| &named.place)),
        SettingsProblem::Crl { index, .. } => of(lists.get(*index)),
        SettingsProblem::Order { index, .. } => {
            let ordered = raw.revocation.as_ref().and_then(|revocation| revocation.ordered.as_ref());
            of(ordered.and_then(|ordered| ordered.issuers.get(*index)).map(|issuer| &issuer.place))
        }
        SettingsProblem::NoCrls | SettingsProblem::NoOrders => {
            let mode = raw.revocation.as_ref().and_then(|revocation| revocation.mode.as_ref());
            of(mode.map(|mode| &mode.place))
        }
        SettingsProblem::ExtendedKeyUsage { text } => {
            let named = raw.extended_key_usage.iter().flatten().find(|Located { value, .. }| value == text);
            of(named.map(|named| &named.place))
        }
        SettingsProblem::Policy { text } => of(place_in(raw.policies.as_ref(), text)),
        SettingsProblem::Issuer { text } => of(place_in(raw.issuers.as_ref(), text)),
        SettingsProblem::Bits { what: "curve", .. } => {
            of(raw.minimum_curve_bits.as_ref().map(|bits| &bits.place))
        }
        SettingsProblem::Bits { .. } => of(raw.minimum_hash_bits.as_ref().map(|bits| &bits.place)),
        SettingsProblem::RsaBits => of(raw.minimum_rsa_bits.as_ref().map(|bits| &bits.place)),
        _ => &raw.place,
    }
}

fn place_in<'r>(listed: Option<&'r Vec<Located<String>>>, text: &str) -> Option<&'r Place> {
    listed?.iter().find(|one| one.value == text).map(|one| &one.place)
}

fn mend_of(problem: &SettingsProblem) -> &'static str {
    match problem {
        SettingsProblem::Root { .. } | SettingsProblem::NoRootIsValid | SettingsProblem::NoRoots => {
            "name a file with the self-signed certificate of the cards' root authority"
        }
        SettingsProblem::Intermediate { .. } => "keep only certificates of authorities in this file",
        SettingsProblem::Crl { .. } | SettingsProblem::NoCrls => {
            "name the complete revocation list of each authority, as it publishes it"
        }
        SettingsProblem::Order { .. } | SettingsProblem::NoOrders => {
            "declare for each issuer an order out of ocsp, alternate_ocsp, crl, files and cached"
        }
        SettingsProblem::RsaBits => "leave it at 2048, or raise it",
        SettingsProblem::Bits { what: "curve", .. } => "set 256, 384 or 521",
        SettingsProblem::Bits { .. } => "set 256, 384 or 512",
        SettingsProblem::Issuer { .. } => "write the name as RFC 4514 does, the most specific part first",
        SettingsProblem::ClockUnusable => "set the clock of this host",
        _ => "name object identifiers, for example \"1.3.6.1.4.1.311.20.2.2\"",
    }
}
