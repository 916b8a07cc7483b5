//! Where lists are: the names of distribution points as texts of URLs, and what is fetched by one. No I/O.

use std::str::FromStr;

use der::Decode as _;
use ldap_map::net::published::ListAttribute;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::{Name, RelativeDistinguishedName};

use super::super::fetch::{LdapUrl, Url, UrlError};

/// Most distribution points of one extension, and most names of one of them, that are looked at.
const MAX_POINTS: usize = 8;

/// The names of each distribution point, as URLs; one of each point is enough.
pub(crate) type Points = Vec<Vec<String>>;

/// A place a list can be fetched from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Location {
    Http(Url),
    Ldap(LdapUrl),
}

impl FromStr for Location {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.parse() {
            Ok(url) => Ok(Self::Http(url)),
            Err(UrlError::Scheme) => text.parse().map(Self::Ldap),
            Err(error) => Err(error),
        }
    }
}

/// The names of every point in the value of a cRLDistributionPoints or freshestCRL extension (RFC 5280 sections 4.2.1.13,
/// 4.2.1.15 and 5.2.6) of something that `issuer` issued; none where it cannot be read.
///
/// A name within the directory, in full or relative to the issuer of the list, is one of our own directory.
pub(crate) fn points_of(value: &[u8], issuer: &Name, list: ListAttribute) -> Points {
    let points = CrlDistributionPoints::from_der(value).map(|points| points.0).unwrap_or_default();
    let names = points.into_iter().map(|point| names_of(point, issuer, list));
    names.filter(|names| !names.is_empty()).take(MAX_POINTS).collect()
}

fn names_of(point: DistributionPoint, issuer: &Name, list: ListAttribute) -> Vec<String> {
    let DistributionPoint { distribution_point, crl_issuer, .. } = point;
    let crl_issuers = || {
        crl_issuer.iter().flatten().filter_map(|name| match name {
            GeneralName::DirectoryName(name) => Some(name),
            _ => None,
        })
    };
    let named = match distribution_point {
        Some(DistributionPointName::FullName(names)) => names,
        Some(DistributionPointName::NameRelativeToCRLIssuer(relative)) => {
            let relative_to = crl_issuers().next().unwrap_or(issuer);
            full_name(relative_to, relative).map(GeneralName::DirectoryName).into_iter().collect()
        }
        // The list stands in the entry of its issuer.
        None => crl_issuers().cloned().map(GeneralName::DirectoryName).collect(),
    };
    let text = |name: GeneralName| match name {
        GeneralName::UniformResourceIdentifier(url) => Some(url.to_string()),
        GeneralName::DirectoryName(name) => Some(LdapUrl::own(&name.to_string(), list).to_string()),
        _ => None,
    };
    named.into_iter().filter_map(text).take(MAX_POINTS).collect()
}

fn full_name(relative_to: &Name, last: RelativeDistinguishedName) -> Option<Name> {
    use der::Encode as _;
    let mut rdns: Vec<RelativeDistinguishedName> = relative_to.iter_rdn().cloned().collect();
    rdns.push(last);
    rdns.to_der().and_then(|encoded| Name::from_der(&encoded)).ok()
}
