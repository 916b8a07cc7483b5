//! `[directory.strong_mapping]` and `[realm.directory.strong_mapping]`: how firmly a card must be tied to its account.

use std::time::Duration;

use ldap_map::alt_security_identities::Sha1Reading;
use toml::de::DeValue;

use super::seconds;
use crate::config::{
    document::{Located, Section, Value},
    problem::Fault,
    value::choice,
};

/// Longest time that a certificate may be older than its account: what domain controllers take, 50 years.
const LONGEST_COMPENSATION: Duration = Duration::from_secs(50 * 366 * 24 * 3600);

/// The table; without it only strong mappings count.
#[derive(Debug)]
pub(in crate::config) struct StrongMapping {
    pub(in crate::config) mode: Option<Located<MappingMode>>,
    /// Absent from the table.
    pub(in crate::config) mode_is_default: bool,
    pub(in crate::config) certificate_backdating_compensation: Option<Located<Duration>>,
    pub(in crate::config) enterprise_issuers: Option<Vec<Located<String>>>,
    pub(in crate::config) sha1_public_key: Option<Vec<Located<Sha1Reading>>>,
    pub(in crate::config) name_rules: Option<Vec<Located<String>>>,
}

impl StrongMapping {
    /// Reads the table of a directory.
    pub(super) fn read(directory: &Section<'_>) -> Self {
        let section = directory.section("strong_mapping");
        let compensation = "certificate_backdating_compensation";
        let read = Self {
            mode_is_default: !section.has("mode"),
            mode: section.or("mode", MappingMode::Full),
            certificate_backdating_compensation: section.within(
                compensation,
                seconds(0),
                Duration::ZERO..=LONGEST_COMPENSATION,
            ),
            enterprise_issuers: section.list("enterprise_issuers"),
            sha1_public_key: section.list("sha1_public_key"),
            name_rules: section.list("name_rules"),
        };
        section.close();
        read
    }
}

/// Which mappings are accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::config) enum MappingMode {
    Full,
    Compatibility,
    DangerouslyNone,
}

impl Value for MappingMode {
    const EXAMPLE: &'static str = "\"full\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        let words = &["full", "compatibility", "dangerously-none"];
        choice(value, words, &[Self::Full, Self::Compatibility, Self::DangerouslyNone])
    }
}

impl Value for Sha1Reading {
    const EXAMPLE: &'static str = "\"certificate\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        choice(value, &["certificate", "public-key-info", "public-key"], &Self::ALL)
    }
}
