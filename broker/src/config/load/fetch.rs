//! Whom the service may ask for what certificates point at.

use crate::{
    config::{document::Located, raw},
    identity::{FetchSettings, Fetcher},
};

/// Makes the fetcher. Nothing is asked yet.
pub(super) fn fetcher(raw: &raw::Fetch) -> Fetcher {
    Fetcher::new(FetchSettings {
        allow_networks: values(raw.allow_networks.as_deref()),
        allow_ports: values(raw.allow_ports.as_deref()),
    })
}

fn values<T: Copy>(listed: Option<&[Located<T>]>) -> Vec<T> {
    listed.into_iter().flatten().map(|entry| entry.value).collect()
}
