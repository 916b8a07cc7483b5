//! The configuration: one TOML file, and the files it names.
//!
//! [`Config::load`] reads all of it and builds every part that needs no socket, so that whatever is wrong is found
//! by `kerbridge validate` and at a start alike, all of it at once, each problem with its place and how to mend it.
//! Three layers, each a file or folder of this one: `document` knows TOML and lines, `raw` knows every key, its range
//! and its default, and `load` reads files and builds the parts.
//!
//! No value of a secret is in the configuration, and no type here prints one.

mod document;
mod file;
mod load;
mod problem;
mod raw;
mod secret;
mod service_secret;
#[cfg(test)]
pub(crate) mod testing;
mod value;
mod warning;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use kdc_proxy::{
    net::{client::Client, relay::Relay},
    principal::Realm,
};
use rustls::ServerConfig;

pub use self::{
    problem::{Fault, FileFault, Place, Problem},
    service_secret::{Present, SecretError, ServiceSecret, Stamp},
    warning::Warning,
};
use crate::{
    controllers::{Passwords, RealmControllers},
    directory::Domains,
    frontend::{gateways::Gateways, grpc, kkdcp, listener, terminators::Terminators, web},
    handoff,
    identity::{Fetcher, Validator},
    logging::Format,
    policy::{Policy, Targets},
    recheck, tickets,
};

/// Everything the service is made of, short of its sockets.
#[derive(Debug)]
pub struct Config {
    /// The listener cards log in at.
    pub cards: Cards,
    /// The listener of the gateways.
    pub gateway_api: GatewayApi,
    /// The first step.
    pub validator: Arc<Validator>,
    /// What fetches what certificates point at.
    pub fetcher: Arc<Fetcher>,
    /// The directories of the second step, and what it accepts of each.
    pub domains: Arc<Domains>,
    /// The domain controllers of our own realm, and then of the others.
    pub controllers: Vec<Arc<RealmControllers>>,
    /// The third step.
    pub policy: Arc<Policy>,
    /// What it is told of targets.
    pub targets: Arc<Targets>,
    /// Policies that are tried beside it.
    pub candidate: Option<Arc<Policy>>,
    /// The Kerberos client of the fourth step.
    pub kerberos: Arc<Client>,
    /// The files of the service's own secret, which can change while it runs.
    pub service_secret: ServiceSecret,
    /// What the fourth step knows about this service.
    pub tickets: tickets::Settings,
    /// How long codes and sessions live.
    pub handoff: handoff::Settings,
    /// When live sessions are judged again.
    pub recheck: recheck::Settings,
    /// How the log is written.
    pub log: Log,
    /// The status page, where there is one.
    pub status: Option<Status>,
    /// The KDC proxy, where there is one.
    pub kdc_proxy: Option<KdcProxy>,
    /// How often the directory and the KDC are asked whether they work.
    pub check_interval: Duration,
    /// How long running logins may take to finish when the service ends.
    pub drain_timeout: Duration,
    /// What deserves a line in the log.
    pub warnings: Vec<Warning>,
    /// What it all amounts to, for the log.
    pub summary: Summary,
    /// The tables that only a restart can change, for comparison.
    fixed: String,
}

/// The card listener.
#[derive(Debug)]
pub struct Cards {
    /// Addresses.
    pub listen: Vec<SocketAddr>,
    /// TLS.
    pub tls: Arc<ServerConfig>,
    /// Bounds on connections.
    pub connections: listener::Limits,
    /// Who may send certificates in headers.
    pub terminators: Arc<Terminators>,
    /// Bounds on logins.
    pub logins: web::Limits,
}

/// The gateways' listener.
#[derive(Debug)]
pub struct GatewayApi {
    /// Addresses.
    pub listen: Vec<SocketAddr>,
    /// TLS.
    pub tls: Arc<ServerConfig>,
    /// Bounds on connections.
    pub connections: listener::Limits,
    /// Bounds on calls.
    pub calls: grpc::Limits,
    /// Who may call.
    pub gateways: Arc<Gateways>,
}

/// The status page.
#[derive(Debug)]
pub struct Status {
    /// Address.
    pub listen: SocketAddr,
    /// Bounds on connections.
    pub connections: listener::Limits,
}

/// The KDC proxy.
#[derive(Debug)]
pub struct KdcProxy {
    /// Addresses.
    pub listen: Vec<SocketAddr>,
    /// TLS.
    pub tls: Arc<ServerConfig>,
    /// Bounds on connections.
    pub connections: listener::Limits,
    /// Where requests go.
    pub relay: Arc<Relay>,
    /// The realms whose servers there are those that DNS names.
    pub followed: BTreeMap<Realm, Passwords>,
    /// What may go there.
    pub settings: kkdcp::Settings,
    /// Whether everybody is admitted.
    pub open: bool,
    /// Whom a certificate admits.
    pub certificates: kkdcp::Certificates,
    /// Where the clients of sessions reach the proxy, if they get tokens.
    pub session_url: Option<String>,
    /// Whether a token is good for a change of the password.
    pub session_kpasswd: bool,
}

/// How the log is written.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Text or JSON.
    pub format: Format,
    /// The finest level written.
    pub level: tracing::Level,
}

/// The configuration in numbers and public names.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The names of the gateways.
    pub gateways: Vec<String>,
    /// `crl`, `off` or `none`.
    pub revocation: &'static str,
    /// Revocation lists.
    pub revocation_lists: usize,
    /// The directory's servers.
    pub directory_servers: Vec<String>,
    /// The realm.
    pub realm: String,
    /// Its KDCs.
    pub kdcs: Vec<String>,
    /// The domains whose controllers are searched in DNS.
    pub discovered: Vec<String>,
    /// The realms beside it.
    pub realms: Vec<String>,
    /// Rules of the policy.
    pub rules: usize,
    /// All policies, those of rules among them.
    pub policies: usize,
}

impl Config {
    /// Reads the file and all files it names. `credentials` is `$CREDENTIALS_DIRECTORY`.
    ///
    /// Reads files, and blocks while it does.
    ///
    /// # Errors
    /// Every problem there is, by line; at least one.
    pub fn load(path: &Path, credentials: Option<PathBuf>, now: SystemTime) -> Result<Self, Vec<Problem>> {
        load::load(path, credentials, now)
    }

    /// The tables that only a restart can change, as one text for comparison with another configuration's.
    #[must_use]
    pub fn fixed(&self) -> &str {
        &self.fixed
    }

    /// Writes into the log what the configuration amounts to, and what of it deserves a warning.
    pub fn log(&self) {
        let Summary { revocation, revocation_lists, realm, rules, policies, .. } = &self.summary;
        let Summary { gateways, directory_servers, kdcs, discovered, realms, .. } = &self.summary;
        let (gateways, directory_servers) = (gateways.join(","), directory_servers.join(","));
        let (kdcs, discovered, trusted_realms) = (kdcs.join(","), discovered.join(","), realms.join(","));
        tracing::info!(
            gateways,
            revocation,
            revocation_lists,
            directory_servers,
            realm,
            kdcs,
            discovered,
            trusted_realms,
            rules,
            policies,
            "configuration read"
        );
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

#[cfg(test)]
mod tests;
