//! From the directory's account to the name the domain controllers are asked for. Nowhere else.
//!
//! The name is `sAMAccountName` in the realm of the account's own domain: unlike a user principal name it means the same
//! account to every part of the domain (MS-SFU 2.2.1).

use kdc_proxy::principal::{NameError, Principal, PrincipalName, Realm};
use thiserror::Error;

use crate::directory::{DirectoryAccount, Home};

/// The service's own account under its name and its SPN.
pub(super) fn own(account: PrincipalName, spn: PrincipalName, realm: &Realm) -> [Principal; 2] {
    [account, spn].map(|name| Principal::new(name, realm.clone()))
}

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
    /// The account lives in a realm that is not configured.
    #[error(
        "the account's realm {account} is neither the configured kerberos.realm {own} nor that of a [[realm]]"
    )]
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

/// Makes the principal of an account: its name in the realm of its own domain, which is ours or, for an account of a trusted
/// domain, one of those that are configured beside it.
pub(super) fn principal(
    account: &DirectoryAccount,
    own: &Realm,
    trusted: &[Realm],
) -> Result<Principal, SubjectError> {
    let home = account.home();
    let account = account.account();
    let name = name(&account.sam_account_name)?;
    let realm = Realm::new(&account.dns_domain().to_ascii_uppercase()).map_err(SubjectError::Realm)?;
    let is_known = match home {
        Home::Own => realm == *own,
        Home::Trusted { .. } => trusted.contains(&realm),
    };
    if !is_known {
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
    use crate::directory::testing::{account, foreign_account};

    fn realm(text: &str) -> Realm {
        Realm::new(text).expect("a realm")
    }

    fn corp() -> Realm {
        realm("CORP.EXAMPLE")
    }

    /// A person of beta.example whose user principal name has the suffix of corp.example.
    fn guest() -> Person {
        Person::new("alice")
            .at("CN=alice,CN=Users,DC=beta,DC=example")
            .with("sAMAccountName", &["a.guest"])
            .sid("S-1-5-21-2-2-2-1110")
    }

    #[test]
    fn a_person_is_the_account_name_in_the_realm_of_its_own_domain() {
        let alice = account(&Person::new("alice").with("sAMAccountName", &["a.smith"]));
        let principal = principal(&alice, &corp(), &[]).expect("an ordinary account");
        assert_eq!(principal.to_string(), "a.smith@CORP.EXAMPLE");
    }

    #[test]
    fn a_realm_is_the_accounts_domain_and_not_the_suffix_of_its_user_principal_name() {
        let guest = foreign_account(&guest(), "S-1-5-21-1-1-1");
        assert_eq!(
            guest.account().user_principal_name.as_ref().map(|upn| upn.suffix()),
            Some("corp.example")
        );
        let principal = principal(&guest, &corp(), &[realm("BETA.EXAMPLE")]).expect("a configured realm");
        assert_eq!(principal.to_string(), "a.guest@BETA.EXAMPLE");
    }

    #[test]
    fn an_account_is_of_the_realm_it_was_found_for() {
        let (corp, beta) = (corp(), realm("BETA.EXAMPLE"));
        let refused = |account: &DirectoryAccount, own: &Realm, trusted: &[Realm]| {
            matches!(principal(account, own, trusted), Err(SubjectError::ForeignRealm { .. }))
        };
        // Of a trusted domain, but in our own realm; ours, but in a trusted realm; of a realm that is not configured.
        assert!(refused(
            &foreign_account(&Person::new("alice"), "S-1-5-21-1-1-1"),
            &corp,
            std::slice::from_ref(&beta)
        ));
        assert!(refused(&account(&guest()), &corp, std::slice::from_ref(&beta)));
        assert!(refused(&foreign_account(&guest(), "S-1-5-21-1-1-1"), &corp, &[realm("GAMMA.EXAMPLE")]));
    }

    #[test]
    fn an_account_of_another_realm_is_refused() {
        let own = realm("OTHER.EXAMPLE");
        let refused = principal(&account(&Person::new("alice")), &own, &[]);
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
