//! Whom the service may ask for what certificates point at.

use std::sync::Arc;

use crate::{
    config::{document::Located, raw},
    directory::Domains,
    identity::{CrlStoreSettings, FetchSettings, Fetcher, IssuerFetchSettings},
};

/// Makes the fetcher, which asks our own directory over the service's connection. Nothing is asked yet.
pub(super) fn fetcher(raw: &raw::Fetch, domains: Option<&Domains>) -> Fetcher {
    let fetcher = Fetcher::new(FetchSettings {
        allow_networks: values(raw.allow_networks.as_deref()),
        allow_ports: values(raw.allow_ports.as_deref()),
    });
    match domains {
        Some(domains) => fetcher.in_directory(Arc::clone(domains.own().directory())),
        None => fetcher,
    }
}

/// The bounds of lists that are fetched.
pub(super) fn lists(raw: &raw::Fetch) -> Option<CrlStoreSettings> {
    Some(CrlStoreSettings {
        max_list: raw.max_crl_size.as_ref()?.value,
        max_total: raw.max_crl_total.as_ref()?.value,
        timeout: raw.crl_timeout.as_ref()?.value,
        refresh: raw.crl_refresh_interval.as_ref()?.value,
    })
}

/// Where certificates of issuers are fetched.
pub(super) fn issuers(raw: Option<&raw::Aia>) -> Option<Option<IssuerFetchSettings>> {
    let Some(raw) = raw else { return Some(None) };
    Some(Some(IssuerFetchSettings {
        hosts: raw.hosts.as_ref()?.iter().map(|host| host.value.clone()).collect(),
        max_octets: raw.max_size.as_ref()?.value,
        timeout: raw.timeout.as_ref()?.value,
        max_urls: raw.max_urls.as_ref()?.value,
    }))
}

fn values<T: Copy>(listed: Option<&[Located<T>]>) -> Vec<T> {
    listed.into_iter().flatten().map(|entry| entry.value).collect()
}
