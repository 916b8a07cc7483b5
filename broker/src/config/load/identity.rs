//! The first step: what cards are believed.

use super::Loader;
use crate::{
    config::{
        document::Located,
        problem::{Fault, Place},
        raw::{self, RevocationMode},
    },
    identity::{
        DEFAULT_EXTENDED_KEY_USAGE, Policies, Revocation, Settings, SettingsProblem, Usage, Validator,
    },
};

impl Loader<'_> {
    pub(super) fn identity(&self, raw: &raw::Identity) -> Option<Validator> {
        let roots = self.certificates(raw.roots.as_ref());
        let intermediates = match &raw.intermediates {
            Some(path) => self.certificates(Some(path)),
            None => Some(Vec::new()),
        };
        let revocation = self.revocation(raw.revocation.as_ref());
        let purposes = raw.extended_key_usage.as_ref();
        let extended_key_usage = purposes.map_or_else(
            || DEFAULT_EXTENDED_KEY_USAGE.map(str::to_owned).to_vec(),
            |purposes| purposes.iter().map(|purpose| purpose.value.clone()).collect(),
        );
        let (revocation, lists) = revocation?;
        let settings = Settings {
            roots: roots?,
            intermediates: intermediates?,
            hints: Vec::new(),
            revocation,
            policies: Policies::default(),
            usage: Usage::Card,
            extended_key_usage,
            minimum_rsa_bits: raw.minimum_rsa_bits.as_ref()?.value,
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

    /// Where revocation is asked, and the place of each list.
    fn revocation(&self, raw: Option<&raw::Revocation>) -> Option<(Revocation, Vec<Place>)> {
        let Some(raw) = raw else { return Some((Revocation::NotConfigured, Vec::new())) };
        match raw.mode.as_ref()?.value {
            RevocationMode::Off => Some((Revocation::Off, Vec::new())),
            RevocationMode::Crl => {
                let lists = self.revocation_lists(&raw.crls)?;
                let (lists, places) = lists.into_iter().map(|list| (list.value, list.place)).unzip();
                Some((Revocation::Crls(lists), places))
            }
        }
    }
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
        SettingsProblem::NoCrls => {
            let mode = raw.revocation.as_ref().and_then(|revocation| revocation.mode.as_ref());
            of(mode.map(|mode| &mode.place))
        }
        SettingsProblem::ExtendedKeyUsage { text } => {
            let named = raw.extended_key_usage.iter().flatten().find(|Located { value, .. }| value == text);
            of(named.map(|named| &named.place))
        }
        SettingsProblem::RsaBits => of(raw.minimum_rsa_bits.as_ref().map(|bits| &bits.place)),
        _ => &raw.place,
    }
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
        SettingsProblem::RsaBits => "leave it at 2048, or raise it",
        SettingsProblem::ClockUnusable => "set the clock of this host",
        _ => "name object identifiers, for example \"1.3.6.1.4.1.311.20.2.2\"",
    }
}
