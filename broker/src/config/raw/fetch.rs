//! `[identity.fetch]`: whom the service may ask for what certificates point at.

use ipnet::IpNet;

use crate::config::document::{Located, Section};

/// Networks and ports beyond the public internet and 80 and 389.
#[derive(Debug)]
pub(in crate::config) struct Fetch {
    pub(in crate::config) allow_networks: Option<Vec<Located<IpNet>>>,
    pub(in crate::config) allow_ports: Option<Vec<Located<u16>>>,
}

impl Fetch {
    pub(super) fn read(section: Section<'_>) -> Self {
        let read =
            Self { allow_networks: section.list("allow_networks"), allow_ports: section.list("allow_ports") };
        section.close();
        read
    }
}
