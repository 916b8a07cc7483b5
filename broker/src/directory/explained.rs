//! The second step for somebody who asks why. Does I/O, through [`ldap_map::net`].

use std::time::SystemTime;

use ldap_map::account::Account;
use ldap_map::mapping::{IgnoredValue, WindowsVerdict, confirm};
use ldap_map::net::directory::{Freshness, Recalled};

use super::{DirectoryAccount, Domains, Names, Origin, ResolveError, UserHint, find, judge};
use crate::identity::ValidatedIdentity;

/// Everything that the second step saw, beside its verdict.
#[derive(Debug)]
pub struct Explained {
    /// The account that was found, whether it may be used or not.
    pub account: Option<Account>,
    /// The account's values of `altSecurityIdentities` that mean the card, and that domain controllers ignore.
    pub ignored: Vec<IgnoredValue>,
    /// What a Windows domain controller would say of card and account.
    pub windows: Option<WindowsVerdict>,
    /// As [`super::resolve`] would answer.
    pub verdict: Result<DirectoryAccount, ResolveError>,
}

/// Does what [`super::resolve`] does, and keeps what it saw.
pub async fn explain(
    domains: &Domains,
    identity: &ValidatedIdentity,
    hint: Option<&UserHint>,
    now: SystemTime,
) -> Explained {
    let card = identity.card();
    let unseen = |error| Explained { account: None, ignored: Vec::new(), windows: None, verdict: Err(error) };
    let names = match Names::of(domains, identity, hint) {
        Ok(names) => names,
        Err(error) => return unseen(error.into()),
    };
    let (domain, found) = match find(domains, &card, &names, Freshness::Asked).await {
        Ok(found) => found,
        Err(error) => return unseen(error),
    };
    let Recalled { account, server, .. } = found;
    let named_by = names.named_by();
    let rules = &domain.settings().mapping;
    let mapping = confirm(&card, &account, rules, named_by);
    let windows = WindowsVerdict::of(&card, &account, rules, named_by);
    let verdict = match domains.home(domain, &account).await {
        Ok((domain_sid, home)) => {
            let origin = Origin { domain_sid, home, server };
            judge(account.clone(), origin, domain.settings(), &card, named_by, now)
        }
        Err(error) => Err(error),
    };
    let ignored = mapping.map(|mapping| mapping.ignored().to_vec()).unwrap_or_default();
    Explained { account: Some(account), ignored, windows: Some(windows), verdict }
}
