//! Whatever names a card carries are one account's, also where the configuration chose by which of them it is found. Does I/O,
//! through [`ldap_map::net`].

use ldap_map::account::Account;
use ldap_map::mapping::source::AttributeQuery;
use ldap_map::mapping::{Card, MappingError, Sought};
use ldap_map::net::directory::{DirectoryError, Freshness};

use super::domains::{Domain, Lookup};
use super::{Domains, ResolveError};

/// Holds the other names of a card against the account that was found by attributes: its user principal name must be this
/// account's, and no other account may have that name or name the card in `altSecurityIdentities`.
///
/// # Errors
/// [`ResolveError::Disagreement`] where another account is named, [`MappingError::NameDiffers`] where the user principal name
/// is nobody's and the mapping does not accept that, or a directory that does not answer.
pub(super) async fn check(
    domains: &Domains,
    card: &Card<'_>,
    account: &Account,
    query: &AttributeQuery,
    freshness: Freshness,
) -> Result<(), ResolveError> {
    match Domains::account(asked(domains, card)?, freshness).await {
        Ok((_, named)) if named.account.object_sid == account.object_sid => {}
        Ok((_, named)) => {
            return Err(ResolveError::Disagreement { found: account.dn.clone(), named: named.account.dn });
        }
        Err(ResolveError::Directory(DirectoryError::NotFound)) => {}
        Err(error) => return Err(error),
    }
    match card.facts.upns().first() {
        Some(upn) if !account.answers_to(upn) && !query.accepts_foreign_upn() => {
            Err(MappingError::NameDiffers { upn: upn.clone() }.into())
        }
        _ => Ok(()),
    }
}

/// Who is asked by all names that the card has beside those of the configuration; nobody where it has none.
fn asked<'d>(
    domains: &'d Domains,
    card: &Card<'_>,
) -> Result<Vec<(&'d Domain, Lookup<'static>)>, ResolveError> {
    let by_values = || {
        let sought = |domain: &'d Domain| {
            Some((domain, Lookup::Sought(Sought::by_values(card, &domain.settings().mapping)?)))
        };
        domains.all().filter_map(sought).collect()
    };
    let upn = match card.facts.upns() {
        [] => return Ok(by_values()),
        [upn] => upn,
        // Whoever the first one is, another could be somebody else's.
        several => return Err(MappingError::SeveralUpns { count: several.len() }.into()),
    };
    match domains.asked(Some(upn), |domain| Ok(Sought::by_card(card, &domain.settings().mapping)?)) {
        // A name of another organization is nobody's here; the values may be somebody's.
        Err(ResolveError::SuffixUnknown { .. }) => Ok(by_values()),
        asked => asked,
    }
}
