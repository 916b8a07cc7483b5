//! The SID of the directory's domain: what is expected, or else what a server said first. Does I/O: one search, once.
//!
//! Every account of a domain has the domain's SID in front of its own. Whoever learns of an account from somebody else can
//! hold the two against each other, and a server that speaks of another domain than the ones before it is noticed.

use std::ops::ControlFlow;
use std::sync::OnceLock;

use super::{Directory, Failure, search_refused, settle};
use crate::entry::AttributeProblem;
use crate::filter::Filter;
use crate::message::request::Scope;
use crate::message::response::ResultCode;
use crate::net::error::DirectoryError;
use crate::net::ldap::Connection;
use crate::schema::Attribute;
use crate::sid::Sid;

/// What is known of the SID.
#[derive(Debug, Default)]
pub(super) struct DomainSid {
    /// From the configuration.
    expected: Option<Sid>,
    /// What a server said, where that is what was expected.
    agreed: OnceLock<Sid>,
}

impl DomainSid {
    /// Takes over what a server says, unless it contradicts what is expected or was said before.
    fn agree(&self, server: &str, found: Sid) -> Result<Sid, DirectoryError> {
        let contradicts = |expected: &Sid| DirectoryError::WrongDomainSid {
            server: server.to_owned(),
            expected: expected.clone(),
            found: found.clone(),
        };
        if let Some(expected) = self.expected.as_ref().filter(|expected| **expected != found) {
            return Err(contradicts(expected));
        }
        let agreed = self.agreed.get_or_init(|| found.clone());
        if *agreed == found { Ok(found) } else { Err(contradicts(agreed)) }
    }
}

impl Directory {
    /// The same directory, whose domain must have this SID.
    #[must_use]
    pub fn expecting(mut self, domain_sid: Sid) -> Self {
        self.domain_sid = DomainSid { expected: Some(domain_sid), agreed: OnceLock::new() };
        self
    }

    /// The SID of the domain: read from the domain's own object at the first call, and the same ever after.
    ///
    /// # Errors
    /// [`DirectoryError`]; among them [`DirectoryError::WrongDomainSid`] where it is not the one expected, and
    /// [`DirectoryError::DomainObject`] where it cannot be read and none is expected.
    pub async fn domain_sid(&self) -> Result<Sid, DirectoryError> {
        if let Some(agreed) = self.domain_sid.agreed.get() {
            return Ok(agreed.clone());
        }
        let mut lease = self.pool.lease().await?;
        loop {
            let mut connection = lease.connection().await?;
            let outcome = self.read_domain_sid(&mut connection).await;
            if let ControlFlow::Break(outcome) = settle(&mut lease, connection, outcome) {
                return outcome;
            }
        }
    }

    /// Reads it from this server.
    pub(super) async fn read_domain_sid(&self, connection: &mut Connection) -> Result<Sid, Failure> {
        let everything = Filter::present(Attribute::OBJECT_CLASS);
        let attributes = [Attribute::OBJECT_SID];
        let found =
            self.search(connection, self.domain.as_str(), Scope::Base, &everything, &attributes, 1).await?;
        let domain = match (found.code, found.entries.as_slice()) {
            (ResultCode::SUCCESS, [domain]) => domain,
            (code, _) => return Err(search_refused(connection, code)),
        };
        match (domain.sid(), &self.domain_sid.expected) {
            (Ok(found), _) => Ok(self.domain_sid.agree(connection.server().name(), found)?),
            (Err(error), Some(expected)) if error.problem == AttributeProblem::Missing => {
                tracing::debug!(server = connection.server().name(), %error, "the domain's sid is taken as expected");
                Ok(expected.clone())
            }
            (Err(error), _) => Err(DirectoryError::DomainObject(error).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::DOMAIN_SID;

    const OTHER: &str = "S-1-5-21-1-2-3";

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_said_first_is_what_must_be_said_ever_after() {
        let domain = DomainSid::default();
        assert_eq!(domain.agree("dc1", sid(DOMAIN_SID)).unwrap(), sid(DOMAIN_SID));
        assert_eq!(domain.agree("dc2", sid(DOMAIN_SID)).unwrap(), sid(DOMAIN_SID));
        let error = domain.agree("dc2", sid(OTHER)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the server dc2 says that objectSid of its domain is {OTHER}, but {DOMAIN_SID} is expected"
            )
        );
    }

    #[test]
    fn what_is_expected_counts_whatever_is_said_first() {
        let domain = DomainSid { expected: Some(sid(DOMAIN_SID)), agreed: OnceLock::new() };
        for _ in 0..2 {
            let error = domain.agree("dc1", sid(OTHER)).unwrap_err();
            assert!(matches!(error, DirectoryError::WrongDomainSid { .. }), "{error}");
        }
        assert_eq!(domain.agree("dc1", sid(DOMAIN_SID)).unwrap(), sid(DOMAIN_SID));
    }
}
