//! `[directory.discovery]` and `[realm.directory.discovery]`: the search for domain controllers.

use std::{net::SocketAddr, time::Duration};

use super::{MILLISECOND, MINUTE, SECOND, seconds};
use crate::config::{
    document::{Located, Section},
    problem::{Fault, Place},
};

/// Where domain controllers are searched in place of a list of them.
#[derive(Debug)]
pub(in crate::config) struct Discovery {
    pub(in crate::config) place: Place,
    pub(in crate::config) domain: Option<Located<String>>,
    pub(in crate::config) site: Option<Located<String>>,
    pub(in crate::config) host_domains: Option<Vec<Located<String>>>,
    pub(in crate::config) dns_servers: Option<Vec<Located<SocketAddr>>>,
    pub(in crate::config) timeout: Option<Located<Duration>>,
    pub(in crate::config) refresh_interval: Option<Located<Duration>>,
    pub(in crate::config) certificates_name_domain: Option<Located<bool>>,
}

impl Discovery {
    /// Reads the table; without it nothing is searched.
    pub(super) fn read(directory: &Section<'_>) -> Option<Self> {
        let section = directory.section("discovery");
        if !directory.has("discovery") {
            return None;
        }
        let read = Self {
            place: section.place(),
            domain: section.required("domain"),
            site: section.optional("site"),
            host_domains: section.list("host_domains"),
            dns_servers: section.list("dns_servers"),
            timeout: section.within("timeout", seconds(2), 100 * MILLISECOND..=MINUTE),
            refresh_interval: section.within("refresh_interval", 5 * MINUTE, SECOND..=24 * super::HOUR),
            certificates_name_domain: section.or("certificates_name_domain", true),
        };
        section.close();
        Some(read)
    }
}

/// A list of servers, which must be there unless the servers are discovered, and must not be there if they are: then it is
/// empty.
pub(super) fn listed_unless(
    discovered: bool,
    section: &Section<'_>,
    key: &'static str,
    other: &'static str,
) -> Option<Vec<Located<String>>> {
    if section.has(key) == discovered {
        section.problems().note(&section.place_of(key), Fault::OneOf { one: key, other });
    }
    let listed = section.list(key);
    if discovered { Some(Vec::new()) } else { listed }
}
