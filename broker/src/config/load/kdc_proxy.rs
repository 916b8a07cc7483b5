//! The KDC proxy: its listener, its servers and its limits.

use std::{collections::BTreeMap, sync::Arc};

use kdc_proxy::{
    net::{
        client::KPASSWD_PORT,
        locate::KdcAddress,
        relay::{self, Relay, Servers},
        transport::Deadlines,
    },
    principal::Realm,
};
use rustls::server::danger::ClientCertVerifier;

use super::{Loader, listeners::HEADER_TIMEOUT};
use crate::{
    config::{
        KdcProxy, Warning,
        document::Located,
        problem::Fault,
        raw::{self, ClientCertificates},
        warning,
    },
    controllers::Passwords,
    frontend::{
        kkdcp::{Armored, Barred, Certificates, Rates, Settings},
        listener,
        tls::{self, Asked},
    },
    identity::{Validator, verifier::ProofOfPossession},
    tickets,
};

/// What of the rest of the configuration the proxy rests on.
pub(super) struct Beside<'a> {
    pub(super) own: Option<&'a tickets::Settings>,
    /// Whether the domain controllers of our own realm are searched.
    pub(super) discovery: bool,
    pub(super) realms: &'a [raw::TrustedRealm],
    pub(super) validator: Option<&'a Validator>,
}

impl Loader<'_> {
    /// Makes everything of the proxy short of its socket. It forwards to the realm of the service and to those realms beside it
    /// that it is told, and bars the service's account.
    pub(super) fn kdc_proxy(
        &self,
        raw: raw::KdcProxy,
        beside: &Beside<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Option<KdcProxy> {
        let listen = self.addresses(raw.listen);
        let server = self.server(raw.certificate.as_ref(), raw.key.as_ref());
        let are_searched = beside.discovery && raw.kdcs.is_none();
        let kdcs = if are_searched { Some(Vec::new()) } else { self.kdc_addresses(raw.kdcs) };
        let passwords = if raw.kpasswd.is_some() { Passwords::Listed } else { Passwords::AtKdcs };
        let kpasswd = raw.kpasswd.map(|servers| self.kdc_addresses(Some(servers)));
        let others = self.proxied_realms(&raw.realms, beside.realms);
        let verifier = self.proxy_clients(&raw.clients, beside.validator);
        let session_url = raw.session_url.map(|url| self.parsed(Some(url), session_url));
        let certificates = admitted_certificates(&raw.clients);
        let open = raw.open?;
        if !open.value && session_url.is_none() && certificates == Certificates::DoNotAdmit {
            self.problems.note(&open.place, Fault::mended(Nobody, ADMIT));
        }
        let (server, kdcs, own) = (server?, kdcs?, beside.own?);
        warnings.extend(warning::about_ends("kdc_proxy.certificate", server.chain(), self.now));
        let kpasswd = match kpasswd {
            Some(servers) => servers?,
            None => passwords_at(&kdcs),
        };
        let upstream_timeout = raw.upstream_timeout?.value;
        let limits = relay::Limits {
            attempt: Deadlines { connect: raw.connect_timeout?.value, exchange: raw.attempt_timeout?.value },
            overall: upstream_timeout,
        };
        let mut realms = others?;
        // Those of a [[realm]] change their passwords at its KDCs.
        let searched = realms.iter().filter(|(_, servers)| servers.kdcs.is_empty());
        let mut followed: BTreeMap<Realm, Passwords> =
            searched.map(|(realm, _)| (realm.clone(), Passwords::AtKdcs)).collect();
        if are_searched {
            followed.insert(own.realm.clone(), passwords);
        }
        realms.insert(own.realm.clone(), Servers { kdcs, kpasswd });
        let barred: Vec<&str> = raw.barred.iter().map(|name| name.value.as_str()).collect();
        let settings = Settings {
            body_timeout: raw.body_timeout?.value,
            max_upstream: raw.max_upstream?.value,
            armored: if raw.allow_armored?.value { Armored::Forwarded } else { Armored::Refused },
            barred: barred_accounts(&own.realm, own, &barred),
            rates: Rates {
                requests_per_address: u32::try_from(raw.requests_per_address?.value).unwrap_or(u32::MAX),
                failures_per_address: raw.failures_per_address?.value,
                failures_per_client: raw.failures_per_client?.value,
                failure_window: raw.failure_window?.value,
            },
        };
        let tls = tls::for_kdc_proxy(&server, verifier?).map_err(Fault::step);
        Some(KdcProxy {
            listen: listen?,
            tls: self.problems.keep(&raw.place, tls)?,
            connections: listener::Limits {
                handshake_timeout: raw.handshake_timeout?.value,
                header_timeout: HEADER_TIMEOUT,
                lifetime: Some(super::listeners::PROXY_LIFETIME),
                grace: upstream_timeout,
                max_connections: raw.max_connections?.value,
                max_connections_per_address: raw.max_connections_per_address?.value,
                max_head: listener::MAX_HEAD,
            },
            relay: Arc::new(Relay::new(realms, limits)),
            followed,
            settings,
            open: open.value,
            certificates,
            session_url: match session_url {
                Some(url) => Some(url?),
                None => None,
            },
            session_kpasswd: raw.session_kpasswd?.value,
        })
    }

    /// The realms beside our own that the proxy forwards to: some of the `[[realm]]` tables, by their own KDCs.
    fn proxied_realms(
        &self,
        named: &[Located<String>],
        known: &[raw::TrustedRealm],
    ) -> Option<BTreeMap<Realm, Servers>> {
        let realms = named.iter().map(|name| {
            let is_meant = |realm: &&raw::TrustedRealm| {
                realm.name.as_ref().is_some_and(|known| known.value == name.value)
            };
            let Some(table) = known.iter().find(is_meant) else {
                self.problems.note(&name.place, Fault::mended(NoSuchRealm, "add a [[realm]] of this name"));
                return None;
            };
            // Empty where they are searched.
            let kdcs = self.kdc_addresses(table.kdcs.clone())?;
            let kpasswd = passwords_at(&kdcs);
            Some((self.realm(Some(name.clone()))?, Servers { kdcs, kpasswd }))
        });
        let realms: Vec<_> = realms.collect();
        realms.into_iter().collect()
    }

    /// What a client must show in the handshake.
    fn proxy_clients(
        &self,
        raw: &raw::ProxyClients,
        cards: Option<&Validator>,
    ) -> Option<Arc<dyn ClientCertVerifier>> {
        let asked = match raw.asked.as_ref()?.value {
            ClientCertificates::None => return Some(tls::no_clients()),
            ClientCertificates::Optional => Asked::Optional,
            ClientCertificates::Required => Asked::Required,
        };
        let Some(ca) = &raw.ca else {
            let verifier = ProofOfPossession::new(tls::provider(), cards?.ca_names());
            return Some(Arc::new(match asked {
                Asked::Optional => verifier,
                Asked::Required => verifier.mandatory(),
            }));
        };
        let (authorities, lists) = (self.certificates(Some(ca)), self.revocation_lists(&raw.crls));
        let lists: Vec<_> = lists?.into_iter().map(|list| list.value).collect();
        let verifier = tls::clients_of(&authorities?, &lists, asked);
        self.problems.keep(&ca.place, verifier.map_err(Fault::step))
    }

    fn kdc_addresses(&self, texts: Option<Vec<Located<String>>>) -> Option<Vec<KdcAddress>> {
        let read = texts?.into_iter().map(|text| self.parsed(Some(text), |text| text.parse::<KdcAddress>()));
        let all: Vec<_> = read.collect();
        all.into_iter().collect()
    }
}

fn passwords_at(kdcs: &[KdcAddress]) -> Vec<KdcAddress> {
    kdcs.iter().map(|kdc| kdc.with_port(KPASSWD_PORT)).collect()
}

fn admitted_certificates(raw: &raw::ProxyClients) -> Certificates {
    let is = |flag: &Option<Located<bool>>| flag.as_ref().is_some_and(|flag| flag.value);
    match &raw.asked {
        Some(asked) if asked.value != ClientCertificates::None && is(&raw.admits) => {
            if is(&raw.cards) {
                Certificates::AdmitCards
            } else {
                Certificates::Admit
            }
        }
        _ => Certificates::DoNotAdmit,
    }
}

/// The address that tokens are added to.
fn session_url(text: &str) -> Result<String, SessionUrlError> {
    let url: http::Uri = text.parse().map_err(|_| SessionUrlError)?;
    let is_plain = url.query().is_none() && !text.contains(['#', '@', '"', '{', '}']);
    let host = url.host().is_some_and(|host| !host.is_empty());
    let fits = url.scheme() == Some(&http::uri::Scheme::HTTPS) && host && url.path().ends_with("/KdcProxy");
    if fits && is_plain && text.len() <= MAX_URL { Ok(text.to_owned()) } else { Err(SessionUrlError) }
}

/// Longest [`session_url`]: what other programs have room for, less the token.
const MAX_URL: usize = 400;

#[derive(Debug, thiserror::Error)]
#[error("is not the address of the proxy as clients know it, like \"https://kkdcp.corp.example/KdcProxy\"")]
struct SessionUrlError;

#[derive(Debug, thiserror::Error)]
#[error("is the name of no [[realm]]")]
struct NoSuchRealm;

/// A proxy that would refuse everybody.
#[derive(Debug, thiserror::Error)]
#[error("does not let anybody use the proxy, and nothing else does")]
struct Nobody;

/// How somebody is let in.
const ADMIT: &str = "set session_url for tokens of sessions, client_certificates, or open = true if everybody who reaches the \
    listener may use the proxy";

/// The service's own account by its names, and what else is configured.
fn barred_accounts(realm: &Realm, own: &tickets::Settings, more: &[&str]) -> Barred {
    let (account, spn) = (own.account.joined(), own.spn.joined());
    Barred::new(realm, &[&[account.as_str(), spn.as_str()], more].concat())
}
