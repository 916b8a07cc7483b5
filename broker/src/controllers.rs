//! The domain controllers of each realm: which are in use, how they were found, and whether they answer. Does I/O, through
//! [`ldap_map::net`] and [`kdc_proxy::net`].
//!
//! A realm's controllers stand in the configuration, or are searched in the DNS of its domain. What a search finds is handed to the
//! directory, to the Kerberos client and to the KDC proxy, in the same order and under the same host names, so that one login keeps
//! to one controller. Nothing more than that order rests on it: a directory proves its name and the domain's by its certificate, a
//! KDC itself by our key.

use std::{net::SocketAddr, sync::Arc};

use kdc_proxy::{
    net::{
        client::{Client, KPASSWD_PORT, KdcStatus},
        locate::KdcAddress,
        relay::Relay,
        transport::Endpoint,
    },
    principal::Realm,
};
use ldap_map::net::{
    directory::{Directory, LdapServer, ServerStatus},
    locate::{DnsError, DomainController, LocateError, Located, Locator, Search},
};
use tokio::sync::watch;

/// LDAP over TLS. DNS names the port of LDAP without TLS only.
const LDAPS_PORT: u16 = 636;

/// The controllers of one realm.
#[derive(Debug)]
pub struct RealmControllers {
    realm: Realm,
    directory: Arc<Directory>,
    kerberos: Arc<Client>,
    locator: Option<Locator>,
    forwards: Option<(Arc<Relay>, Passwords)>,
    /// Whether a search has ended, in whatever way.
    has_looked: watch::Sender<bool>,
}

/// Whom the KDC proxy asks to change a password in a realm whose KDCs are searched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passwords {
    /// The servers that are listed.
    Listed,
    /// The hosts of the KDCs.
    AtKdcs,
}

/// What is known of a realm's controllers.
#[derive(Clone, Debug)]
pub struct RealmStatus {
    /// The realm.
    pub realm: Realm,
    /// What the search for them has come to; none where they are configured.
    pub search: Option<Search>,
    /// As servers of the directory, nearest first.
    pub servers: Vec<ServerStatus>,
    /// As KDCs, nearest first.
    pub kdcs: Vec<KdcStatus>,
}

impl RealmControllers {
    /// Those of the realm whose directory this is; with a locator they are searched by it, else they have been configured.
    #[must_use]
    pub fn new(
        realm: Realm,
        directory: Arc<Directory>,
        kerberos: Arc<Client>,
        locator: Option<Locator>,
    ) -> Self {
        Self { realm, directory, kerberos, locator, forwards: None, has_looked: watch::Sender::new(false) }
    }

    /// Has the KDC proxy forward to what a search finds.
    #[must_use]
    pub fn forwarding(self, forwards: Option<(Arc<Relay>, Passwords)>) -> Self {
        Self { forwards, ..self }
    }

    /// Whether a host is one of them, by everything that is known: as it is listed, as it was found, or as the domain itself, under whose
    /// name each of them answers.
    #[must_use]
    pub fn are_at(&self, host: &str) -> bool {
        let is_it = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(host);
        let RealmStatus { realm, servers, kdcs, search } = self.status();
        let located = search.and_then(|search| search.located);
        let found = located.iter().flat_map(|located| &located.controllers);
        is_it(realm.as_str())
            || servers.iter().any(|status| is_it(&status.server))
            || kdcs.iter().any(|status| is_it(&host_of(&status.kdc)))
            || found.into_iter().any(|found| is_it(&found.host))
    }

    /// Whether they are searched by DNS.
    #[must_use]
    pub const fn are_discovered(&self) -> bool {
        self.locator.is_some()
    }

    /// Searches again and again, and uses what is found. Ends only by being dropped, or at once where nothing is searched.
    pub async fn keep_up(&self) {
        let Some(locator) = &self.locator else { return };
        let told = |search: &Search| {
            if let (Some(located), None) = (&search.located, &search.failing) {
                self.take_over(locator, located);
            }
            self.has_looked.send_replace(true);
        };
        locator.run(told).await;
    }

    /// Waits until [`Self::keep_up`] has searched once, with whatever outcome.
    pub async fn first_search(&self) {
        if self.are_discovered() {
            // The sender lives as long as this does.
            drop(self.has_looked.subscribe().wait_for(|has_looked| *has_looked).await);
        }
    }

    /// Searches once and uses what is found, for a command that does not stay.
    ///
    /// # Errors
    /// [`LocateError`]
    pub async fn search_once(&self) -> Result<(), LocateError> {
        if let Some(locator) = &self.locator {
            let located = locator.look().await?;
            self.take_over(locator, &located);
        }
        Ok(())
    }

    /// Searches again soon: those in use do not serve.
    pub fn hurry(&self) {
        if let Some(locator) = &self.locator {
            locator.hurry();
        }
    }

    /// Whether the last search found any. The controllers found before it stay in use if not.
    ///
    /// # Errors
    /// [`LocateError`] of that search.
    pub fn check(&self) -> Result<(), LocateError> {
        let failing = self.locator.as_ref().and_then(|locator| locator.search().failing);
        failing.map_or(Ok(()), |failing| Err(failing.error))
    }

    /// What is known of them.
    #[must_use]
    pub fn status(&self) -> RealmStatus {
        let of_realm = |kdc: &KdcStatus| kdc.realm == self.realm;
        RealmStatus {
            realm: self.realm.clone(),
            search: self.locator.as_ref().map(Locator::search),
            servers: self.directory.server_status(),
            kdcs: self.kerberos.kdc_status().into_iter().filter(of_realm).collect(),
        }
    }

    /// Hands the controllers that were found to the directory, to the Kerberos client, and to the KDC proxy if it follows them.
    fn take_over(&self, locator: &Locator, located: &Located) {
        let server = |found| locator.ldap_server(found, LDAPS_PORT).ok();
        let usable = located.controllers.iter().filter_map(|found| Some((server(found)?, kdc(found)?)));
        let (servers, kdcs): (Vec<LdapServer>, Vec<Endpoint>) = usable.unzip();
        // Both refuse an empty list, which no search gives; what they have stays then.
        if let Err(error) = self.directory.set_servers(servers) {
            tracing::error!(realm = %self.realm, %error, "the domain controllers that were found are not used");
        }
        if let Some((relay, passwords)) = &self.forwards {
            let at = |port: Option<u16>| {
                let found = located.controllers.iter();
                found.filter_map(|found| kdc_address(found, port.unwrap_or(found.kdc_port))).collect()
            };
            relay.set_kdcs(&self.realm, at(None));
            if *passwords == Passwords::AtKdcs {
                relay.set_kpasswd(&self.realm, at(Some(KPASSWD_PORT)));
            }
        }
        if let Err(error) = self.kerberos.set_kdcs(&self.realm, kdcs) {
            tracing::error!(realm = %self.realm, %error, "the domain controllers that were found are not used");
        }
    }
}

impl RealmStatus {
    /// A controller as the search found it, by its host name.
    #[must_use]
    pub fn found(&self, host: &str) -> Option<&DomainController> {
        let located = self.search.as_ref()?.located.as_ref()?;
        located.controllers.iter().find(|found| found.host.eq_ignore_ascii_case(host))
    }
}

/// The stable word for a search that finds nothing, on the status page.
#[must_use]
pub const fn code_of(error: &LocateError) -> &'static str {
    match error {
        LocateError::Dns { error: DnsError::NoRecord | DnsError::Name, .. } | LocateError::None { .. } => {
            "controllers_not_found"
        }
        _ => "dns_unavailable",
    }
}

fn kdc(found: &DomainController) -> Option<Endpoint> {
    kdc_address(found, found.kdc_port).map(Endpoint::Tcp)
}

fn kdc_address(found: &DomainController, port: u16) -> Option<KdcAddress> {
    let address = KdcAddress::new(&found.host, port).ok()?;
    Some(address.at(found.addresses.clone()))
}

/// The host of a KDC; of a KDC proxy its URL.
#[must_use]
pub fn host_of(kdc: &Endpoint) -> String {
    match kdc {
        Endpoint::Tcp(kdc) => kdc.host().to_owned(),
        other => other.to_string(),
    }
}

/// The addresses at which a KDC is dialled, where they are fixed.
#[must_use]
pub fn addresses_of(kdc: &Endpoint) -> Vec<SocketAddr> {
    match kdc {
        Endpoint::Tcp(kdc) => {
            kdc.fixed_addresses().iter().map(|address| SocketAddr::new(*address, kdc.port())).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
