//! The forms in which terminators send certificates, and what is wrong with a header.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::{Certificates, alb, apache, envoy, guacamole, haproxy, headers, nginx, rfc9440};
use crate::identity::PeerError;

/// A form of certificate headers. Each reads headers of its own names only.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// `Client-Cert` and `Client-Cert-Chain`: DER as byte sequences of structured fields (RFC 9440).
    Rfc9440,
    /// `SSL-Client-Cert`: one PEM, percent-encoded, as nginx writes `$ssl_client_escaped_cert`.
    Nginx,
    /// `SSL-Client-Cert`: one PEM with spaces for line ends, as Apache httpd writes `%{SSL_CLIENT_CERT}s`.
    Apache,
    /// `SSL-Client-Cert`: one DER in base64, as HAProxy writes `%[ssl_c_der,base64]`.
    HaProxy,
    /// `X-Forwarded-Client-Cert`: exactly one element with `Cert`, `Chain` or both, as Envoy writes it.
    Envoy,
    /// `X-Amzn-Mtls-Clientcert`: the chain as percent-encoded PEM, of an AWS Application Load Balancer that passes through.
    AwsAlb,
    /// `X-Amzn-Mtls-Clientcert-Leaf`: one percent-encoded PEM, of an AWS Application Load Balancer that verifies.
    AwsAlbLeaf,
    /// `X-Client-Certificate`, one percent-encoded PEM, and `X-Client-Verified`, which must say `SUCCESS`: as Apache Guacamole
    /// has terminators send it.
    Guacamole,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rfc9440,
        Self::Nginx,
        Self::Apache,
        Self::HaProxy,
        Self::Envoy,
        Self::AwsAlb,
        Self::AwsAlbLeaf,
        Self::Guacamole,
    ];

    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc9440 => "rfc9440",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::HaProxy => "haproxy",
            Self::Envoy => "envoy",
            Self::AwsAlb => "aws-alb",
            Self::AwsAlbLeaf => "aws-alb-leaf",
            Self::Guacamole => "guacamole",
        }
    }

    /// The header with the certificate.
    const fn header(self) -> &'static str {
        match self {
            Self::Rfc9440 => "client-cert",
            Self::Nginx | Self::Apache | Self::HaProxy => "ssl-client-cert",
            Self::Envoy => "x-forwarded-client-cert",
            Self::AwsAlb => "x-amzn-mtls-clientcert",
            Self::AwsAlbLeaf => "x-amzn-mtls-clientcert-leaf",
            Self::Guacamole => "x-client-certificate",
        }
    }

    /// The header that is read beside it.
    const fn beside(self) -> Option<&'static str> {
        match self {
            Self::Rfc9440 => Some("client-cert-chain"),
            Self::Guacamole => Some("x-client-verified"),
            _ => None,
        }
    }

    /// Headers that come with it always, and tell nothing that the certificate does not.
    const fn ignored(self) -> &'static [&'static str] {
        match self {
            Self::AwsAlbLeaf => &[
                "x-amzn-mtls-clientcert-serial-number",
                "x-amzn-mtls-clientcert-issuer",
                "x-amzn-mtls-clientcert-subject",
                "x-amzn-mtls-clientcert-validity",
            ],
            _ => &[],
        }
    }

    /// Reads the chain from the headers of a request, the card's own certificate first; nothing where the client showed none.
    pub(super) fn read(self, all: &HeaderMap) -> Result<Option<Certificates>, FormError> {
        let is_own = |name: &HeaderName| {
            let name = name.as_str();
            name == self.header() || Some(name) == self.beside() || self.ignored().contains(&name)
        };
        if let Some(other) = headers::carried(all).find(|name| !is_own(name)) {
            return Err(FormError::OtherForm { header: other.as_str().to_owned() });
        }
        let value = headers::only(all, self.header())?;
        let beside = self.beside().map(|name| headers::only(all, name)).transpose()?.flatten();
        self.parse(value, beside)
    }

    /// Reads the values of the two headers.
    pub(super) fn parse(
        self,
        value: Option<&str>,
        beside: Option<&str>,
    ) -> Result<Option<Certificates>, FormError> {
        let value = match (self, value, beside) {
            (Self::Guacamole, value, verified) => {
                return guacamole::read(value, verified);
            }
            (_, None, None) => return Ok(None),
            (_, None, Some(_)) => return Err(FormError::ChainAlone),
            (Self::Apache, Some(apache::ABSENT), None) => return Ok(None),
            (_, Some(value), _) => value,
        };
        let certificates = match self {
            Self::Rfc9440 => rfc9440::read(value, beside),
            Self::Nginx => nginx::read(value),
            Self::Apache => apache::read(value),
            Self::HaProxy => haproxy::read(value),
            Self::Envoy => envoy::read(value),
            Self::AwsAlb => alb::read_chain(value),
            Self::AwsAlbLeaf | Self::Guacamole => alb::read_leaf(value),
        };
        certificates.map(Some)
    }
}

/// Why the headers of a terminator are not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The same header, or the same part of it, twice.
    #[error("{name} is there twice")]
    Duplicate {
        /// The header or part.
        name: Cow<'static, str>,
    },
    /// A header of certificates of another form than the configured one.
    #[error("the header {header} is not of the configured form; have the terminator remove it")]
    OtherForm {
        /// The header.
        header: String,
    },
    /// A header without a certificate.
    #[error("the header is empty")]
    Empty,
    /// More certificates than one where one is meant.
    #[error("several certificates where one is meant")]
    Several,
    /// More octets than any real chain has.
    #[error("the header is longer than {} octets", super::MAX_VALUE)]
    TooLong,
    /// The terminator does not say that the client holds the certificate's key.
    #[error("X-Client-Verified is not SUCCESS")]
    NotVerified,
    /// Client-Cert-Chain without Client-Cert.
    #[error("a chain without the certificate it leads to")]
    ChainAlone,
    /// Not of its form.
    #[error("the header is not {0}")]
    Malformed(&'static str),
    /// Its parts speak of different certificates.
    #[error("{0} is of another certificate")]
    Contradicts(&'static str),
    /// The terminator is to tell its client's address and does not.
    #[error("X-Forwarded-For does not end with an address")]
    ForwardedFor,
    /// The chain is beyond the bounds of every chain.
    #[error(transparent)]
    Chain(#[from] PeerError),
}

impl FormError {
    /// The word in metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Duplicate { .. } => "duplicate",
            Self::OtherForm { .. } => "other_form",
            Self::Empty => "empty",
            Self::Several => "several",
            Self::TooLong | Self::Chain(_) => "too_long",
            Self::NotVerified => "not_verified",
            Self::ChainAlone | Self::Malformed(_) => "malformed",
            Self::Contradicts(_) => "contradiction",
            Self::ForwardedFor => "forwarded_for",
        }
    }
}
