//! The domains beside our own: their directories, and what the Kerberos client knows of their realms.

use std::{collections::BTreeMap, sync::Arc};

use kdc_proxy::{
    exchange::realms::{TrustedRealm, TrustedRealms},
    net::transport::Endpoint,
    principal::Realm,
};
use ldap_map::{
    dn::Dn,
    sid::Sid,
    upn::{Upn, UpnError},
};

use super::Loader;
use crate::{
    config::{ServiceSecret, document::Located, problem::Fault, raw},
    directory::{Domain, Domains, Settings},
};

/// The realms beside our own, as the Kerberos client is told of them.
#[derive(Default)]
pub(super) struct Realms {
    pub(super) trusted: TrustedRealms,
    pub(super) kdcs: BTreeMap<Realm, Vec<Endpoint>>,
}

impl Loader<'_> {
    /// Makes the clients of all directories. They have connected to no server yet.
    pub(super) fn domains(
        &self,
        own: &raw::Directory,
        own_sid: Option<Located<String>>,
        secret: Option<&ServiceSecret>,
        realms: &[raw::TrustedRealm],
    ) -> Option<Domains> {
        let trusted: Vec<Option<Domain>> = realms
            .iter()
            .map(|realm| self.domain(&realm.directory, realm.domain_sid.clone(), secret))
            .collect();
        let mappings = self.mappings(own, realms);
        let own = self.domain(own, own_sid, secret);
        Some(Domains::new(own?, trusted.into_iter().collect::<Option<_>>()?).mapping_by(mappings?))
    }

    fn domain(
        &self,
        raw: &raw::Directory,
        domain_sid: Option<Located<String>>,
        secret: Option<&ServiceSecret>,
    ) -> Option<Domain> {
        let suffixes = raw.upn_suffixes.as_ref().map(|suffixes| {
            let suffixes: Vec<Option<String>> =
                suffixes.iter().map(|suffix| self.upn_suffix(suffix)).collect();
            suffixes.into_iter().collect::<Option<Vec<_>>>()
        });
        let directory = self.directory(raw, domain_sid.clone(), secret);
        let mapping = self.mapping_rules(raw);
        let settings = Settings {
            mapping: mapping?,
            upn_suffixes: match suffixes {
                Some(suffixes) => Some(suffixes?),
                None => None,
            },
            // What is no SID has been noted where the directory was made.
            domain_sid: domain_sid.and_then(|text| Sid::parse_domain(&text.value).ok()),
        };
        Some(Domain::new(Arc::new(directory?), settings))
    }

    fn upn_suffix(&self, suffix: &Located<String>) -> Option<String> {
        let upn: Result<Upn, UpnError> = Upn::parse(&format!("name@{}", suffix.value));
        self.problems.keep(&suffix.place, upn.map_err(Fault::step)).map(|upn| upn.suffix().to_owned())
    }

    /// What the Kerberos client is told. A realm is its domain's name in capitals: accounts are asked for by it.
    pub(super) fn realms(&self, raw: &[raw::TrustedRealm]) -> Option<Realms> {
        let realms: Vec<_> = raw.iter().map(|realm| self.trusted_realm(realm)).collect();
        let mut known = Vec::new();
        let mut kdcs = BTreeMap::new();
        for (realm, addresses) in realms.into_iter().collect::<Option<Vec<_>>>()? {
            kdcs.insert(realm.realm.clone(), addresses);
            known.push(realm);
        }
        Some(Realms { trusted: TrustedRealms::new(known), kdcs })
    }

    fn trusted_realm(&self, raw: &raw::TrustedRealm) -> Option<(TrustedRealm, Vec<Endpoint>)> {
        let name = self.realm(raw.name.clone());
        let kdcs = self.kdcs(raw.kdcs.clone());
        let domain_sid = raw.domain_sid.as_ref().and_then(|text| Sid::parse_domain(&text.value).ok());
        let base: Option<Dn> = raw.directory.base_dn.as_ref().and_then(|base| base.value.parse().ok());
        let (name, place) = (name?, &raw.name.as_ref()?.place);
        let domain = base.as_ref().and_then(Dn::dns_domain).map(|domain| domain.to_ascii_uppercase());
        if domain.is_some_and(|domain| domain != name.as_str()) {
            let expected = "the domain of directory.base_dn in capital letters";
            self.problems.note(place, Fault::Form { expected, example: "\"BETA.EXAMPLE\"" });
            return None;
        }
        let domain_sid = match domain_sid {
            Some(sid) => Some(kdc_proxy::message::pac::Sid::parse(sid.as_bytes())?),
            None => None,
        };
        Some((TrustedRealm { realm: name, domain_sid }, kdcs?))
    }
}
