//! Where the KDCs are, and which of them to ask first.
//!
//! The list is configured: DNS is not authenticated, and the order is the operator's choice of nearness. A KDC that
//! failed moves to the end of the line for a while, and returns by itself.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

use super::transport::Endpoint;

/// Port of the Kerberos service.
const KERBEROS_PORT: u16 = 88;
/// Longest DNS name.
const MAX_HOST_LENGTH: usize = 253;

/// How long a KDC stays at the end of the line after its first failure, and at most.
const FIRST_PENALTY: Duration = Duration::from_secs(10);
const MAX_PENALTY: Duration = Duration::from_secs(300);

/// A KDC by host name or IP address, and port.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KdcAddress {
    host: String,
    port: u16,
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
        Ok(Self { host: host.to_owned(), port })
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
}

impl FromStr for KdcAddress {
    type Err = KdcAddressError;

    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address; the port is 88 if none is given.
    fn from_str(text: &str) -> Result<Self, KdcAddressError> {
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

/// The configured KDCs with what was learned about them.
#[derive(Debug)]
pub(crate) struct KdcList {
    kdcs: Vec<Kdc>,
}

#[derive(Debug)]
struct Kdc {
    endpoint: Endpoint,
    failures: u32,
    penalised_until: Option<Instant>,
}

impl KdcList {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        let kdcs = endpoints
            .into_iter()
            .map(|endpoint| Kdc { endpoint, failures: 0, penalised_until: None })
            .collect();
        Self { kdcs }
    }

    /// All KDCs in the order to try them: the configured order, those that failed lately at the end.
    pub(crate) fn in_order(&self, now: Instant) -> Vec<Endpoint> {
        let (late, ready): (Vec<&Kdc>, Vec<&Kdc>) =
            self.kdcs.iter().partition(|kdc| kdc.penalised_until.is_some_and(|until| now < until));
        ready.into_iter().chain(late).map(|kdc| kdc.endpoint.clone()).collect()
    }

    /// The KDC gave no usable answer.
    pub(crate) fn failed(&mut self, endpoint: &Endpoint, now: Instant) {
        for kdc in self.kdcs.iter_mut().filter(|kdc| kdc.endpoint == *endpoint) {
            let penalty = FIRST_PENALTY.saturating_mul(1 << kdc.failures.min(8)).min(MAX_PENALTY);
            kdc.failures = kdc.failures.saturating_add(1);
            kdc.penalised_until = now.checked_add(penalty);
        }
    }

    /// The KDC answered.
    pub(crate) fn answered(&mut self, endpoint: &Endpoint) {
        for kdc in self.kdcs.iter_mut().filter(|kdc| kdc.endpoint == *endpoint) {
            kdc.failures = 0;
            kdc.penalised_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kdc(text: &str) -> KdcAddress {
        text.parse().unwrap()
    }

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "the tests need some instant to count from")]
    fn now() -> Instant {
        Instant::now()
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

    #[test]
    fn a_failed_kdc_goes_to_the_end_of_the_line_and_comes_back() {
        let (one, two) = (endpoint("dc1"), endpoint("dc2"));
        let mut list = KdcList::new(vec![one.clone(), two.clone()]);
        let start = now();
        assert_eq!(list.in_order(start), [one.clone(), two.clone()]);
        list.failed(&one, start);
        assert_eq!(list.in_order(start), [two.clone(), one.clone()]);
        assert_eq!(list.in_order(start + FIRST_PENALTY), [one, two]);
    }

    #[test]
    fn repeated_failures_last_longer_up_to_a_limit_and_an_answer_forgives_them() {
        let (one, two) = (endpoint("dc1"), endpoint("dc2"));
        let mut list = KdcList::new(vec![one.clone(), two.clone()]);
        let start = now();
        for _ in 0..40 {
            list.failed(&one, start);
        }
        assert_eq!(list.in_order(start + MAX_PENALTY - Duration::from_secs(1))[0], two);
        assert_eq!(list.in_order(start + MAX_PENALTY)[0], one);
        list.answered(&one);
        assert_eq!(list.in_order(start)[0], one);
    }

    #[test]
    fn when_all_have_failed_all_are_still_tried() {
        let (one, two) = (endpoint("dc1"), endpoint("dc2"));
        let mut list = KdcList::new(vec![one.clone(), two.clone()]);
        let start = now();
        list.failed(&one, start);
        list.failed(&two, start);
        assert_eq!(list.in_order(start), [one, two]);
    }
}
