//! From the directory's account to the name the domain controllers are asked for. Nowhere else.
//!
//! The name is `sAMAccountName` in the realm of the account's own domain: unlike a user principal name it means the same
//! account to every part of the domain (MS-SFU 2.2.1).

use kdc_proxy::principal::{NameError, Principal, PrincipalName, Realm};
use ldap_map::account::Account;
use thiserror::Error;

/// The account has no name that can be asked for safely.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SubjectError {
    /// `sAMAccountName` is empty, too long, or has a character that no account's may have.
    #[error("the account's sAMAccountName cannot be a principal: {0}")]
    Name(#[from] NameProblem),
    /// The name is one of a computer, a trust or the ticket-granting service.
    #[error("the account's sAMAccountName is that of a computer, a trust or krbtgt")]
    NotAPerson,
    /// The name of the account's domain cannot be a realm.
    #[error("the domain of the account's distinguishedName cannot be a realm: {0}")]
    Realm(NameError),
    /// A granted service's name cannot be a principal.
    #[error("a granted service cannot be a principal: {0}")]
    Service(NameError),
    /// The account lives in another realm than this service.
    #[error("the account's realm {account} is not the configured kerberos.realm {own}")]
    ForeignRealm {
        /// The account's realm.
        account: Realm,
        /// This service's realm.
        own: Realm,
    },
}

/// What is wrong with a `sAMAccountName`.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NameProblem {
    /// Longer than the 256 characters of the schema, or empty.
    #[error("its length is not 1 to 256")]
    Length,
    /// A character that MS-SAMR 3.1.1.6 forbids.
    #[error("it has a character that no account name may have")]
    Character,
    /// The Kerberos name rules.
    #[error(transparent)]
    Principal(NameError),
}

/// Makes the principal of an account in `own` realm.
pub(super) fn principal(account: &Account, own: &Realm) -> Result<Principal, SubjectError> {
    let name = name(&account.sam_account_name)?;
    let realm = Realm::new(&account.dns_domain().to_ascii_uppercase()).map_err(SubjectError::Realm)?;
    if realm != *own {
        return Err(SubjectError::ForeignRealm { account: realm, own: own.clone() });
    }
    Ok(Principal::new(name, realm))
}

/// A name ending in `$` is refused because domain controllers look names up with and without it.
fn name(sam_account_name: &str) -> Result<PrincipalName, SubjectError> {
    if sam_account_name.is_empty() || sam_account_name.chars().count() > 256 {
        return Err(NameProblem::Length.into());
    }
    if sam_account_name.ends_with('$') || sam_account_name.eq_ignore_ascii_case("krbtgt") {
        return Err(SubjectError::NotAPerson);
    }
    let forbidden = |letter: char| letter.is_control() || "\"/\\[]:;|=,+*?<>@".contains(letter);
    if sam_account_name.chars().any(forbidden) || sam_account_name.trim() != sam_account_name {
        return Err(NameProblem::Character.into());
    }
    Ok(PrincipalName::principal(sam_account_name).map_err(NameProblem::Principal)?)
}

#[cfg(test)]
mod tests {
    use ldap_map::testing::Person;

    use super::*;

    fn corp() -> Realm {
        Realm::new("CORP.EXAMPLE").expect("a realm")
    }

    #[test]
    fn a_person_is_the_account_name_in_the_realm_of_its_own_domain() {
        let alice = Person::new("alice").with("userPrincipalName", &["mallory@elsewhere.example"]).account();
        let principal = principal(&alice, &corp()).expect("an ordinary account");
        assert_eq!(principal.to_string(), "alice@CORP.EXAMPLE");
    }

    #[test]
    fn an_account_of_another_realm_is_refused() {
        let own = Realm::new("OTHER.EXAMPLE").expect("a realm");
        let refused = principal(&Person::new("alice").account(), &own);
        assert_eq!(refused, Err(SubjectError::ForeignRealm { account: corp(), own }));
    }

    #[test]
    fn an_ordinary_name_is_one_component() {
        for ordinary in ["alice", "a", "Müller", "first.last", "o'neill", "two words"] {
            assert_eq!(name(ordinary).expect("an ordinary name").components(), [ordinary]);
        }
    }

    #[test]
    fn computers_trusts_and_krbtgt_are_not_persons() {
        for machine in ["DESK1$", "CORP$", "alice$", "krbtgt", "KRBTGT"] {
            assert_eq!(name(machine), Err(SubjectError::NotAPerson), "{machine}");
        }
    }

    #[test]
    fn a_name_that_could_mean_another_principal_is_refused() {
        for odd in ["alice@corp.example", "host/desk1", "a\\b", " alice", "alice ", "ali\0ce", "a,b"] {
            assert_eq!(name(odd), Err(SubjectError::Name(NameProblem::Character)), "{odd:?}");
        }
    }

    #[test]
    fn a_name_without_length_or_without_end_is_refused() {
        for length in [0, 257] {
            assert_eq!(name(&"a".repeat(length)), Err(SubjectError::Name(NameProblem::Length)));
        }
    }
}
