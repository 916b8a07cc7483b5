//! What is asked of a list as a whole: above all, whether it takes the place of another one.

use std::cmp::Ordering;

use der::Decode as _;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::Crl;
use crate::identity::certificate::{name_text, timestamp};
use crate::identity::revocation::CrlSummary;

impl Crl {
    /// Whether this list is of the same series as another one: of one issuer, for one scope, and both complete or both delta.
    pub(crate) fn is_of_series(&self, other: &Self) -> bool {
        self.is_delta() == other.is_delta()
            && certval::compare_names(&self.issuer, &other.issuer)
            && self.scope.is_that_of(&other.scope)
    }

    /// Whether this list takes the place of one of its series: neither its number nor its time goes back, and one of them
    /// goes on (RFC 5280 section 5.2.3).
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let number = match (&self.number, &other.number) {
            (Some(own), Some(other)) => own.cmp(other),
            _ => Ordering::Equal,
        };
        let time = self.this_update.cmp(&other.this_update);
        number.is_ge() && time.is_ge() && (number.is_gt() || time.is_gt())
    }

    /// Whether somebody who was asked about made the signature.
    pub(crate) fn has_known_signer(&self) -> bool {
        self.proof.signer.get().is_some()
    }

    /// Whether the signer of another list, which must be known, made the signature of this one.
    pub(crate) fn is_signed_like(&self, other: &Self) -> bool {
        let known = other.proof.signer.get().and_then(|key| SubjectPublicKeyInfoOwned::from_der(key).ok());
        known.is_some_and(|key| self.is_signed_by_key(&key))
    }

    /// What health pages say of it.
    pub(crate) fn summary(&self) -> CrlSummary {
        CrlSummary {
            issuer: name_text(&self.issuer),
            this_update: timestamp(self.this_update),
            next_update: self.next_update.map(timestamp),
            entries: self.entries.len(),
            scope: self.kind.clone(),
        }
    }

    /// The value of freshestCRL (RFC 5280 section 5.2.6).
    pub(crate) fn freshest(&self) -> Option<&[u8]> {
        self.freshest.as_deref()
    }
}
