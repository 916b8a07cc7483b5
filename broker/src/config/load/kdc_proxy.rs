//! The KDC proxy: its listener, its servers and its limits.

use kdc_proxy::{
    net::{
        client::KPASSWD_PORT,
        locate::KdcAddress,
        relay::{self, Relay, Servers},
        transport::Deadlines,
    },
    principal::Realm,
};

use super::{Loader, listeners::HEADER_TIMEOUT};
use crate::{
    config::{KdcProxy, Warning, document::Located, problem::Fault, raw, warning},
    frontend::{
        kkdcp::{Armored, Barred, Rates, Settings},
        listener, tls,
    },
    tickets,
};

impl Loader<'_> {
    /// Makes everything of the proxy short of its socket. It forwards to the realm of the service, and bars its account.
    pub(super) fn kdc_proxy(
        &self,
        raw: raw::KdcProxy,
        own: Option<&tickets::Settings>,
        warnings: &mut Vec<Warning>,
    ) -> Option<KdcProxy> {
        let listen = self.addresses(raw.listen);
        let open = raw.open.as_ref().is_some_and(|open| open.value);
        if let Some(written) = raw.open.filter(|written| !written.value) {
            self.problems.note(&written.place, Fault::mended(Nobody, ADMIT));
        }
        let server = self.server(raw.certificate.as_ref(), raw.key.as_ref());
        let kdcs = self.kdc_addresses(raw.kdcs);
        let kpasswd = raw.kpasswd.map(|servers| self.kdc_addresses(Some(servers)));
        let (server, kdcs, own) = (server?, kdcs?, own?);
        warnings.extend(warning::about_ends("kdc_proxy.certificate", server.chain(), self.now));
        let kpasswd = match kpasswd {
            Some(servers) => servers?,
            None => kdcs.iter().map(|kdc| kdc.with_port(KPASSWD_PORT)).collect(),
        };
        let upstream_timeout = raw.upstream_timeout?.value;
        let limits = relay::Limits {
            attempt: Deadlines { connect: raw.connect_timeout?.value, exchange: raw.attempt_timeout?.value },
            overall: upstream_timeout,
        };
        let relay = Relay::new([(own.realm.clone(), Servers { kdcs, kpasswd })].into(), limits);
        let barred: Vec<&str> = raw.barred.iter().map(|name| name.value.as_str()).collect();
        let settings = Settings {
            open,
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
        let tls = tls::for_kdc_proxy(&server).map_err(Fault::step);
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
            },
            relay,
            settings,
        })
    }

    fn kdc_addresses(&self, texts: Option<Vec<Located<String>>>) -> Option<Vec<KdcAddress>> {
        let read = texts?.into_iter().map(|text| self.parsed(Some(text), |text| text.parse::<KdcAddress>()));
        let all: Vec<_> = read.collect();
        all.into_iter().collect()
    }
}

/// A proxy that would refuse everybody.
#[derive(Debug, thiserror::Error)]
#[error("does not let anybody use the proxy, and nothing else does")]
struct Nobody;

/// How somebody is let in.
const ADMIT: &str = "set open = true if everybody who reaches the listener may use the proxy";

/// The service's own account by its names, and what else is configured.
fn barred_accounts(realm: &Realm, own: &tickets::Settings, more: &[&str]) -> Barred {
    let (account, spn) = (own.account.joined(), own.spn.joined());
    Barred::new(realm, &[&[account.as_str(), spn.as_str()], more].concat())
}
