//! The two TLS listeners, the gateways, and the status page.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use super::{Loader, terminators::Loaded};
use crate::{
    config::{
        Cards, GatewayApi, Status, Warning,
        document::Located,
        problem::{Fault, FileFault, Place},
        raw,
        secret::SecretSource,
        warning,
    },
    frontend::{
        gateways::{GatewayCertificate, Gateways, Presents},
        grpc, listener,
        tls::{self, ServerCertificate, TlsError, Version},
        web,
    },
    identity::{Validator, verifier::ProofOfPossession},
};

impl Loader<'_> {
    /// The card listener, and how long a drain may take. The validator's names go out as hints to cards.
    pub(super) fn cards(
        &self,
        raw: raw::Frontend,
        validator: Option<&Validator>,
        terminators: Option<Loaded>,
        warnings: &mut Vec<Warning>,
    ) -> Option<(Cards, Duration)> {
        let listen = self.addresses(raw.listen);
        let server = self.server(raw.certificate.as_ref(), raw.key.as_ref());
        let versions = raw.tls_versions.map_or_else(
            || vec![Version::Tls12, Version::Tls13],
            |versions| versions.into_iter().map(|version| version.value).collect(),
        );
        let server = server?;
        warnings.extend(warning::about_ends("frontend.certificate", server.chain(), self.now));
        let Loaded { terminators, ca_names } = terminators?;
        let max_head = if ca_names.is_empty() { listener::MAX_HEAD } else { listener::MAX_HEAD_WITH_CHAIN };
        let hints = [validator?.ca_names(), ca_names].concat();
        let verifier = ProofOfPossession::new(tls::provider(), hints);
        let tls = tls::for_cards(&server, &versions, Arc::new(verifier)).map_err(Fault::step);
        let request_timeout = raw.request_timeout?.value;
        let cards = Cards {
            listen: listen?,
            tls: self.problems.keep(&raw.certificate?.place, tls)?,
            connections: listener::Limits {
                handshake_timeout: raw.handshake_timeout?.value,
                header_timeout: raw.header_timeout?.value,
                lifetime: Some(raw.connection_lifetime?.value),
                grace: request_timeout,
                max_connections: raw.max_connections?.value,
                max_connections_per_address: raw.max_connections_per_address?.value,
                max_head,
            },
            terminators: Arc::new(terminators),
            logins: web::Limits { request_timeout, max_logins: raw.max_logins?.value },
        };
        Some((cards, raw.drain_timeout?.value))
    }

    pub(super) fn gateway_api(
        &self,
        raw: raw::GatewayApi,
        gateways: Vec<raw::Gateway>,
        max_logins: Option<Located<usize>>,
        warnings: &mut Vec<Warning>,
    ) -> Option<GatewayApi> {
        let listen = self.addresses(raw.listen);
        let server = self.server(raw.certificate.as_ref(), raw.key.as_ref());
        let client_ca = self.certificates(raw.client_ca.as_ref());
        let lists = self.revocation_lists(&raw.client_crls);
        let presents = self.presents(&gateways, warnings);
        let gateways = self.gateways(gateways).map(|gateways| gateways.presenting(presents));
        let request_timeout = raw.request_timeout?.value;
        let max_connections = raw.max_connections?.value;
        let place = raw.client_ca?.place;
        let server = server?;
        warnings.extend(warning::about_ends("gateway_api.certificate", server.chain(), self.now));
        let lists: Vec<_> = lists?.into_iter().map(|list| list.value).collect();
        warnings.extend(warning::about_gateway_lists(&lists, self.now));
        let tls = tls::for_gateways(&server, &client_ca?, &lists);
        Some(GatewayApi {
            listen: listen?,
            tls: self.problems.keep(&place, tls.map_err(Fault::step))?,
            connections: listener::Limits {
                handshake_timeout: raw.handshake_timeout?.value,
                header_timeout: HEADER_TIMEOUT,
                lifetime: None,
                grace: request_timeout,
                max_connections,
                // Few clients, all of them ours; several may share the address of a proxy.
                max_connections_per_address: max_connections,
                max_head: listener::MAX_HEAD,
            },
            calls: grpc::Limits {
                deadline: request_timeout,
                max_contexts: raw.max_contexts?.value,
                context_idle_timeout: raw.context_idle_timeout?.value,
                max_challenges: raw.max_challenges?.value,
                challenge_lifetime: raw.challenge_lifetime?.value,
                max_logins: max_logins?.value,
            },
            gateways: Arc::new(gateways?),
        })
    }

    pub(super) fn status(&self, raw: &raw::Health) -> Option<Status> {
        Some(Status {
            listen: raw.listen.as_ref()?.value,
            connections: listener::Limits {
                handshake_timeout: HEADER_TIMEOUT,
                header_timeout: HEADER_TIMEOUT,
                lifetime: Some(Duration::from_secs(60)),
                grace: HEADER_TIMEOUT,
                max_connections: MAX_STATUS_CONNECTIONS,
                max_connections_per_address: MAX_STATUS_CONNECTIONS,
                max_head: listener::MAX_HEAD,
            },
        })
    }

    /// The addresses, none of them twice.
    pub(super) fn addresses(&self, listen: Option<Vec<Located<SocketAddr>>>) -> Option<Vec<SocketAddr>> {
        let listen = listen?;
        let mut seen: BTreeMap<SocketAddr, &Place> = BTreeMap::new();
        for Located { value, place } in &listen {
            // Port 0 asks for any free port, each time another.
            if value.port() == 0 {
                continue;
            }
            if let Some(first) = seen.insert(*value, place) {
                self.problems.note(place, Fault::Duplicate { first: first.clone() });
            }
        }
        Some(listen.into_iter().map(|address| address.value).collect())
    }

    pub(super) fn server(
        &self,
        chain: Option<&Located<PathBuf>>,
        key: Option<&Located<SecretSource>>,
    ) -> Option<ServerCertificate> {
        let certificates = self.certificates(chain);
        let private = self.file(key, |places, source| places.private_key(source));
        let (certificates, private) = (certificates?, private?);
        let key = key?;
        let server = ServerCertificate::new(certificates, private).map_err(|error| match error {
            TlsError::KeyMismatch => FileFault::KeyMismatch,
            _ => FileFault::Key,
        });
        self.problems.keep(&key.place, server)
    }

    /// What each gateway may present.
    fn presents(&self, gateways: &[raw::Gateway], warnings: &mut Vec<Warning>) -> Vec<(String, Presents)> {
        let is_set = |key: &Option<Located<bool>>| key.as_ref().is_some_and(|key| key.value);
        let mut presents = Vec::new();
        for gateway in gateways {
            let Some(name) = gateway.name.as_ref().map(|name| name.value.clone()) else { continue };
            let granted = match (is_set(&gateway.may_present), &gateway.may_present_without_proof) {
                (false, Some(unproven)) if unproven.value => {
                    let fault = Fault::mended(NotPresenting, "set may_present = true too, or remove it");
                    self.problems.note(&unproven.place, fault);
                    continue;
                }
                (false, _) => continue,
                (true, Some(unproven)) if unproven.value => {
                    warnings.push(Warning::PresentsWithoutProof { gateway: name.clone() });
                    Presents::WithoutProof
                }
                (true, _) => Presents::WithProof,
            };
            presents.push((name, granted));
        }
        presents
    }

    fn gateways(&self, raw: Vec<raw::Gateway>) -> Option<Gateways> {
        let mut names: BTreeMap<String, Place> = BTreeMap::new();
        let mut certificates: BTreeMap<GatewayCertificate, Place> = BTreeMap::new();
        let mut known = Vec::with_capacity(raw.len());
        let mut all = true;
        for gateway in raw {
            let Some((name, certificate)) = self.gateway(gateway) else {
                all = false;
                continue;
            };
            if let Some(first) = names.insert(name.value.clone(), name.place.clone()) {
                self.problems.note(&name.place, Fault::Duplicate { first });
            }
            let proof = certificate.value.clone();
            if let Some(first) = certificates.insert(proof, certificate.place.clone()) {
                self.problems.note(&certificate.place, Fault::Duplicate { first });
            }
            known.push((certificate.value, name.value));
        }
        all.then(|| Gateways::new(known))
    }

    /// A client by the name and the certificate it is known by.
    pub(super) fn gateway(
        &self,
        raw: raw::Gateway,
    ) -> Option<(Located<String>, Located<GatewayCertificate>)> {
        let name = raw.name.filter(|name| {
            let fits = is_gateway_name(&name.value);
            if !fits {
                let expected = "a name of at most 64 letters, digits, '.', '_' and '-'";
                self.problems.note(&name.place, Fault::Form { expected, example: "\"gw1\"" });
            }
            fits
        });
        let by_name = raw.dns_name.and_then(|dns_name| {
            let value = dns_name.value.to_ascii_lowercase();
            if is_dns_name(&value) {
                return Some(Located { value: GatewayCertificate::DnsName(value), place: dns_name.place });
            }
            let expected = "a DNS host name without wildcards";
            self.problems.note(&dns_name.place, Fault::Form { expected, example: "\"gw1.corp.example\"" });
            None
        });
        let by_fingerprint = raw
            .certificate_sha256
            .map(|sha256| Located { value: GatewayCertificate::Sha256(sha256.value.0), place: sha256.place });
        Some((name?, by_name.or(by_fingerprint)?))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("is about certificates that this gateway may not present")]
struct NotPresenting;

fn is_gateway_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

fn is_dns_name(name: &str) -> bool {
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    name.len() <= 253 && name.split('.').all(fits)
}

/// How long a gateway or an orchestrator may take to answer a ping or to send a request's head.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(20);

/// After this a client of the KDC proxy has to connect anew.
pub(super) const PROXY_LIFETIME: Duration = Duration::from_secs(60);

/// Connections to the status page at once, whoever asks.
const MAX_STATUS_CONNECTIONS: usize = 64;
