//! Where something is to be had: the http URLs of RFC 9110 and the ldap URLs of RFC 4516, and nothing else.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::uri::PathAndQuery;

const HTTP_PORT: u16 = 80;
/// Longest URL that is read, in octets.
const MAX_URL: usize = 2048;
/// Longest name of a host (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;

/// A URL that may be fetched from, as far as its text goes.
///
/// Equal texts are equal URLs; of what else may mean the same place nothing is guessed.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Url {
    text: String,
    host: Host,
    port: u16,
    path: String,
}

/// A host as a URL names it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Host {
    /// To be looked up. Forms such as `127.1` are names too: what they lead to is judged.
    Name(String),
    Address(IpAddr),
}

/// Why a text is no URL to fetch from. The blame is with whoever wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// https: the server's certificate would have to be judged before the one that is being judged.
    #[error(
        "it is an https url, which needs certificates to find certificates: publish it by http (RFC 5280 section 8)"
    )]
    Https,
    /// Neither http nor ldap.
    #[error("it is neither an http nor an ldap url")]
    Scheme,
    /// A user's name or password.
    #[error("it has a user's name or password in it")]
    Credentials,
    /// The host is neither a DNS name nor an address.
    #[error("its host is neither a dns name nor an address")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// The path has a character that needs an escape, or there is a fragment.
    #[error("it has a character that needs an escape, or a fragment")]
    Path,
    /// Of an ldap URL: it does not name one object, and one attribute that holds revocation lists.
    #[error("it does not name one object and an attribute that holds revocation lists")]
    Entry,
    /// Longer than any that is needed.
    #[error("it is longer than {MAX_URL} octets")]
    TooLong,
}

impl Url {
    /// The host as it is looked up; an address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        self.host.to_string()
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn place(&self) -> &Host {
        &self.host
    }

    /// Path and query, as they are asked for.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Host and port, as the Host field wants them (RFC 9112 section 3.2).
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            host => host.to_string(),
        };
        if self.port == HTTP_PORT { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = scheme_and_rest(text)?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(UrlError::Https);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        let (host, port) = host_and_port(authority)?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        path.parse::<PathAndQuery>().map_err(|_| UrlError::Path)?;
        Ok(Self { text: text.to_owned(), host, port: port.unwrap_or(HTTP_PORT), path })
    }
}

/// The scheme and what follows `://`, of a text that is no longer than any URL and needs no escapes.
pub(super) fn scheme_and_rest(text: &str) -> Result<(&str, &str), UrlError> {
    if text.len() > MAX_URL {
        return Err(UrlError::TooLong);
    }
    if !text.bytes().all(|octet| octet.is_ascii_graphic()) || text.contains('#') {
        return Err(UrlError::Path);
    }
    text.split_once("://").ok_or(UrlError::Scheme)
}

pub(super) fn host_and_port(authority: &str) -> Result<(Host, Option<u16>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::Credentials);
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port_of(port)?),
            None if port.is_empty() => None,
            None => return Err(UrlError::Host),
        };
        return Ok((Host::Address(address.into()), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port_of(port)?)),
        None => (authority, None),
    };
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    if host.is_empty() || host.len() > MAX_HOST || !host.bytes().all(is_plain) {
        return Err(UrlError::Host);
    }
    let host = host.parse().map_or_else(|_| Host::Name(host.to_ascii_lowercase()), Host::Address);
    Ok((host, port))
}

fn port_of(text: &str) -> Result<u16, UrlError> {
    if !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    text.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, u16, String), UrlError> {
        text.parse().map(|url: Url| (url.host(), url.port(), url.path().to_owned()))
    }

    fn parts(host: &str, port: u16, path: &str) -> Result<(String, u16, String), UrlError> {
        Ok((host.to_owned(), port, path.to_owned()))
    }

    #[test]
    fn an_http_url_is_read_into_host_port_and_path() {
        assert_eq!(read("http://pki.example/ca.crl"), parts("pki.example", 80, "/ca.crl"));
        assert_eq!(read("HTTP://PKI.example:8080"), parts("pki.example", 8080, "/"));
        assert_eq!(read("http://pki.example?ca=1"), parts("pki.example", 80, "/?ca=1"));
        assert_eq!(read("http://192.0.2.1/%20a"), parts("192.0.2.1", 80, "/%20a"));
        assert_eq!(read("http://[2001:db8::1]:81/"), parts("2001:db8::1", 81, "/"));
        assert_eq!("http://[::1]:81/".parse::<Url>().unwrap().authority(), "[::1]:81");
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        assert_eq!(read("https://pki.example/ca.crl"), Err(UrlError::Https));
        for scheme in
            ["file:///etc/passwd", "ftp://pki.example/", "gopher://pki.example/", "pki.example", "http:/x"]
        {
            assert_eq!(read(scheme), Err(UrlError::Scheme), "{scheme}");
        }
        for host in [
            "http:///x",
            "http://[::1",
            "http://[::1]x/",
            "http://[fe80::1%25eth0]/",
            "http://a%2eb/",
            "http://a,b/",
        ] {
            assert_eq!(read(host), Err(UrlError::Host), "{host}");
        }
        for port in ["http://a:/", "http://a:0/", "http://a:65536/", "http://a:+80/", "http://a:80:80/"] {
            assert_eq!(read(port), Err(UrlError::Port), "{port}");
        }
        for credentials in ["http://user@a/", "http://user:pass@a/", "http://a:80@127.0.0.1/"] {
            assert_eq!(read(credentials), Err(UrlError::Credentials), "{credentials}");
        }
        for path in ["http://a/ b", "http://a/\r\nX: y", "http://a/#top", "http://\u{e4}/", "http://a/\0"] {
            assert_eq!(read(path), Err(UrlError::Path), "{path:?}");
        }
        assert_eq!(read(&format!("http://a/{}", "b".repeat(MAX_URL))), Err(UrlError::TooLong));
    }
}
