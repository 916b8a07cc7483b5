//! Which gateway is calling: from the certificate of its connection to a configured name.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// A configured gateway, proven by the certificate of the connection the request came in on.
///
/// Every request of the gateways' interface carries one in its extensions; a request without is refused before
/// it reaches the interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayIdentity(Arc<str>);

impl GatewayIdentity {
    /// Says that a connection belongs to the gateway of this name. Only the listener may say so in earnest.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name the gateway has in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Whether a gateway still is what it was when its request came, for requests that last: a gateway that was taken out of the
/// configuration, or whose certificate has ended, is not served further.
#[derive(Clone, Debug)]
pub struct Standing {
    gateways: watch::Receiver<Arc<Gateways>>,
    certificate: CertificateNames,
    name: GatewayIdentity,
}

impl Standing {
    /// Of the gateway `name`, known by `certificate` among `gateways`.
    #[must_use]
    pub const fn new(
        gateways: watch::Receiver<Arc<Gateways>>,
        certificate: CertificateNames,
        name: GatewayIdentity,
    ) -> Self {
        Self { gateways, certificate, name }
    }

    /// What the gateway may present now.
    #[must_use]
    pub fn presents(&self) -> Presents {
        self.gateways.borrow().presents.get(self.name.name()).copied().unwrap_or_default()
    }

    /// Asks again.
    ///
    /// # Errors
    /// [`GatewayUnknown`].
    pub fn check(&self, now: SystemTime) -> Result<(), GatewayUnknown> {
        let known = Arc::clone(&self.gateways.borrow());
        let found = known.identify(&self.certificate, now)?;
        if found == self.name {
            Ok(())
        } else {
            Err(GatewayUnknown::Ambiguous { one: self.name.clone(), other: found })
        }
    }
}

/// What a gateway's certificate must be.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum GatewayCertificate {
    /// It is issued by the gateways' CA for exactly this DNS name (subjectAltName dNSName; no wildcards).
    DnsName(String),
    /// It is issued by the gateways' CA and its DER has this SHA-256.
    Sha256([u8; 32]),
}

/// Whether a gateway may present the certificates of cards that are connected with it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Presents {
    /// It may not.
    #[default]
    Never,
    /// It may, where the card proves by a signature that it is there.
    WithProof,
    /// Its word alone is enough.
    WithoutProof,
}

/// All configured gateways.
#[derive(Clone, Debug, Default)]
pub struct Gateways {
    by_certificate: BTreeMap<GatewayCertificate, GatewayIdentity>,
    presents: BTreeMap<String, Presents>,
}

impl Gateways {
    /// Takes the pairs of certificate and gateway name. DNS names are compared without regard to case.
    pub fn new(known: impl IntoIterator<Item = (GatewayCertificate, String)>) -> Self {
        let by_certificate = known
            .into_iter()
            .map(|(certificate, name)| {
                let certificate = match certificate {
                    GatewayCertificate::DnsName(dns_name) => {
                        GatewayCertificate::DnsName(dns_name.to_ascii_lowercase())
                    }
                    sha256 @ GatewayCertificate::Sha256(_) => sha256,
                };
                (certificate, GatewayIdentity::new(&name))
            })
            .collect();
        Self { by_certificate, presents: BTreeMap::new() }
    }

    /// The same, and what the named ones may present; all others nothing.
    #[must_use]
    pub fn presenting(self, presents: impl IntoIterator<Item = (String, Presents)>) -> Self {
        Self { presents: presents.into_iter().collect(), ..self }
    }

    /// The names of all gateways.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_certificate.values().map(GatewayIdentity::name)
    }

    /// Finds the gateway the certificate belongs to.
    ///
    /// # Errors
    /// No gateway is configured for it, more than one is, or the certificate has ended since its handshake.
    pub fn identify(
        &self,
        facts: &CertificateNames,
        now: SystemTime,
    ) -> Result<GatewayIdentity, GatewayUnknown> {
        if now >= facts.not_after {
            return Err(GatewayUnknown::Expired);
        }
        let names = facts.dns_names.iter().map(|name| GatewayCertificate::DnsName(name.clone()));
        let mut found = names
            .chain([GatewayCertificate::Sha256(facts.sha256)])
            .filter_map(|certificate| self.by_certificate.get(&certificate));
        let first = found
            .next()
            .ok_or_else(|| GatewayUnknown::NotConfigured { dns_names: facts.dns_names.join(", ") })?;
        if let Some(other) = found.find(|other| *other != first) {
            return Err(GatewayUnknown::Ambiguous { one: first.clone(), other: other.clone() });
        }
        Ok(first.clone())
    }
}

/// A certificate that stands for no single gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayUnknown {
    /// It is not a certificate the facts could be read from.
    #[error("the gateway's certificate cannot be read")]
    Malformed,
    /// Nobody is configured for it.
    #[error("no gateway is configured for the certificate with the DNS names [{dns_names}]")]
    NotConfigured {
        /// The names of the certificate.
        dns_names: String,
    },
    /// Its names belong to different gateways.
    #[error("the certificate belongs to both {} and {}", .one.name(), .other.name())]
    Ambiguous {
        /// One gateway.
        one: GatewayIdentity,
        /// The other.
        other: GatewayIdentity,
    },
    /// It ended while the connection was open.
    #[error("the gateway's certificate has expired")]
    Expired,
}

/// What is read from a gateway's certificate, once a connection. The handshake has verified its path already.
#[derive(Clone, Debug)]
pub struct CertificateNames {
    dns_names: Vec<String>,
    sha256: [u8; 32],
    not_after: SystemTime,
}

impl CertificateNames {
    /// When the certificate ends.
    pub(super) const fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Reads the certificate.
    ///
    /// # Errors
    /// It is not one whole certificate, or its subjectAltName is broken.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, GatewayUnknown> {
        let malformed = || GatewayUnknown::Malformed;
        let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        let alternative = parsed.subject_alternative_name().map_err(|_| malformed())?;
        let dns_names = alternative.into_iter().flat_map(|names| &names.value.general_names).filter_map(
            |name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            },
        );
        let not_after = u64::try_from(parsed.validity().not_after.timestamp()).map_err(|_| malformed())?;
        let not_after = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(not_after));
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        Ok(Self {
            dns_names: dns_names.collect(),
            sha256: digest.as_ref().try_into().map_err(|_| malformed())?,
            not_after: not_after.ok_or_else(malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap().der().clone()
    }

    fn dns(name: &str) -> GatewayCertificate {
        GatewayCertificate::DnsName(name.into())
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    #[test]
    fn a_gateway_is_known_by_its_dns_name_in_any_case() {
        let gateways = Gateways::new([(dns("GW1.corp.example"), "gw1".into())]);
        let facts = CertificateNames::read(&certificate(&["gw1.CORP.example"])).unwrap();
        assert_eq!(gateways.identify(&facts, now()).unwrap().name(), "gw1");
    }

    #[test]
    fn a_wildcard_or_longer_name_is_no_configured_gateway() {
        let gateways = Gateways::new([(dns("gw1.corp.example"), "gw1".into())]);
        for name in ["*.corp.example", "a.gw1.corp.example", "gw1.corp.example.evil.example"] {
            let facts = CertificateNames::read(&certificate(&[name])).unwrap();
            let refused = gateways.identify(&facts, now());
            assert!(matches!(refused, Err(GatewayUnknown::NotConfigured { .. })), "{name}");
        }
    }

    #[test]
    fn a_gateway_is_known_by_the_fingerprint_of_its_certificate() {
        let certificate = certificate(&["any.example"]);
        let facts = CertificateNames::read(&certificate).unwrap();
        let gateways = Gateways::new([(GatewayCertificate::Sha256(facts.sha256), "gw2".into())]);
        assert_eq!(gateways.identify(&facts, now()).unwrap().name(), "gw2");
        let other = CertificateNames::read(&self::certificate(&["any.example"])).unwrap();
        assert!(matches!(gateways.identify(&other, now()), Err(GatewayUnknown::NotConfigured { .. })));
    }

    #[test]
    fn a_certificate_of_two_gateways_is_neither() {
        let gateways = Gateways::new([(dns("a.example"), "a".into()), (dns("b.example"), "b".into())]);
        let facts = CertificateNames::read(&certificate(&["a.example", "b.example"])).unwrap();
        assert!(matches!(gateways.identify(&facts, now()), Err(GatewayUnknown::Ambiguous { .. })));
    }

    #[test]
    fn a_certificate_that_ended_while_its_connection_was_open_is_refused() {
        let gateways = Gateways::new([(dns("a.example"), "a".into())]);
        let facts = CertificateNames::read(&certificate(&["a.example"])).unwrap();
        assert!(matches!(gateways.identify(&facts, facts.not_after), Err(GatewayUnknown::Expired)));
    }

    #[test]
    fn octets_after_a_certificate_are_refused() {
        let mut longer = certificate(&["a.example"]).to_vec();
        longer.push(0);
        assert!(matches!(CertificateNames::read(&longer.into()), Err(GatewayUnknown::Malformed)));
    }
}
