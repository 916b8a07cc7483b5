//! The name that a person gives with the login, for one card with several accounts.

use ldap_map::upn::{Upn, UpnError};

/// A user name: a user principal name, or a `sAMAccountName` of whatever domain has it. It proves nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserHint {
    text: String,
    upn: Option<Upn>,
}

/// The text cannot be a user name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct HintError(#[from] UpnError);

impl UserHint {
    /// Reads what the person gave.
    ///
    /// # Errors
    /// [`HintError`] when it can be neither.
    pub fn parse(text: &str) -> Result<Self, HintError> {
        let upn = if text.contains('@') {
            Some(Upn::parse(text)?)
        } else {
            Upn::parse(&format!("{text}@domain"))?;
            None
        };
        Ok(Self { text: text.to_owned(), upn })
    }

    /// The name, where it says in which domain the account is.
    pub(super) const fn upn(&self) -> Option<&Upn> {
        self.upn.as_ref()
    }

    /// The name to search in the domain of this DNS name.
    pub(super) fn upn_in(&self, dns_domain: &str) -> Result<Upn, HintError> {
        match &self.upn {
            Some(upn) => Ok(upn.clone()),
            None => Ok(Upn::parse(&format!("{}@{dns_domain}", self.text))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_domain_is_searched_in_each() {
        let hint = UserHint::parse("alice-admin").expect("a name");
        assert_eq!(hint.upn(), None);
        assert_eq!(hint.upn_in("corp.example").expect("a name").as_str(), "alice-admin@corp.example");
        let hint = UserHint::parse("alice@brand.example").expect("a name");
        assert_eq!(hint.upn_in("corp.example").expect("a name").as_str(), "alice@brand.example");
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for text in ["", "a@b@c", "CORP\\alice", "*", "alice)(objectClass=*", "al\0ice", "@corp.example"] {
            assert!(UserHint::parse(text).is_err(), "{text:?}");
        }
    }
}
