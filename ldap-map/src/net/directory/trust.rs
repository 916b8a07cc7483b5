//! Reads what the domain says of another that it trusts. Does I/O: one search.

use std::ops::ControlFlow;

use super::{Directory, Failure, search_refused, settle};
use crate::filter::Filter;
use crate::message::request::Scope;
use crate::message::response::ResultCode;
use crate::net::error::DirectoryError;
use crate::net::ldap::Connection;
use crate::schema::Attribute;
use crate::trust::TrustedDomain;

impl Directory {
    /// The DNS name of the domain, in lower case.
    #[must_use]
    pub fn dns_domain(&self) -> &str {
        &self.dns_domain
    }

    /// What the domain says of the one with the DNS name `partner`; `None` when it has no trust with it.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub async fn trusted_domain(&self, partner: &str) -> Result<Option<TrustedDomain>, DirectoryError> {
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let outcome = self.read_trust(&mut connection, partner).await;
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    async fn read_trust(
        &self,
        connection: &mut Connection,
        partner: &str,
    ) -> Result<Option<TrustedDomain>, Failure> {
        let filter = Filter::all_of([
            Filter::equals(Attribute::OBJECT_CLASS, b"trustedDomain"),
            Filter::equals(Attribute::TRUST_PARTNER, partner.as_bytes()),
        ]);
        let domain = self.domain.as_str();
        let attributes = TrustedDomain::ATTRIBUTES;
        // One more than expected, so that a second one shows.
        let found = self.search(connection, domain, Scope::Subtree, &filter, attributes, 2).await?;
        match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, []) => Ok(None),
            (ResultCode::SUCCESS, [entry]) => {
                Ok(Some(TrustedDomain::from_entry(entry).map_err(DirectoryError::from)?))
            }
            (ResultCode::SUCCESS | ResultCode::SIZE_LIMIT_EXCEEDED, _) => {
                Err(DirectoryError::Ambiguous.into())
            }
            (code, _) => Err(search_refused(connection, code)),
        }
    }
}
