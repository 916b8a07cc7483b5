//! The tables of the realms beside our own.

use super::{discovery::listed_unless, steps::Directory};
use crate::config::document::{Located, Section};

/// `[[realm]]`: a realm that ours trusts, whose accounts may log in and whose services may be reached.
#[derive(Debug)]
pub(in crate::config) struct TrustedRealm {
    pub(in crate::config) name: Option<Located<String>>,
    /// Empty where they are discovered.
    pub(in crate::config) kdcs: Option<Vec<Located<String>>>,
    pub(in crate::config) domain_sid: Option<Located<String>>,
    pub(in crate::config) directory: Directory,
}

impl TrustedRealm {
    pub(super) fn read(section: Section<'_>) -> Self {
        let directory = Directory::read(section.section("directory"));
        let discovered = directory.discovery.is_some();
        let read = Self {
            name: section.required("name"),
            kdcs: listed_unless(discovered, &section, "kdcs", "directory.discovery"),
            domain_sid: section.optional("domain_sid"),
            directory,
        };
        section.close();
        read
    }
}
