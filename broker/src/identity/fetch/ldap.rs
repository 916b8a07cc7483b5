//! LDAP URLs (RFC 4516), and one search at what they name. Does network I/O.
//!
//! A URL that names a host is asked without a bind, as a directory publishes for strangers. One that names none means the
//! directory this service belongs to (so Active Directory writes them), and is read over the service's own connection, since
//! Active Directory shows nothing to strangers. That lends whoever wrote the certificate nothing: only attributes that hold
//! revocation lists are read, and only as lists.

use std::fmt;
use std::str::FromStr;

use ldap_map::net::published::{self, ListAttribute, PublishedError};
use tokio::net::TcpStream;

use super::url::{Host, host_and_port, scheme_and_rest};
use super::{FetchError, UrlError};

const LDAP_PORT: u16 = 389;

/// An object of a directory, and the attribute of it that holds lists.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LdapUrl {
    text: String,
    server: Option<(Host, u16)>,
    dn: String,
    list: ListAttribute,
}

impl LdapUrl {
    /// An object of our own directory that a certificate names without a URL.
    pub(crate) fn own(dn: &str, list: ListAttribute) -> Self {
        let mut escaped = String::with_capacity(dn.len());
        for octet in dn.bytes() {
            match octet {
                b'?' | b'%' | b'#' => escaped.push_str(&format!("%{octet:02X}")),
                octet if octet.is_ascii_graphic() => escaped.push(char::from(octet)),
                octet => escaped.push_str(&format!("%{octet:02X}")),
            }
        }
        Self { text: format!("ldap:///{escaped}?{list}"), server: None, dn: dn.to_owned(), list }
    }

    /// Where to ask; nothing means our own directory.
    pub(super) fn server(&self) -> Option<(&Host, u16)> {
        self.server.as_ref().map(|(host, port)| (host, *port))
    }

    pub(super) fn dn(&self) -> &str {
        &self.dn
    }

    pub(super) fn list(&self) -> ListAttribute {
        self.list
    }
}

impl FromStr for LdapUrl {
    type Err = UrlError;

    /// `ldap://host:port/dn?attribute?base?filter`. One attribute, of those that hold lists, must be named; the filter is of
    /// no use for one object and passed over.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = scheme_and_rest(text)?;
        if !scheme.eq_ignore_ascii_case("ldap") {
            return Err(UrlError::Scheme);
        }
        let (authority, rest) = rest.split_once('/').ok_or(UrlError::Entry)?;
        let server = match authority {
            "" => None,
            authority => {
                let (host, port) = host_and_port(authority)?;
                Some((host, port.unwrap_or(LDAP_PORT)))
            }
        };
        let mut parts = rest.split('?');
        let dn = decoded(parts.next().unwrap_or_default())?;
        let attribute = decoded(parts.next().unwrap_or_default())?;
        let list = ListAttribute::named(&attribute).ok_or(UrlError::Entry)?;
        let scope = parts.next().unwrap_or_default();
        // Extensions may be critical (section 2).
        let extensions = parts.nth(1).unwrap_or_default();
        let is_one_object = scope.is_empty() || scope.eq_ignore_ascii_case("base");
        if dn.is_empty() || !is_one_object || extensions.contains('!') || parts.next().is_some() {
            return Err(UrlError::Entry);
        }
        Ok(Self { text: text.to_owned(), server, dn, list })
    }
}

/// Undoes the escapes of a URL (RFC 3986 section 2.1).
fn decoded(text: &str) -> Result<String, UrlError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (high, low) = (digit().ok_or(UrlError::Path)?, digit().ok_or(UrlError::Path)?);
                u8::try_from(high * 16 + low).map_err(|_| UrlError::Path)?
            }
            octet => octet,
        });
    }
    let text = String::from_utf8(octets).map_err(|_| UrlError::Path)?;
    if text.chars().any(char::is_control) { Err(UrlError::Path) } else { Ok(text) }
}

/// Reads the lists at a URL from a server, without a bind.
pub(super) async fn ask(stream: TcpStream, url: &LdapUrl, octets: usize) -> Result<Vec<Vec<u8>>, FetchError> {
    let lists =
        published::lists(stream, url.dn(), url.list(), octets).await.map_err(|error| match error {
            PublishedError::TooLarge { limit } => FetchError::TooLarge { limit },
            PublishedError::Refused(code) => FetchError::Refused(code),
            _ => FetchError::Broken(std::io::ErrorKind::InvalidData),
        })?;
    if lists.is_empty() { Err(FetchError::NoList) } else { Ok(lists) }
}

impl fmt::Display for LdapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Option<String>, String, ListAttribute), UrlError> {
        let url: LdapUrl = text.parse()?;
        let server = url.server().map(|(host, port)| format!("{host}:{port}"));
        Ok((server, url.dn().to_owned(), url.list()))
    }

    #[test]
    fn an_ldap_url_names_an_object_and_a_list() {
        let list = ListAttribute::CertificateRevocationList;
        assert_eq!(
            read("ldap://dir.example/CN=CA,O=Corp?certificateRevocationList;binary"),
            Ok((Some("dir.example:389".to_owned()), "CN=CA,O=Corp".to_owned(), list))
        );
        // As Active Directory's certification authority writes it.
        let of_windows = "ldap:///CN=Corp%20CA,CN=pki,CN=CDP,DC=corp,DC=example?certificateRevocationList?base?objectClass=cRLDistributionPoint";
        assert_eq!(
            read(of_windows),
            Ok((None, "CN=Corp CA,CN=pki,CN=CDP,DC=corp,DC=example".to_owned(), list))
        );
        let escaped = "LDAP://[::1]:3890/CN=A%2cB%C3%A4?deltaRevocationList??(objectClass=*)";
        let expected =
            (Some("::1:3890".to_owned()), "CN=A,B\u{e4}".to_owned(), ListAttribute::DeltaRevocationList);
        assert_eq!(read(escaped), Ok(expected));
    }

    #[test]
    fn other_attributes_other_reaches_and_critical_extensions_are_refused() {
        for wrong in [
            "ldap:///CN=CA",
            "ldap:///CN=CA?",
            "ldap:///CN=CA?unicodePwd",
            "ldap:///CN=CA?certificateRevocationList,userPassword",
            "ldap:///CN=CA?certificateRevocationList?sub",
            "ldap:///?certificateRevocationList",
            "ldap:///CN=CA?certificateRevocationList?base??!bindname=cn=Manager",
            "ldap:///CN=CA?certificateRevocationList?base?x?y?z",
            "ldap://dir.example",
        ] {
            assert_eq!(read(wrong), Err(UrlError::Entry), "{wrong}");
        }
        for wrong in [
            "ldap:///CN=%00?certificateRevocationList",
            "ldap:///CN=%zz?certificateRevocationList",
            "ldap:///CN=%ff?certificateRevocationList",
            "ldap:///CN=%4",
        ] {
            assert_eq!(read(wrong), Err(UrlError::Path), "{wrong}");
        }
        assert_eq!(read("ldaps:///CN=CA?certificateRevocationList"), Err(UrlError::Scheme));
        assert_eq!(read("ldap://user@a/CN=CA?certificateRevocationList"), Err(UrlError::Credentials));
    }
}
