//! The search for domain controllers, of our own realm and of those beside it.

use std::sync::Arc;

use kdc_proxy::{net::client::Client, principal::Realm};
use ldap_map::{
    dn::Dn,
    net::locate::{Locator, LocatorError, Settings},
};

use super::Loader;
use crate::{
    config::{
        KdcProxy,
        document::Located,
        problem::{Fault, Place},
        raw,
    },
    controllers::RealmControllers,
    directory::Domains,
};

impl Loader<'_> {
    /// Makes the search of every realm, our own first; nothing for one whose controllers are listed. Nothing is asked yet.
    pub(super) fn locators(
        &self,
        own: &raw::Directory,
        own_realm: Option<&Located<String>>,
        others: &[raw::TrustedRealm],
    ) -> Option<Vec<Option<Locator>>> {
        let own = std::iter::once((own, own_realm));
        let others = others.iter().map(|realm| (&realm.directory, realm.name.as_ref()));
        let locators = own.chain(others).map(|(directory, realm)| match &directory.discovery {
            Some(discovery) => self.locator(discovery, directory, realm).map(Some),
            None => Some(None),
        });
        // Every one is made, so that every problem is noted.
        let locators: Vec<_> = locators.collect();
        locators.into_iter().collect()
    }

    fn locator(
        &self,
        raw: &raw::Discovery,
        directory: &raw::Directory,
        realm: Option<&Located<String>>,
    ) -> Option<Locator> {
        let domain = raw.domain.clone()?;
        let base: Option<Dn> = directory.base_dn.as_ref().and_then(|base| base.value.parse().ok());
        let base = base.as_ref().and_then(Dn::dns_domain);
        let differs = |other: &str| !other.eq_ignore_ascii_case(&domain.value);
        if base.is_some_and(|base| differs(&base)) || realm.is_some_and(|realm| differs(&realm.value)) {
            let expected = "the domain of base_dn, and the realm in small letters";
            self.problems.note(&domain.place, Fault::Form { expected, example: "\"corp.example\"" });
            return None;
        }
        let domain = domain.value;
        let texts = |list: &[Located<String>]| list.iter().map(|entry| entry.value.clone()).collect();
        let settings = Settings {
            host_domains: raw.host_domains.as_deref().map_or_else(|| vec![domain.clone()], texts),
            domain,
            dns_servers: raw.dns_servers.iter().flatten().map(|server| server.value).collect(),
            site: raw.site.as_ref().map(|site| site.value.clone()),
            timeout: raw.timeout.as_ref()?.value,
            refresh_interval: raw.refresh_interval.as_ref()?.value,
            certificates_name_domain: raw.certificates_name_domain.as_ref()?.value,
        };
        let locator = Locator::new(settings);
        let place = locator.as_ref().map_or_else(|error| place_of(error, raw), |_| &raw.place);
        self.problems.keep(place, locator.map_err(Fault::step))
    }
}

/// Joins what was made of each realm, our own first.
pub(super) fn controllers(
    domains: &Domains,
    kerberos: &Arc<Client>,
    own: &Realm,
    others: &[raw::TrustedRealm],
    locators: Vec<Option<Locator>>,
    proxy: Option<&KdcProxy>,
) -> Option<Vec<Arc<RealmControllers>>> {
    let others = others.iter().map(|realm| Realm::new(&realm.name.as_ref()?.value).ok());
    let realms = std::iter::once(Some(own.clone())).chain(others);
    let parts = domains.all().zip(realms).zip(locators);
    let controllers = parts.map(|((domain, realm), locator)| {
        let (directory, kerberos) = (Arc::clone(domain.directory()), Arc::clone(kerberos));
        let realm = realm?;
        let forwards = proxy.and_then(|proxy| Some((Arc::clone(&proxy.relay), *proxy.followed.get(&realm)?)));
        Some(Arc::new(RealmControllers::new(realm, directory, kerberos, locator).forwarding(forwards)))
    });
    controllers.collect()
}

/// The key a problem of the search's settings belongs to.
fn place_of<'r>(error: &LocatorError, raw: &'r raw::Discovery) -> &'r Place {
    let place = match error {
        LocatorError::Domain(wrong) => {
            let host_domain = raw.host_domains.iter().flatten().find(|entry| entry.value == *wrong);
            host_domain.or(raw.domain.as_ref()).map(|named| &named.place)
        }
        LocatorError::Site(_) => raw.site.as_ref().map(|named| &named.place),
        _ => None,
    };
    place.unwrap_or(&raw.place)
}
