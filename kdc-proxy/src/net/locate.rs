//! Where the KDCs are, and which of them one login prefers.
//!
//! The lists come from outside, from a configuration or from discovery, nearest first. Who stands behind an address is
//! proven by keys, so that neither names nor addresses need be trusted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::transport::Endpoint;

/// Port of the Kerberos service.
const KERBEROS_PORT: u16 = 88;
/// Longest DNS name.
const MAX_HOST_LENGTH: usize = 253;

/// A KDC by host name or IP address, and port.
///
/// The text form is `host`, `host:port` or, to dial a fixed address, `host=address:port`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KdcAddress {
    host: String,
    port: u16,
    /// Dialled in place of what the name resolves to, where there are any.
    addresses: Vec<IpAddr>,
}

/// The domain controller that one login prefers, because the other steps of that login were done there: what has just
/// been changed in one copy of the directory need not have reached the others.
///
/// It is known by its host name and, where it is dialled at fixed addresses, by these.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Preference {
    host: Option<String>,
    addresses: Vec<IpAddr>,
}

/// Why a KDC address was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KdcAddressError {
    /// Empty, too long, or with a character that no host name or address has.
    #[error("host is neither a dns name nor an ip address")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("port is not a number from 1 to 65535")]
    Port,
    /// What follows the equals sign is not an IP address with a port.
    #[error("fixed address is not an ip address with a port")]
    FixedAddress,
}

impl KdcAddress {
    /// A KDC at this host and port.
    ///
    /// # Errors
    ///
    /// [`KdcAddressError`]
    pub fn new(host: &str, port: u16) -> Result<Self, KdcAddressError> {
        let is_name = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
        let is_host = !host.is_empty() && host.len() <= MAX_HOST_LENGTH && !host.starts_with('.') && is_name;
        if !is_host && host.parse::<Ipv6Addr>().is_err() {
            return Err(KdcAddressError::Host);
        }
        if port == 0 {
            return Err(KdcAddressError::Port);
        }
        Ok(Self { host: host.to_owned(), port, addresses: Vec::new() })
    }

    /// The same KDC, dialled at these addresses whatever its name resolves to; with none of them, by its name.
    #[must_use]
    pub fn at(self, addresses: Vec<IpAddr>) -> Self {
        Self { addresses, ..self }
    }

    /// Another service of the same host, at this port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// Host name, IPv4 or IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The addresses it is dialled at whatever its name resolves to; usually none.
    #[must_use]
    pub fn fixed_addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Where to dial; resolves the name unless the addresses are fixed.
    pub(super) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        if self.addresses.is_empty() {
            return tokio::net::lookup_host((self.host.as_str(), self.port)).await.map(Iterator::collect);
        }
        Ok(self.addresses.iter().map(|address| SocketAddr::new(*address, self.port)).collect())
    }

    /// Whether both are the same KDC, wherever it is dialled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.port == other.port && same_host(&self.host, &other.host)
    }
}

impl Preference {
    /// No domain controller is preferred.
    pub const NONE: Self = Self { host: None, addresses: Vec::new() };

    /// The domain controller of this host name, dialled at these addresses where they are fixed.
    #[must_use]
    pub fn new(host: &str, addresses: Vec<IpAddr>) -> Self {
        Self { host: Some(host.to_owned()), addresses }
    }

    /// Whether the KDC runs on the preferred domain controller.
    pub(super) fn is_for(&self, endpoint: &Endpoint) -> bool {
        match endpoint {
            Endpoint::Tcp(kdc) => self.runs(kdc),
            // Nobody knows which KDC it asks.
            Endpoint::Https(_) => false,
        }
    }

    fn runs(&self, kdc: &KdcAddress) -> bool {
        let literal = kdc.host.parse().ok();
        let mut dialled = kdc.addresses.iter().chain(&literal);
        self.host.as_ref().is_some_and(|host| same_host(host, &kdc.host))
            || dialled.any(|address| self.addresses.contains(address))
    }
}

/// Compares host names as DNS does.
fn same_host(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

impl FromStr for KdcAddress {
    type Err = KdcAddressError;

    /// Reads `host`, `host:port`, `host=address:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; the port is 88 if none is
    /// given.
    fn from_str(text: &str) -> Result<Self, KdcAddressError> {
        if let Some((host, address)) = text.split_once('=') {
            let address: SocketAddr = address.parse().map_err(|_| KdcAddressError::FixedAddress)?;
            return Ok(Self::new(host, address.port())?.at(vec![address.ip()]));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(KdcAddressError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| KdcAddressError::Host)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if rest.is_empty() => KERBEROS_PORT,
                None => return Err(KdcAddressError::Port),
            };
            return Self::new(host, port);
        }
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => Self::new(host, parse_port(port)?),
            _ => Self::new(text, KERBEROS_PORT),
        }
    }
}

fn parse_port(text: &str) -> Result<u16, KdcAddressError> {
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(KdcAddressError::Port);
    }
    text.parse().map_err(|_| KdcAddressError::Port)
}

impl fmt::Display for KdcAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kdc(text: &str) -> KdcAddress {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_and_ports_are_read() {
        for (text, host, port) in [
            ("dc1.corp.example", "dc1.corp.example", 88),
            ("dc1.corp.example:8888", "dc1.corp.example", 8888),
            ("10.0.0.1:88", "10.0.0.1", 88),
            ("[2001:db8::1]", "2001:db8::1", 88),
            ("[2001:db8::1]:89", "2001:db8::1", 89),
            ("2001:db8::1", "2001:db8::1", 88),
        ] {
            let address = kdc(text);
            assert_eq!((address.host(), address.port()), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_neither_name_nor_address_is_refused() {
        for text in ["", ":88", "dc1 .corp", "dc1/x", "[dc1]:88", "[::1", ".corp.example", "a@b"] {
            assert_eq!(text.parse::<KdcAddress>(), Err(KdcAddressError::Host), "{text}");
        }
        for text in ["http://dc1", "dc1:", "dc1:0", "dc1:65536", "dc1:+88", "[::1]88", "dc1:x"] {
            assert_eq!(text.parse::<KdcAddress>(), Err(KdcAddressError::Port), "{text}");
        }
    }

    #[test]
    fn an_address_is_written_so_that_it_can_be_read() {
        for text in ["dc1.corp.example:88", "[2001:db8::1]:89"] {
            assert_eq!(kdc(text).to_string(), text);
        }
    }

    #[tokio::test]
    async fn a_fixed_address_is_dialled_and_the_name_stays() {
        let fixed = kdc("dc1.corp.example=[::1]:1088");
        assert_eq!((fixed.host(), fixed.port()), ("dc1.corp.example", 1088));
        assert_eq!(fixed.resolve().await.unwrap(), ["[::1]:1088".parse::<SocketAddr>().unwrap()]);
        assert_eq!("dc1=dc2:88".parse::<KdcAddress>(), Err(KdcAddressError::FixedAddress));
        assert_eq!("=10.0.0.1:88".parse::<KdcAddress>(), Err(KdcAddressError::Host));
    }

    #[test]
    fn a_preference_knows_its_kdc_by_name_and_by_address() {
        let preference = Preference::new("DC1.corp.example.", vec!["10.0.0.1".parse().unwrap()]);
        for (text, preferred) in [
            ("dc1.corp.example", true),
            ("dc1.corp.example=10.0.0.2:88", true),
            ("10.0.0.1:88", true),
            ("other.corp.example=10.0.0.1:88", true),
            ("dc2.corp.example", false),
            ("10.0.0.2", false),
            ("dc2.corp.example=10.0.0.2:88", false),
        ] {
            assert_eq!(preference.is_for(&text.parse().unwrap()), preferred, "{text}");
            assert!(!Preference::NONE.is_for(&text.parse().unwrap()), "{text}");
        }
    }
}
