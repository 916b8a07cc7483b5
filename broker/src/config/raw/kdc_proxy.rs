//! `[kdc_proxy]`: the KDC proxy for clients that reach no domain controller.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{HOUR, MINUTE, SECOND, seconds, words::ClientCertificates};
use crate::config::{
    document::{Located, Section},
    problem::{Fault, Place},
    secret::SecretSource,
};

/// `[kdc_proxy]`.
#[derive(Debug)]
pub(in crate::config) struct KdcProxy {
    pub(in crate::config) place: Place,
    pub(in crate::config) listen: Option<Vec<Located<SocketAddr>>>,
    pub(in crate::config) open: Option<Located<bool>>,
    pub(in crate::config) session_url: Option<Located<String>>,
    pub(in crate::config) session_kpasswd: Option<Located<bool>>,
    pub(in crate::config) clients: ProxyClients,
    pub(in crate::config) realms: Vec<Located<String>>,
    pub(in crate::config) certificate: Option<Located<PathBuf>>,
    pub(in crate::config) key: Option<Located<SecretSource>>,
    pub(in crate::config) kdcs: Option<Vec<Located<String>>>,
    pub(in crate::config) kpasswd: Option<Vec<Located<String>>>,
    pub(in crate::config) barred: Vec<Located<String>>,
    pub(in crate::config) allow_armored: Option<Located<bool>>,
    pub(in crate::config) handshake_timeout: Option<Located<Duration>>,
    pub(in crate::config) body_timeout: Option<Located<Duration>>,
    pub(in crate::config) connect_timeout: Option<Located<Duration>>,
    pub(in crate::config) attempt_timeout: Option<Located<Duration>>,
    pub(in crate::config) upstream_timeout: Option<Located<Duration>>,
    pub(in crate::config) max_connections: Option<Located<usize>>,
    pub(in crate::config) max_connections_per_address: Option<Located<usize>>,
    pub(in crate::config) max_upstream: Option<Located<usize>>,
    pub(in crate::config) requests_per_address: Option<Located<usize>>,
    pub(in crate::config) failures_per_address: Option<Located<usize>>,
    pub(in crate::config) failures_per_client: Option<Located<usize>>,
    pub(in crate::config) failure_window: Option<Located<Duration>>,
}

impl KdcProxy {
    /// Reads the table; without it nothing listens.
    /// Its KDCs are those that DNS names for our realm where the directory's servers are, unless they are listed.
    pub(super) fn read(root: &Section<'_>, discovered: bool) -> Option<Self> {
        let section = root.section("kdc_proxy");
        if !root.has("kdc_proxy") {
            return None;
        }
        let read = Self {
            place: section.place(),
            listen: section.required_list("listen"),
            open: section.or("open", false),
            session_url: section.optional("session_url"),
            session_kpasswd: section.or("session_kpasswd", false),
            clients: ProxyClients::read(&section),
            realms: section.list("realms").unwrap_or_default(),
            certificate: section.required("certificate"),
            key: section.required("key"),
            kdcs: if discovered { section.list("kdcs") } else { section.required_list("kdcs") },
            kpasswd: section.list("kpasswd"),
            barred: section.list("barred").unwrap_or_default(),
            allow_armored: section.or("allow_armored", false),
            handshake_timeout: section.within("handshake_timeout", seconds(10), SECOND..=MINUTE),
            body_timeout: section.within("body_timeout", seconds(10), SECOND..=MINUTE),
            connect_timeout: section.within("connect_timeout", seconds(2), SECOND..=MINUTE),
            attempt_timeout: section.within("attempt_timeout", seconds(5), SECOND..=MINUTE),
            upstream_timeout: section.within("upstream_timeout", seconds(15), SECOND..=MINUTE),
            max_connections: section.within("max_connections", 1024, 1..=1_000_000),
            max_connections_per_address: section.within("max_connections_per_address", 64, 1..=1_000_000),
            max_upstream: section.within("max_upstream", 256, 1..=100_000),
            requests_per_address: section.within("requests_per_address", 300, 1..=1_000_000),
            failures_per_address: section.within("failures_per_address", 30, 1..=100_000),
            failures_per_client: section.within("failures_per_client", 3, 1..=100),
            failure_window: section.within("failure_window", 30 * MINUTE, MINUTE..=24 * HOUR),
        };
        section.close();
        Some(read)
    }
}

/// The keys about certificates of the proxy's clients.
#[derive(Debug)]
pub(in crate::config) struct ProxyClients {
    /// Whether they are asked for.
    pub(in crate::config) asked: Option<Located<ClientCertificates>>,
    /// Whether one is enough to be admitted.
    pub(in crate::config) admits: Option<Located<bool>>,
    pub(in crate::config) ca: Option<Located<PathBuf>>,
    pub(in crate::config) crls: Vec<Located<PathBuf>>,
    /// Whether they are those of cards.
    pub(in crate::config) cards: Option<Located<bool>>,
}

impl ProxyClients {
    fn read(section: &Section<'_>) -> Self {
        let read = Self {
            asked: section.or("client_certificates", ClientCertificates::None),
            admits: section.or("client_certificate_admits", true),
            ca: section.optional("client_ca"),
            crls: section.list("client_crls").unwrap_or_default(),
            cards: section.or("client_cards", false),
        };
        let asked = read.asked.as_ref().is_some_and(|asked| asked.value != ClientCertificates::None);
        let cards = read.cards.as_ref().is_some_and(|cards| cards.value);
        if asked && cards == section.has("client_ca") {
            let fault = Fault::OneOf { one: "client_ca", other: "client_cards = true" };
            section.problems().note(&section.place_of("client_certificates"), fault);
        }
        let unused = ["client_ca", "client_crls", "client_cards", "client_certificate_admits"];
        for key in unused.into_iter().filter(|key| !asked && section.has(key)) {
            let fault =
                Fault::mended(NotAsked, "remove it, or set client_certificates to optional or required");
            section.problems().note(&section.place_of(key), fault);
        }
        let admits = read.admits.as_ref().is_none_or(|admits| admits.value);
        if !admits && read.asked.as_ref().is_some_and(|asked| asked.value == ClientCertificates::Optional) {
            let fault = Fault::mended(
                Pointless,
                "set client_certificates to none or required, or let certificates admit",
            );
            section.problems().note(&section.place_of("client_certificate_admits"), fault);
        }
        read
    }
}

#[derive(Debug, thiserror::Error)]
#[error("is about certificates that no client is asked for")]
struct NotAsked;

#[derive(Debug, thiserror::Error)]
#[error("leaves nothing that an optional certificate is good for")]
struct Pointless;
