//! Where a directory server is.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use rustls_pki_types::ServerName;

/// LDAP over TLS.
const PORT: u16 = 636;

/// A directory server: the name its certificate must have, and where to dial it.
///
/// The text form is `name`, `name:port` or, to dial a fixed address, `name=address:port`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LdapServer {
    name: String,
    port: u16,
    /// Dialled in place of what the name resolves to, where there are any.
    addresses: Vec<SocketAddr>,
    /// The domain that its certificate must have too.
    domain: Option<String>,
}

impl LdapServer {
    /// A server that is found by its name.
    ///
    /// # Errors
    /// [`LdapServerError::Name`] when it is not a DNS name.
    pub fn new(name: &str, port: u16) -> Result<Self, LdapServerError> {
        match ServerName::try_from(name) {
            Ok(ServerName::DnsName(_)) => {
                Ok(Self { name: name.to_owned(), port, addresses: Vec::new(), domain: None })
            }
            _ => Err(LdapServerError::Name),
        }
    }

    /// The same server, dialled at a fixed address. Its certificate must have the name all the same.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        self.at_any_of(vec![address])
    }

    /// The same server, dialled at one of these addresses; with none of them, by its name.
    #[must_use]
    pub fn at_any_of(self, addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, ..self }
    }

    /// The same server, whose certificate must have the name of the domain too: every machine has a certificate for its own
    /// name, and only domain controllers have one for their domain.
    #[must_use]
    pub fn of_domain(self, domain: &str) -> Self {
        Self { domain: Some(domain.to_owned()), ..self }
    }

    /// The name of the domain that the server's certificate must have beside the server's own, if it must.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The name that the server's certificate must have.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses it is dialled at whatever its name resolves to; usually none.
    #[must_use]
    pub fn fixed_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether both are the same server, wherever it is dialled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
    }

    pub(super) async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        if self.addresses.is_empty() {
            return tokio::net::lookup_host((self.name.as_str(), self.port)).await.map(Iterator::collect);
        }
        Ok(self.addresses.clone())
    }
}

impl fmt::Display for LdapServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses.as_slice() {
            [address] => write!(f, "{}={address}", self.name),
            _ => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl FromStr for LdapServer {
    type Err = LdapServerError;

    fn from_str(text: &str) -> Result<Self, LdapServerError> {
        if let Some((name, address)) = text.split_once('=') {
            let address = address.parse().map_err(|_| LdapServerError::Address)?;
            return Ok(Self::new(name, PORT)?.at(address));
        }
        match text.split_once(':') {
            None => Self::new(text, PORT),
            Some((name, port)) => match port.parse() {
                Ok(port) if port != 0 => Self::new(name, port),
                _ => Err(LdapServerError::Port),
            },
        }
    }
}

/// Why a text does not say where a server is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LdapServerError {
    /// The name is not a DNS name. An IP address is not enough: the certificate is verified by name.
    #[error("the name of the server is not a DNS name")]
    Name,
    /// The port is not 1 to 65535.
    #[error("the port of the server is not a number from 1 to 65535")]
    Port,
    /// What follows the equals sign is not an IP address with a port.
    #[error("the fixed address of the server is not an ip address with a port")]
    Address,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_means_the_port_of_ldap_over_tls() {
        assert_eq!("dc1.corp.example:636", "dc1.corp.example".parse::<LdapServer>().unwrap().to_string());
        assert_eq!(
            "dc1.corp.example:3269",
            "dc1.corp.example:3269".parse::<LdapServer>().unwrap().to_string()
        );
    }

    #[tokio::test]
    async fn a_fixed_address_is_dialled_and_the_name_stays() {
        let server: LdapServer = "dc1.corp.example=[::1]:1636".parse().unwrap();
        assert_eq!("dc1.corp.example", server.name());
        assert_eq!(vec!["[::1]:1636".parse::<SocketAddr>().unwrap()], server.addresses().await.unwrap());
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for (text, error) in [
            ("", LdapServerError::Name),
            ("10.0.0.1", LdapServerError::Name),
            ("dc 1", LdapServerError::Name),
            ("dc1:", LdapServerError::Port),
            ("dc1:0", LdapServerError::Port),
            ("dc1:70000", LdapServerError::Port),
            ("dc1=10.0.0.1", LdapServerError::Address),
            ("dc1=dc2:636", LdapServerError::Address),
            ("=10.0.0.1:636", LdapServerError::Name),
        ] {
            assert_eq!(Err(error), text.parse::<LdapServer>(), "{text:?}");
        }
    }
}
