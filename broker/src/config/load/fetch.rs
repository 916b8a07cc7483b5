//! Whom the service may ask for what certificates point at.

use std::sync::Arc;

use crate::{
    config::{document::Located, raw},
    directory::Domains,
    identity::{FetchSettings, Fetcher},
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

fn values<T: Copy>(listed: Option<&[Located<T>]>) -> Vec<T> {
    listed.into_iter().flatten().map(|entry| entry.value).collect()
}
