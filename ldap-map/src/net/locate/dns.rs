//! Questions to DNS, by hickory. Does I/O.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};

use super::LocatorError;

/// Most records taken of one answer.
const MAXIMUM_RECORDS: usize = 64;
/// Most addresses taken of one host.
const MAXIMUM_ADDRESSES: usize = 8;
/// How often one server is asked.
const TRIALS: usize = 2;

/// Where a service is (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SrvRecord {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Without the final dot; empty for the root, which says that the service is not offered.
    pub(super) target: String,
}

/// Why DNS gives no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// The name does not exist, or has no record of the kind asked for.
    #[error("there is no such record")]
    NoRecord,
    /// No server answers.
    #[error("no dns server answers in time")]
    Timeout,
    /// The servers cannot be asked, or answer that they failed.
    #[error("the dns servers fail")]
    Failed,
    /// The name cannot be written in a question.
    #[error("the name is not one of dns")]
    Name,
}

/// What the search asks of DNS.
pub(super) trait Dns {
    /// The SRV records of an absolute name.
    fn srv(&self, name: &str) -> impl Future<Output = Result<Vec<SrvRecord>, DnsError>> + Send;

    /// The addresses of a host, at least one.
    fn addresses(&self, host: &str) -> impl Future<Output = Result<Vec<IpAddr>, DnsError>> + Send;
}

/// The configured DNS servers, or those of the system.
pub(super) struct SystemDns {
    resolver: TokioResolver,
    /// Whether the servers were configured: then addresses come from them too, and else from whatever the system asks.
    is_configured: bool,
    timeout: Duration,
}

impl SystemDns {
    pub(super) fn new(servers: &[SocketAddr], timeout: Duration) -> Result<Self, LocatorError> {
        let system = |error: NetError| LocatorError::SystemDns(error.to_string());
        let is_configured = !servers.is_empty();
        let mut builder = if is_configured {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        } else {
            Resolver::builder_tokio().map_err(system)?
        };
        let options = builder.options_mut();
        options.timeout = timeout;
        options.attempts = TRIALS;
        // Answers are kept by whoever asks, and a question that is asked again is meant.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(system)?;
        Ok(Self { resolver, is_configured, timeout })
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections.iter_mut().for_each(|connection| connection.port = address.port());
    server
}

impl Dns for SystemDns {
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>, DnsError> {
        let answer = self.resolver.srv_lookup(name).await.map_err(|error| failure(&error))?;
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(SrvRecord {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
            }),
            _ => None,
        });
        Ok(records.take(MAXIMUM_RECORDS).collect())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let found: Vec<IpAddr> = if self.is_configured {
            let found = self.resolver.lookup_ip(format!("{host}.")).await.map_err(|error| failure(&error))?;
            found.iter().collect()
        } else {
            let found = tokio::time::timeout(self.timeout, tokio::net::lookup_host((host, 0))).await;
            let found = found.map_err(|_| DnsError::Timeout)?.map_err(|_| DnsError::Failed)?;
            found.map(|address| address.ip()).collect()
        };
        if found.is_empty() {
            return Err(DnsError::NoRecord);
        }
        Ok(found.into_iter().take(MAXIMUM_ADDRESSES).collect())
    }
}

fn failure(error: &NetError) -> DnsError {
    match error {
        _ if error.is_no_records_found() => DnsError::NoRecord,
        NetError::Timeout => DnsError::Timeout,
        NetError::Proto(_) => DnsError::Name,
        _ => DnsError::Failed,
    }
}
