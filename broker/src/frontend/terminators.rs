//! TLS terminators in front of the card listener: the chain of a card that made its handshake with another program.
//!
//! A certificate is public, so a header that carries one proves nothing. It is read from a configured terminator alone, which
//! shows a certificate of its own and comes from one of its addresses; from anybody else such a header is refused, whatever it
//! holds. What is read is judged by the line from scratch: nothing a terminator says of a certificate is believed.

mod alb;
mod apache;
mod envoy;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guacamole;
mod haproxy;
mod headers;
mod nginx;
mod pem;
mod rfc9440;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderMap;
use ipnet::IpNet;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};

pub use self::{
    form::{Form, FormError},
    headers::carried,
};
use super::{
    gateways::{CertificateNames, GatewayCertificate, GatewayIdentity, Gateways},
    listener::Peer,
};
use crate::{
    error::{Code, Refusal, Step},
    identity::PeerCertificates,
    policy::{Channel, Origin},
};

/// One configured terminator.
#[derive(Clone, Debug)]
pub struct Terminator {
    /// Where its connections come from.
    pub networks: Vec<IpNet>,
    /// The one form in which it sends certificates.
    pub form: Form,
    /// Whether it adds its client's address to `X-Forwarded-For`.
    pub forwarded_for: bool,
}

/// All configured terminators.
#[derive(Clone, Default)]
pub struct Terminators {
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    known: Gateways,
    by_name: BTreeMap<String, Terminator>,
}

/// What a request presents: a chain, not yet believed, and where it comes from.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The chain, if there is one.
    pub certificates: Option<PeerCertificates>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A request whose headers speak of certificates and must not, or not so.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderRefused {
    /// It does not come from a terminator.
    #[error(
        "the header {header} of a request that no configured terminator sent; its sender has no right to it"
    )]
    Stranger {
        /// The first such header.
        header: String,
    },
    /// A terminator shows a certificate that has ended.
    #[error(
        "the certificate of terminator {terminator} ended at {not_after}; renew it, and have the terminator load it"
    )]
    Ended {
        /// The terminator, as it is configured.
        terminator: String,
        /// When it ended.
        not_after: jiff::Timestamp,
    },
    /// A terminator's certificate was shown from somewhere else.
    #[error("the certificate of terminator {terminator} came from {address}, none of its addresses")]
    OtherAddress {
        /// The terminator, as it is configured.
        terminator: String,
        /// Where the connection came from.
        address: IpAddr,
    },
    /// A terminator's headers are not as its form says.
    #[error("terminator {terminator}: {error}")]
    Form {
        /// The terminator, as it is configured.
        terminator: String,
        /// What is wrong.
        error: FormError,
    },
}

impl HeaderRefused {
    /// The word in metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Stranger { .. } => "stranger",
            Self::Ended { .. } => "certificate_ended",
            Self::OtherAddress { .. } => "other_address",
            Self::Form { error, .. } => error.reason(),
        }
    }
}

impl From<HeaderRefused> for Refusal {
    fn from(refused: HeaderRefused) -> Self {
        let code = match &refused {
            HeaderRefused::Stranger { .. }
            | HeaderRefused::Ended { .. }
            | HeaderRefused::OtherAddress { .. } => Code::CertificateHeaderUntrusted,
            HeaderRefused::Form { .. } => Code::CertificateHeaderInvalid,
        };
        Self::because(code, Step::Request, refused)
    }
}

impl Terminators {
    /// Takes the terminators by the certificates they are known by. `verifier` judges the paths of those certificates.
    pub fn new(
        verifier: Arc<dyn ClientCertVerifier>,
        terminators: impl IntoIterator<Item = (GatewayCertificate, String, Terminator)>,
    ) -> Self {
        let mut by_name = BTreeMap::new();
        let known: Vec<_> = terminators
            .into_iter()
            .map(|(certificate, name, terminator)| {
                by_name.insert(name.clone(), terminator);
                (certificate, name)
            })
            .collect();
        Self { verifier: Some(verifier), known: Gateways::new(known), by_name }
    }

    /// Decides what a request presents: the chain in the headers of a terminator, or that of the peer's own handshake.
    ///
    /// A terminator's own certificate is never taken for a card: without a header its request presents nothing.
    ///
    /// # Errors
    /// [`HeaderRefused`]. A header of a certificate is refused from everybody else, even from the bearer of a card.
    pub fn presented(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Presented, HeaderRefused> {
        let address = client(peer.address);
        let Some((name, terminator)) = self.find(peer, now) else {
            if let Some(header) = carried(headers).next() {
                if let Some(ended) = self.ended(peer, now) {
                    return Err(ended);
                }
                return Err(HeaderRefused::Stranger { header: header.as_str().to_owned() });
            }
            let chain = peer.certificates.as_deref().map(<[_]>::to_vec);
            // The handshake keeps to the same bounds, so that nothing is refused here that is not refused there.
            let certificates = chain.and_then(|chain| PeerCertificates::new(chain).ok());
            return Ok(Presented { certificates, origin: Origin::direct(address) });
        };
        let name = || name.name().to_owned();
        if !terminator.networks.iter().any(|network| network.contains(&address)) {
            return Err(HeaderRefused::OtherAddress { terminator: name(), address });
        }
        let wrong = |error| HeaderRefused::Form { terminator: name(), error };
        let chain = terminator.form.read(headers).map_err(wrong)?;
        let certificates = chain.map(PeerCertificates::new).transpose();
        let client_address = match terminator.forwarded_for {
            true => Some(headers::forwarded_for(headers).ok_or(FormError::ForwardedFor).map_err(wrong)?),
            false => None,
        };
        Ok(Presented {
            certificates: certificates.map_err(|error| wrong(error.into()))?,
            origin: Origin { channel: Channel::Terminator, client_address },
        })
    }

    /// Whether the peer would be a terminator, were it not for the end of its certificate.
    fn ended(&self, peer: &Peer, now: SystemTime) -> Option<HeaderRefused> {
        let not_after = CertificateNames::read(peer.certificates.as_deref()?.first()?).ok()?.not_after();
        let before = not_after.checked_sub(Duration::from_secs(1)).filter(|before| *before < now)?;
        let (name, _) = self.find(peer, before)?;
        let not_after = jiff::Timestamp::try_from(not_after).ok()?;
        Some(HeaderRefused::Ended { terminator: name.name().to_owned(), not_after })
    }

    /// The terminator whose certificate the peer showed in its handshake.
    fn find(&self, peer: &Peer, now: SystemTime) -> Option<(GatewayIdentity, &Terminator)> {
        let verifier = self.verifier.as_ref()?;
        let (own, others) = peer.certificates.as_deref()?.split_first()?;
        let at = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).ok()?);
        verifier.verify_client_cert(own, others, at).ok()?;
        let names = CertificateNames::read(own).ok()?;
        let name = self.known.identify(&names, now).ok()?;
        let terminator = self.by_name.get(name.name())?;
        Some((name, terminator))
    }
}

impl fmt::Debug for Terminators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminators").field("by_name", &self.by_name).finish_non_exhaustive()
    }
}

/// An address as configurations write it: one of IPv4 that came by IPv6 is one of IPv4.
fn client(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

/// Most octets of a header's value that is looked at.
const MAX_VALUE: usize = 64 * 1024;

type Certificates = Vec<CertificateDer<'static>>;

#[cfg(test)]
mod tests;
