//! `[identity.fetch]` and `[identity.aia]`: whom the service may ask for what certificates point at, and within which bounds.

use std::time::Duration;

use ipnet::IpNet;

use super::{HOUR, MILLISECOND, MINUTE, SECOND};
use crate::{
    config::document::{Located, Section},
    identity::{CrlStoreSettings, IssuerFetchSettings},
};

const MEBIBYTE: usize = 1024 * 1024;

/// Networks and ports beyond the public internet and 80 and 389, and the bounds of lists.
#[derive(Debug)]
pub(in crate::config) struct Fetch {
    pub(in crate::config) allow_networks: Option<Vec<Located<IpNet>>>,
    pub(in crate::config) allow_ports: Option<Vec<Located<u16>>>,
    pub(in crate::config) crl_timeout: Option<Located<Duration>>,
    pub(in crate::config) crl_refresh_interval: Option<Located<Duration>>,
    pub(in crate::config) max_crl_size: Option<Located<usize>>,
    pub(in crate::config) max_crl_total: Option<Located<usize>>,
}

impl Fetch {
    pub(super) fn read(section: Section<'_>) -> Self {
        let default = CrlStoreSettings::default();
        let sizes = 64 * 1024..=4096 * MEBIBYTE;
        let read = Self {
            allow_networks: section.list("allow_networks"),
            allow_ports: section.list("allow_ports"),
            crl_timeout: section.within("crl_timeout", default.timeout, SECOND..=10 * MINUTE),
            crl_refresh_interval: section.within("crl_refresh_interval", default.refresh, MINUTE..=24 * HOUR),
            max_crl_size: section.within("max_crl_size", default.max_list, sizes.clone()),
            max_crl_total: section.within("max_crl_total", default.max_total, sizes),
        };
        section.close();
        read
    }
}

/// Where certificates of issuers are fetched that chains do not bring. Without the table, nowhere.
#[derive(Debug)]
pub(in crate::config) struct Aia {
    pub(in crate::config) hosts: Option<Vec<Located<String>>>,
    pub(in crate::config) timeout: Option<Located<Duration>>,
    pub(in crate::config) max_size: Option<Located<usize>>,
    pub(in crate::config) max_urls: Option<Located<usize>>,
}

impl Aia {
    pub(super) fn read(identity: &Section<'_>) -> Option<Self> {
        let section = identity.section("aia");
        if !identity.has("aia") {
            return None;
        }
        let default = IssuerFetchSettings::new(Vec::new());
        let read = Self {
            hosts: section.required_list("hosts"),
            timeout: section.within("timeout", default.timeout, 100 * MILLISECOND..=MINUTE),
            max_size: section.within("max_size", default.max_octets, 1024..=MEBIBYTE),
            max_urls: section.within("max_urls", default.max_urls, 1..=16),
        };
        section.close();
        Some(read)
    }
}
