//! What an account is looked up by.

use crate::account::Account;
use crate::dn::Dn;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::mapping::source::AttributeQuery;
use crate::schema::{Attribute, AttributeName};
use crate::upn::{Upn, same_ignoring_case};

/// The account that is wanted.
pub(super) enum Wanted<'a> {
    /// By its user principal name, explicit or implicit.
    Upn(&'a Upn),
    /// By attributes that the configuration chose.
    Attributes(&'a AttributeQuery),
}

impl Wanted<'_> {
    /// Finds such accounts in the domain of this DNS name.
    pub(super) fn filter(&self, dns_domain: &str) -> Filter {
        match self {
            Self::Upn(upn) => {
                let explicit = Filter::equals(Attribute::USER_PRINCIPAL_NAME, upn.as_str().as_bytes());
                let implicit = || Filter::equals(Attribute::SAM_ACCOUNT_NAME, upn.user().as_bytes());
                let own_domain = same_ignoring_case(upn.suffix(), dns_domain);
                Filter::any_of(std::iter::once(explicit).chain(own_domain.then(implicit)))
            }
            Self::Attributes(query) => query.filter(),
        }
    }

    /// Where to search, if not in the whole domain.
    pub(super) fn base(&self) -> Option<&Dn> {
        match self {
            Self::Upn(_) => None,
            Self::Attributes(query) => query.search_base(),
        }
    }

    /// The attributes that must be read for it beside those of every account.
    pub(super) fn chosen(&self) -> &[AttributeName] {
        match self {
            Self::Upn(_) => &[],
            Self::Attributes(query) => query.attributes(),
        }
    }

    /// Whether an account is the one, by a comparison that is stricter than the directory's.
    pub(super) fn is(&self, account: &Account, entry: &Entry) -> bool {
        match self {
            Self::Upn(upn) => account.answers_to(upn),
            Self::Attributes(query) => query.is_met_by(entry),
        }
    }
}
