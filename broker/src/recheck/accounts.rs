//! The person's account as what a session rests on.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::SystemTime;

use ldap_map::account::{AccountExpires, NotUsable};
use ldap_map::net::directory::DirectoryError;
use ldap_map::sid::Sid;

use super::{Ground, Lane, Verdict};
use crate::directory::{Domains, ResolveError};
use crate::handoff::{EndCause, Watched};

/// The accounts of logins, read anew: what is remembered of a directory says nothing here.
pub struct Accounts {
    /// Whose they are.
    pub domains: Arc<Domains>,
}

/// The realm and the SID of an account.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AccountKey {
    realm: String,
    sid: String,
}

impl Ground for Accounts {
    type Key = AccountKey;

    fn key(&self, session: &Watched) -> AccountKey {
        let subject = &session.facts.subject;
        AccountKey { realm: subject.realm.clone(), sid: subject.sid.clone() }
    }

    /// One for each realm: the directory of one keeps no other realm's accounts waiting.
    fn lane(&self, session: &Watched) -> Lane {
        let mut digest = DefaultHasher::new();
        session.facts.subject.realm.hash(&mut digest);
        Lane(digest.finish())
    }

    async fn judge(&self, session: &Watched, now: SystemTime) -> Verdict {
        let AccountKey { realm, sid } = self.key(session);
        let asked = match sid.parse::<Sid>() {
            Ok(sid) => self.domains.account_of_sid(&realm, &sid).await,
            // It came out of a ticket of the domain, as its text.
            Err(_) => Err(DirectoryError::NotFound.into()),
        };
        match asked {
            Ok(account) => verdict(account.check_usable(now), account.account_expires),
            Err(ResolveError::Directory(DirectoryError::NotFound)) => Verdict::Refused {
                cause: EndCause::AccountGone,
                detail: "the directory has no such account any more".into(),
            },
            Err(error) => {
                Verdict::Undecided { cause: EndCause::AccountUnknown, detail: error.to_string().into() }
            }
        }
    }
}

/// What keeps a person from logging in need not end a session: whoever mistypes a password often enough locks somebody else's
/// account, and the hours are those of logging on.
fn verdict(usable: Result<(), NotUsable>, expires: AccountExpires) -> Verdict {
    let until = match expires {
        AccountExpires::Never => None,
        AccountExpires::At(moment) => Some(moment),
    };
    match usable {
        Ok(())
        | Err(
            NotUsable::Locked { .. } | NotUsable::PerhapsLocked { .. } | NotUsable::OutsideLogonHours { .. },
        ) => Verdict::Holds { until },
        Err(reason) => {
            Verdict::Refused { cause: EndCause::AccountNotUsable, detail: reason.to_string().into() }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ldap_map::testing::{DOMAIN_SID, Person};

    use super::*;
    use crate::directory::testing::{alone, nowhere};
    use crate::handoff::Opening;
    use crate::handoff::testing::{chain, opening};
    use crate::identity::testing::now;

    fn judged(person: &Person) -> Verdict {
        let account = person.account();
        verdict(account.check_usable(now()), account.account_expires)
    }

    fn session(realm: &str) -> Watched {
        let Opening { gateway, mut facts, .. } = opening(now());
        facts.subject.realm = realm.to_owned();
        facts.subject.sid = format!("{DOMAIN_SID}-1103");
        Watched { gateway, facts: facts.into(), chain: chain("card"), checked_at: now() }
    }

    #[test]
    fn an_account_that_was_disabled_expired_or_may_not_be_delegated_ends_its_sessions() {
        let alice = || Person::new("alice");
        let protected = format!("{DOMAIN_SID}-525");
        for person in [
            alice().with("userAccountControl", &["514"]),
            alice().with("accountExpires", &["131000000000000000"]),
            alice().with("userAccountControl", &["1049088"]),
            alice().member_of(&[&protected]),
        ] {
            let verdict = judged(&person);
            assert!(
                matches!(verdict, Verdict::Refused { cause: EndCause::AccountNotUsable, .. }),
                "{verdict:?}"
            );
        }
    }

    #[test]
    fn whoever_locks_somebodys_account_does_not_end_his_sessions() {
        let locked = Person::new("alice").with("msDS-User-Account-Control-Computed", &["16"]);
        assert!(matches!(judged(&locked), Verdict::Holds { until: None }));
        let never = Person::new("alice").with("logonHours", &[[0_u8; 21]]);
        assert!(matches!(judged(&never), Verdict::Holds { until: None }), "hours are those of logging on");
    }

    #[test]
    fn an_account_is_judged_at_the_moment_at_which_it_expires() {
        let end = now() + Duration::from_secs(60);
        let verdict = verdict(Ok(()), AccountExpires::At(end));
        assert!(matches!(verdict, Verdict::Holds { until: Some(until) } if until == end), "{verdict:?}");
    }

    #[tokio::test]
    async fn a_directory_that_does_not_answer_decides_nothing() {
        let accounts = Accounts { domains: Arc::new(alone(nowhere())) };
        let verdict = accounts.judge(&session("CORP.EXAMPLE"), now()).await;
        assert!(matches!(verdict, Verdict::Undecided { cause: EndCause::AccountUnknown, .. }), "{verdict:?}");
    }

    #[tokio::test]
    async fn sessions_of_one_account_are_judged_once_whatever_card_they_came_from() {
        let accounts = Accounts { domains: Arc::new(alone(nowhere())) };
        let (one, other) = (session("CORP.EXAMPLE"), session("CORP.EXAMPLE"));
        assert_eq!(accounts.key(&one), accounts.key(&Watched { chain: chain("another"), ..other }));
        let elsewhere = session("BETA.EXAMPLE");
        assert_ne!(accounts.key(&one), accounts.key(&elsewhere));
        assert_ne!(accounts.lane(&one), accounts.lane(&elsewhere), "another directory is asked");
    }
}
