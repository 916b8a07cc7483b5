//! The realm and the service's own account.

use std::{sync::Arc, time::Duration};

use kdc_proxy::{
    net::{
        client::{Client, Credential, Settings, SettingsError},
        kkdcp::{KdcProxy, ProxyTrust},
        transport::Endpoint,
    },
    principal::{PrincipalName, Realm},
};

use super::{Loader, realms::Realms, secret::place_of_secret};
use crate::{
    config::{ServiceSecret, Warning, document::Located, problem::Fault, raw},
    tickets,
};

impl Loader<'_> {
    /// Makes the Kerberos client, and what is to be known beside it. It has asked no KDC yet.
    pub(super) fn kerberos(
        &self,
        raw: &raw::Kerberos,
        secret: Option<(ServiceSecret, Credential)>,
        handoff: &raw::Handoff,
        policy: &raw::Policy,
        realms: &[raw::TrustedRealm],
    ) -> Option<(Client, tickets::Settings)> {
        let realm = self.realm(raw.realm.clone());
        let service = self.parsed(raw.service.clone(), PrincipalName::principal);
        let s4u2self_name = self.parsed(raw.spn.clone(), |text| text.parse::<PrincipalName>());
        let kdcs = self.endpoints(raw);
        let realms = self.realms(realms);
        let renew_before = raw.renew_before.as_ref().map(|chosen| chosen.value);
        let settings = Settings {
            kdcs: {
                let Realms { kdcs: beyond, .. } = realms.as_ref()?;
                beyond.clone().into_iter().chain([(realm.clone()?, kdcs?)]).collect()
            },
            trusted: realms?.trusted,
            realm: realm?,
            service: service?,
            s4u2self_name: s4u2self_name?,
            connect_timeout: raw.connect_timeout.as_ref()?.value,
            exchange_timeout: raw.exchange_timeout.as_ref()?.value,
            allow_rc4: raw.allow_rc4.as_ref()?.value,
            renew_before: renew_before.or_else(|| room_for_tickets(raw, handoff, policy))?,
            max_clock_offset: raw.max_clock_offset.as_ref()?.value,
            s4u_cache: raw.s4u_cache.as_ref()?.value,
        };
        let known = tickets::Settings {
            realm: settings.realm.clone(),
            trusted: settings.trusted.iter().map(|trusted| trusted.realm.clone()).collect(),
            account: settings.service.clone(),
            spn: settings.s4u2self_name.clone(),
            session_lifetime: handoff.session_lifetime.as_ref()?.value,
        };
        let (secret, credential) = secret?;
        let client = Client::new(settings, credential);
        let (place, mend) = match &client {
            Err(SettingsError::NoKey { .. }) => (place_of_secret(raw), EXPORT),
            Err(SettingsError::EmptyPassword) => {
                (place_of_secret(raw), "write the account's password into the file")
            }
            _ => (&raw.place, "correct the values of this table"),
        };
        let client = client.map_err(|error| Fault::mended(error, mend));
        let client = self.problems.keep(place, client)?;
        Some((client.with_credential_source(Arc::new(secret)), known))
    }

    /// The KDCs of our own realm: addresses, and KDC proxies as URLs, which need authorities to be known by.
    fn endpoints(&self, raw: &raw::Kerberos) -> Option<Vec<Endpoint>> {
        let kdcs = raw.kdcs.clone()?;
        if !kdcs.iter().any(|kdc| KdcProxy::is_meant_by(&kdc.value)) {
            return self.kdcs(Some(kdcs));
        }
        let Some(named) = &raw.kdc_proxy_ca else {
            let example = "kdc_proxy_ca = \"/etc/kerbridge/pki/kdc-proxy-ca.pem\"".to_owned();
            self.problems.note(&raw.place, Fault::Missing { example });
            return None;
        };
        let roots = self.certificates(raw.kdc_proxy_ca.as_ref())?;
        let trust = self.problems.keep(&named.place, ProxyTrust::new(&roots).map_err(Fault::step))?;
        let read = kdcs.into_iter().map(|kdc| {
            if KdcProxy::is_meant_by(&kdc.value) {
                return self.parsed(Some(kdc), |text| KdcProxy::parse(text, &trust)).map(Endpoint::Https);
            }
            self.parsed(Some(kdc), |text| text.parse())
        });
        let read: Vec<Option<Endpoint>> = read.collect();
        read.into_iter().collect()
    }

    pub(super) fn kdcs(&self, kdcs: Option<Vec<Located<String>>>) -> Option<Vec<Endpoint>> {
        let kdcs = kdcs?.into_iter().map(|kdc| self.parsed(Some(kdc), |text| text.parse()));
        let kdcs: Vec<Option<Endpoint>> = kdcs.collect();
        kdcs.into_iter().collect()
    }

    /// Active Directory writes its realms in capitals, and replies are compared with what stands here.
    pub(super) fn realm(&self, text: Option<Located<String>>) -> Option<Realm> {
        let text = text?;
        if text.value.chars().any(|c| c.is_ascii_lowercase()) {
            let expected = "a realm in capital letters";
            self.problems.note(&text.place, Fault::Form { expected, example: "\"CORP.EXAMPLE\"" });
            return None;
        }
        self.parsed(Some(text), Realm::new)
    }

    /// Parses a text by a step's own rules.
    pub(super) fn parsed<T, E>(
        &self,
        text: Option<Located<String>>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let text = text?;
        self.problems.keep(&text.place, parse(&text.value).map_err(Fault::step))
    }
}

/// A warning where the service's own ticket is renewed too late for the tickets of persons, which end with it.
pub(super) fn late_renewal(
    raw: &raw::Kerberos,
    handoff: &raw::Handoff,
    policy: &raw::Policy,
) -> Option<Warning> {
    let renew_before = raw.renew_before.as_ref()?.value;
    let needed = room_for_tickets(raw, handoff, policy)?;
    (renew_before < needed).then_some(Warning::LateRenewal { needed })
}

/// How long before its end the service's own ticket must be renewed, so that the tickets of every rule and session
/// can live as long as they may.
fn room_for_tickets(raw: &raw::Kerberos, handoff: &raw::Handoff, policy: &raw::Policy) -> Option<Duration> {
    let session = handoff.session_lifetime.as_ref()?.value;
    let lifetimes = policy.rules.iter().filter_map(|rule| Some(rule.maximum_lifetime.as_ref()?.value));
    // Policies of files come and go with a reload, and need not bound a ticket at all.
    let longest =
        if policy.files.is_empty() { lifetimes.max().unwrap_or_default().min(session) } else { session };
    Some(Settings::renew_before_for(longest, raw.s4u_cache.as_ref()?.value))
}

/// How a keytab is made.
pub(super) const EXPORT: &str = "export a keytab with the AES keys of the service's account: ktpass /crypto AES256-SHA1 ... or \
    samba-tool domain exportkeytab --principal=ACCOUNT; the scripts in deploy/ad do it";
