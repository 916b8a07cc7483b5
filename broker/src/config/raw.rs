//! The configuration as it is written: every table and key, with its kind, range and default.
//!
//! Nothing here opens a file. A field is `None` where a problem with it has been noted, or where it is optional
//! and absent.

mod directory_cache;
mod discovery;
mod fetch;
mod kdc_proxy;
mod mapping;
mod policy;
mod policy_targets;
mod realms;
mod revocation;
mod steps;
mod strong_mapping;
mod terminators;
mod words;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tracing::Level;

pub(super) use self::{
    directory_cache::DirectoryCache,
    discovery::Discovery,
    fetch::{Aia, Fetch},
    kdc_proxy::{KdcProxy, ProxyClients},
    mapping::{Mapping, NameWord, SerialWord, SourceWord, StrengthWord},
    policy::Policy,
    policy_targets::{AuthenticationLevel, PolicyTarget},
    realms::TrustedRealm,
    revocation::{Revocation, RevocationIssuer, RevocationMode},
    steps::{Directory, Identity, Kerberos, Rule},
    strong_mapping::MappingMode,
    terminators::{Terminator, Terminators},
    words::{ClientCertificates, PolicyMatch},
};
use super::{
    document::{Document, Located, Problems, Section},
    problem::Fault,
    secret::SecretSource,
    value::Sha256,
};
use crate::{frontend::tls::Version, logging::Format};

/// The whole file.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) frontend: Frontend,
    pub(super) gateway_api: GatewayApi,
    pub(super) gateways: Vec<Gateway>,
    pub(super) identity: Identity,
    pub(super) directory: Directory,
    pub(super) kerberos: Kerberos,
    pub(super) realms: Vec<TrustedRealm>,
    pub(super) policy: Policy,
    pub(super) handoff: Handoff,
    pub(super) log: Log,
    pub(super) health: Option<Health>,
    pub(super) kdc_proxy: Option<KdcProxy>,
    pub(super) terminators: Option<Terminators>,
}

impl Raw {
    /// Reads all tables, noting every problem.
    pub(super) fn read(text: &str, problems: &Problems) -> Self {
        let document = Document::parse(text, problems);
        let root = document.root(problems);
        let directory = Directory::read(root.section("directory"));
        let discovered = directory.discovery.is_some();
        let raw = Self {
            frontend: Frontend::read(root.section("frontend")),
            gateway_api: GatewayApi::read(root.section("gateway_api")),
            gateways: root.sections("gateway").into_iter().map(Gateway::read).collect(),
            identity: Identity::read(root.section("identity")),
            directory,
            kerberos: Kerberos::read(root.section("kerberos"), discovered),
            realms: root.sections("realm").into_iter().map(TrustedRealm::read).collect(),
            policy: Policy::read(root.section("policy")),
            handoff: Handoff::read(root.section("handoff")),
            log: Log::read(root.section("log")),
            health: Health::read(&root),
            kdc_proxy: KdcProxy::read(&root, discovered),
            terminators: Terminators::read(&root),
        };
        if raw.gateways.is_empty() && !root.has("gateway") {
            let example = "[[gateway]] with name and dns_name".to_owned();
            problems.note(&root.place_of("gateway"), Fault::Missing { example });
        }
        root.close();
        raw
    }
}

/// `[frontend]`: the listener cards log in at.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) listen: Option<Vec<Located<SocketAddr>>>,
    pub(super) certificate: Option<Located<PathBuf>>,
    pub(super) key: Option<Located<SecretSource>>,
    pub(super) tls_versions: Option<Vec<Located<Version>>>,
    pub(super) handshake_timeout: Option<Located<Duration>>,
    pub(super) header_timeout: Option<Located<Duration>>,
    pub(super) request_timeout: Option<Located<Duration>>,
    pub(super) connection_lifetime: Option<Located<Duration>>,
    pub(super) drain_timeout: Option<Located<Duration>>,
    pub(super) max_connections: Option<Located<usize>>,
    pub(super) max_connections_per_address: Option<Located<usize>>,
    pub(super) max_logins: Option<Located<usize>>,
}

impl Frontend {
    fn read(section: Section<'_>) -> Self {
        let read = Self {
            listen: section.required_list("listen"),
            certificate: section.required("certificate"),
            key: section.required("key"),
            tls_versions: section.list("tls_versions"),
            handshake_timeout: section.within("handshake_timeout", seconds(10), SECOND..=MINUTE),
            header_timeout: section.within("header_timeout", seconds(10), SECOND..=MINUTE),
            request_timeout: section.within("request_timeout", seconds(15), SECOND..=5 * MINUTE),
            connection_lifetime: section.within("connection_lifetime", MINUTE, seconds(5)..=HOUR),
            drain_timeout: section.within("drain_timeout", seconds(20), Duration::ZERO..=10 * MINUTE),
            max_connections: section.within("max_connections", 1024, 1..=1_000_000),
            max_connections_per_address: section.within("max_connections_per_address", 64, 1..=1_000_000),
            max_logins: section.within("max_logins", 256, 1..=100_000),
        };
        section.close();
        read
    }
}

/// `[gateway_api]`: the gRPC listener of the gateways.
#[derive(Debug)]
pub(super) struct GatewayApi {
    pub(super) listen: Option<Vec<Located<SocketAddr>>>,
    pub(super) certificate: Option<Located<PathBuf>>,
    pub(super) key: Option<Located<SecretSource>>,
    pub(super) client_ca: Option<Located<PathBuf>>,
    pub(super) client_crls: Vec<Located<PathBuf>>,
    pub(super) handshake_timeout: Option<Located<Duration>>,
    pub(super) request_timeout: Option<Located<Duration>>,
    pub(super) max_connections: Option<Located<usize>>,
    pub(super) max_contexts: Option<Located<usize>>,
    pub(super) context_idle_timeout: Option<Located<Duration>>,
    pub(super) max_challenges: Option<Located<usize>>,
    pub(super) challenge_lifetime: Option<Located<Duration>>,
}

impl GatewayApi {
    fn read(section: Section<'_>) -> Self {
        let read = Self {
            listen: section.required_list("listen"),
            certificate: section.required("certificate"),
            key: section.required("key"),
            client_ca: section.required("client_ca"),
            client_crls: section.list("client_crls").unwrap_or_default(),
            handshake_timeout: section.within("handshake_timeout", seconds(10), SECOND..=MINUTE),
            request_timeout: section.within("request_timeout", seconds(15), SECOND..=5 * MINUTE),
            max_connections: section.within("max_connections", 256, 1..=1_000_000),
            max_contexts: section.within("max_contexts", 256, 1..=100_000),
            context_idle_timeout: section.within("context_idle_timeout", 10 * MINUTE, SECOND..=24 * HOUR),
            max_challenges: section.within("max_challenges", 256, 1..=100_000),
            challenge_lifetime: section.within("challenge_lifetime", 2 * MINUTE, SECOND..=10 * MINUTE),
        };
        section.close();
        read
    }
}

/// `[[gateway]]`: a gateway, and the certificate it is known by.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) name: Option<Located<String>>,
    pub(super) dns_name: Option<Located<String>>,
    pub(super) certificate_sha256: Option<Located<Sha256>>,
    pub(super) may_present: Option<Located<bool>>,
    pub(super) may_present_without_proof: Option<Located<bool>>,
}

impl Gateway {
    fn read(section: Section<'_>) -> Self {
        let read = Self {
            may_present: section.optional("may_present"),
            may_present_without_proof: section.optional("may_present_without_proof"),
            ..Self::known_by(&section)
        };
        section.close();
        read
    }

    /// The keys that say who it is.
    fn known_by(section: &Section<'_>) -> Self {
        if section.has("dns_name") == section.has("certificate_sha256") {
            let fault = Fault::OneOf { one: "dns_name", other: "certificate_sha256" };
            section.problems().note(&section.place(), fault);
        }
        Self {
            name: section.required("name"),
            dns_name: section.optional("dns_name"),
            certificate_sha256: section.optional("certificate_sha256"),
            may_present: None,
            may_present_without_proof: None,
        }
    }
}

/// `[handoff]`: how long codes and sessions live.
#[derive(Debug)]
pub(super) struct Handoff {
    pub(super) code_lifetime: Option<Located<Duration>>,
    pub(super) session_lifetime: Option<Located<Duration>>,
    pub(super) max_codes: Option<Located<usize>>,
    pub(super) max_codes_per_person: Option<Located<usize>>,
    pub(super) max_sessions: Option<Located<usize>>,
    pub(super) recheck_interval: Option<Located<Duration>>,
    pub(super) recheck_grace: Option<Located<Duration>>,
}

impl Handoff {
    fn read(section: Section<'_>) -> Self {
        let read = Self {
            code_lifetime: section.within("code_lifetime", MINUTE, SECOND..=10 * MINUTE),
            session_lifetime: section.within("session_lifetime", 8 * HOUR, MINUTE..=24 * HOUR),
            max_codes: section.within("max_codes", 4096, 1..=1_000_000),
            max_codes_per_person: section.within("max_codes_per_person", 32, 1..=1_000_000),
            max_sessions: section.within("max_sessions", 16_384, 1..=1_000_000),
            recheck_interval: section.within("recheck_interval", 5 * MINUTE, SECOND..=24 * HOUR),
            recheck_grace: section.within("recheck_grace", HOUR, Duration::ZERO..=24 * HOUR),
        };
        section.close();
        read
    }
}

/// `[log]`.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) format: Option<Located<Format>>,
    pub(super) level: Option<Located<Level>>,
}

impl Log {
    fn read(section: Section<'_>) -> Self {
        let read =
            Self { format: section.or("format", Format::Text), level: section.or("level", Level::INFO) };
        section.close();
        read
    }
}

/// `[health]`: the plain-HTTP listener that says whether the service works.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) listen: Option<Located<SocketAddr>>,
    pub(super) interval: Option<Located<Duration>>,
}

impl Health {
    fn read(root: &Section<'_>) -> Option<Self> {
        // Asked for even where it is absent, so that it counts as a known table.
        let section = root.section("health");
        if !root.has("health") {
            return None;
        }
        let listen: Option<Located<SocketAddr>> = section.required("listen");
        let loopback_only = section.or("loopback_only", true).is_none_or(|only| only.value);
        if let Some(listen) =
            listen.as_ref().filter(|listen| loopback_only && !listen.value.ip().is_loopback())
        {
            section.problems().note(&listen.place, Fault::NotLoopback);
        }
        let interval = section.within("interval", DEFAULT_CHECK_INTERVAL, SECOND..=5 * MINUTE);
        section.close();
        Some(Self { listen, interval })
    }
}

/// How often the dependencies are asked where `[health]` does not say, or is absent.
pub(super) const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(10);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
