//! What policies are told of hosts and of certificate policies.

use std::collections::{BTreeMap, BTreeSet};

use super::Loader;
use crate::{
    config::{
        document::Located,
        problem::{Fault, Place},
        raw::{AuthenticationLevel, PolicyTarget},
    },
    policy::{AuthenticationLevels, ConfiguredTarget, Tags, Targets},
};

impl Loader<'_> {
    /// The hosts; `in_directory` says whether the directory is asked for them too.
    pub(super) fn targets(
        &self,
        raw: &[PolicyTarget],
        in_directory: Option<&Located<bool>>,
    ) -> Option<Targets> {
        // Every entry is read, so that every problem is noted.
        let entries: Vec<_> = raw.iter().map(|entry| self.target(entry)).collect();
        let entries: Option<Vec<ConfiguredTarget>> = entries.into_iter().collect();
        match Targets::new(entries?, in_directory?.value) {
            Ok(targets) => Some(targets),
            Err(place) => {
                let host = raw.get(place).and_then(|entry| entry.host.as_ref());
                let text = host.map(|host| host.value.clone()).unwrap_or_default();
                let at = host.map_or_else(|| Place::new("policy.target", None), |host| host.place.clone());
                self.problems.note(&at, Fault::step(HostTwice { text }));
                None
            }
        }
    }

    fn target(&self, raw: &PolicyTarget) -> Option<ConfiguredTarget> {
        let hosts = raw
            .host
            .as_ref()
            .and_then(|host| self.problems.keep(&host.place, host.value.parse().map_err(Fault::step)));
        let services: Vec<_> = raw
            .services
            .iter()
            .map(|class| self.problems.keep(&class.place, class.value.parse().map_err(Fault::step)))
            .collect();
        let tags = self.tags(raw);
        Some(ConfiguredTarget {
            hosts: hosts?,
            services: services.into_iter().collect::<Option<_>>()?,
            tags: tags?,
        })
    }

    /// A tag that no policy could mean is a slip.
    fn tags(&self, raw: &PolicyTarget) -> Option<Tags> {
        let fits = |text: &str| {
            !text.is_empty() && text.chars().count() <= LONGEST_TAG && !text.chars().any(char::is_control)
        };
        let mut tags = Some(Tags::new());
        for (name, values) in &raw.tags {
            if !fits(name) || values.iter().any(|value| !fits(&value.value)) {
                let place = values.first().map_or_else(|| raw.place.clone(), |value| value.place.clone());
                self.problems.note(&place, Fault::step(TagUnfit));
                tags = None;
            }
            let values: BTreeSet<String> = values.iter().map(|Located { value, .. }| value.clone()).collect();
            if let Some(tags) = &mut tags {
                tags.insert(name.clone(), values);
            }
        }
        tags
    }

    /// The levels of authentication by certificate policy.
    pub(super) fn authentication_levels(&self, raw: &[AuthenticationLevel]) -> Option<AuthenticationLevels> {
        let mut levels = BTreeMap::new();
        for entry in raw {
            let (policy, level) = (entry.policy.as_ref()?, entry.level.as_ref()?.value);
            let is_dotted = policy.value.contains('.')
                && policy
                    .value
                    .split('.')
                    .all(|arc| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()));
            if !is_dotted {
                self.problems.note(&policy.place, Fault::step(NotDotted));
                return None;
            }
            if levels.insert(policy.value.clone(), i64::try_from(level).unwrap_or(i64::MAX)).is_some() {
                self.problems.note(&policy.place, Fault::step(PolicyTwice));
                return None;
            }
        }
        Some(AuthenticationLevels::new(levels))
    }
}

/// Longest name and value of a tag in characters.
const LONGEST_TAG: usize = 256;

#[derive(Debug, thiserror::Error)]
#[error("{text:?} is there twice")]
struct HostTwice {
    text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the name and the values of a tag have 1 to {LONGEST_TAG} characters, and no control characters")]
struct TagUnfit;

#[derive(Debug, thiserror::Error)]
#[error("a certificate policy is a dotted object identifier, for example \"2.16.840.1.101.3.2.1.3.13\"")]
struct NotDotted;

#[derive(Debug, thiserror::Error)]
#[error("this certificate policy has a level already")]
struct PolicyTwice;
