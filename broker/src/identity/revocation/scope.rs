//! Which certificates a CRL speaks of, and for which reasons (RFC 5280 sections 4.2.1.13, 5.2.5 and 6.3.3 (b), (d)).

use certval::compare_names;
use der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::crl::dp::{DistributionPoint, IssuingDistributionPoint, ReasonFlags};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::{Name, RelativeDistinguishedName};

use super::super::certificate::ParsedCertificate;
use super::GapCause;

/// A set of reasons: the bits of ReasonFlags but `unused`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Reasons(u16);

impl Reasons {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(0b1_1111_1110);

    fn of(flags: Option<ReasonFlags>) -> Self {
        flags.map_or(Self::ALL, |flags| Self(flags.bits() & Self::ALL.0))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where a certificate says that its revocation is published.
pub(super) struct Point {
    name: Option<Vec<GeneralName>>,
    reasons: Reasons,
    /// The issuers of the lists; `None` where it is the certificate's own.
    crl_issuers: Option<Vec<Name>>,
}

impl Point {
    /// The points of a certificate, and behind them the one that RFC 5280 section 6.3.3 assumes for lists that are
    /// not named by any: of the certificate's issuer, for all reasons. `None` where the extension cannot be read.
    pub(super) fn all_of(certificate: &ParsedCertificate) -> Option<Vec<Self>> {
        let stated = match certificate.distribution_points() {
            Some(value) => CrlDistributionPoints::from_der(value).ok()?.0,
            None => Vec::new(),
        };
        let mut points: Vec<Self> =
            stated.into_iter().map(|point| Self::read(point, certificate.issuer())).collect();
        points.push(Self {
            name: Some(vec![GeneralName::DirectoryName(certificate.issuer().clone())]),
            reasons: Reasons::ALL,
            crl_issuers: None,
        });
        Some(points)
    }

    fn read(point: DistributionPoint, issuer: &Name) -> Self {
        let crl_issuers: Option<Vec<Name>> = point.crl_issuer.map(|names| {
            let directory_names = names.into_iter().filter_map(|name| match name {
                GeneralName::DirectoryName(name) => Some(name),
                _ => None,
            });
            directory_names.collect()
        });
        let relative_to = crl_issuers.as_ref().and_then(|issuers| issuers.first()).unwrap_or(issuer);
        let name = point.distribution_point.map(|name| full_names(name, relative_to));
        Self { name, reasons: Reasons::of(point.reasons), crl_issuers }
    }

    /// Whether a list of `issuer` may answer for this point of a certificate issued by `certificate_issuer`.
    pub(super) fn is_issued_by(&self, issuer: &Name, certificate_issuer: &Name) -> bool {
        match &self.crl_issuers {
            None => compare_names(issuer, certificate_issuer),
            Some(issuers) => issuers.iter().any(|named| compare_names(named, issuer)),
        }
    }
}

/// What a list says of its own scope: its issuing distribution point, or the lack of one.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// The extension as it stands, to compare lists with: a complete list and its delta have the same.
    encoded: Option<Box<[u8]>>,
    name: Option<Vec<GeneralName>>,
    only_user: bool,
    only_ca: bool,
    only_attribute: bool,
    indirect: bool,
    reasons: Option<ReasonFlags>,
}

impl Scope {
    /// Reads the value of an issuingDistributionPoint extension of a list of `issuer`.
    pub(super) fn read(value: &[u8], issuer: &Name) -> der::Result<Self> {
        let point = IssuingDistributionPoint::from_der(value)?;
        Ok(Self {
            encoded: Some(value.into()),
            name: point.distribution_point.map(|name| full_names(name, issuer)),
            only_user: point.only_contains_user_certs,
            only_ca: point.only_contains_ca_certs,
            only_attribute: point.only_contains_attribute_certs,
            indirect: point.indirect_crl,
            reasons: point.only_some_reasons,
        })
    }

    pub(super) fn is_indirect(&self) -> bool {
        self.indirect
    }

    /// Whether the list covers all certificates of its issuer for all reasons.
    pub(super) fn is_whole(&self) -> bool {
        self.encoded.is_none()
    }

    /// Whether two lists have the same scope (RFC 5280 section 6.3.3 (c) (2)).
    pub(super) fn is_that_of(&self, other: &Self) -> bool {
        self.encoded == other.encoded
    }

    /// For which reasons a list with this scope covers a certificate at one of its points (section 6.3.3 (b), (d)).
    pub(super) fn covers(&self, certificate: &ParsedCertificate, point: &Point) -> Result<Reasons, GapCause> {
        if point.crl_issuers.is_some() && !self.indirect {
            return Err(GapCause::NotIndirect);
        }
        let of_its_kind = match (self.only_user, self.only_ca, self.only_attribute) {
            (false, false, false) => true,
            (true, false, false) => !certificate.is_ca(),
            (false, true, false) => certificate.is_ca(),
            // Attribute certificates are not what is asked about, and more than one of the three is no scope.
            _ => false,
        };
        if !of_its_kind || !self.names(point) {
            return Err(GapCause::OtherScope);
        }
        Ok(point.reasons.and(Reasons::of(self.reasons)))
    }

    fn names(&self, point: &Point) -> bool {
        let Some(own) = &self.name else { return true };
        match &point.name {
            Some(names) => own.iter().any(|one| names.iter().any(|other| same(one, other))),
            None => own.iter().any(|one| {
                let GeneralName::DirectoryName(one) = one else { return false };
                point.crl_issuers.iter().flatten().any(|issuer| compare_names(one, issuer))
            }),
        }
    }
}

/// The names of a distribution point, in full; none where they cannot be put together.
fn full_names(name: DistributionPointName, relative_to: &Name) -> Vec<GeneralName> {
    match name {
        DistributionPointName::FullName(names) => names,
        DistributionPointName::NameRelativeToCRLIssuer(last) => {
            let mut rdns: Vec<RelativeDistinguishedName> = relative_to.iter_rdn().cloned().collect();
            rdns.push(last);
            let full = rdns.to_der().and_then(|encoded| Name::from_der(&encoded));
            full.map(GeneralName::DirectoryName).into_iter().collect()
        }
    }
}

fn same(one: &GeneralName, other: &GeneralName) -> bool {
    match (one, other) {
        (GeneralName::DirectoryName(one), GeneralName::DirectoryName(other)) => compare_names(one, other),
        _ => one == other,
    }
}
