//! Which headers speak of certificates, and reading one that must be there once.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

use super::{FormError, MAX_VALUE};

/// How the names of headers begin in which programs hand on clients' certificates, or what they think of them.
const PREFIXES: [&str; 12] = [
    "client-cert",
    "ssl-client-",
    "x-ssl-client-",
    "x-ssl-cert",
    "x-client-cert",
    "x-client-verified",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-",
    "x-forwarded-ssl-client-",
    "x-amzn-mtls-",
    "x-arr-clientcert",
    "cf-client-cert",
];

/// The names of all headers of a request that speak of a client's certificate.
///
/// An underscore counts as a hyphen: there are programs to which `SSL_CLIENT_CERT` and `SSL-Client-Cert` are one.
pub fn carried(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    headers.keys().filter(|name| {
        let name = name.as_str().replace('_', "-");
        PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    })
}

/// The value of a header that is there at most once, without the space around it.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, FormError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(FormError::Duplicate { name: name.into() });
    }
    if value.len() > MAX_VALUE {
        return Err(FormError::TooLong);
    }
    let value = value.to_str().map_err(|_| FormError::Malformed("text of ASCII"))?.trim();
    if value.is_empty() { Err(FormError::Empty) } else { Ok(Some(value)) }
}

/// The last address of `X-Forwarded-For`, which the terminator itself has added; those before are anybody's word.
pub(super) fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    let with_port = || last.parse::<SocketAddr>().ok().map(|address| address.ip());
    last.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}
