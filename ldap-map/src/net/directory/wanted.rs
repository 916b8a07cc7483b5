//! What an account is looked up by.

use crate::account::Account;
use crate::dn::Dn;
use crate::entry::Entry;
use crate::filter::Filter;
use crate::mapping::sought::{Several, Sought};
use crate::mapping::source::AttributeQuery;
use crate::net::error::DirectoryError;
use crate::schema::{Attribute, AttributeName};
use crate::sid::Sid;

/// The account that is wanted.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// By the names that a card or a person gives.
    Sought(&'a Sought),
    /// By attributes that the configuration chose.
    Attributes(&'a AttributeQuery),
    /// By its `objectSid`, which no other account ever has.
    Sid(&'a Sid),
}

impl Wanted<'_> {
    /// Tells the kinds apart.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Sought(_) => 0,
            Self::Attributes(_) => 1,
            Self::Sid(_) => 2,
        }
    }

    /// Finds such accounts in the domain of this DNS name.
    pub(super) fn filter(&self, dns_domain: &str) -> Filter {
        match self {
            Self::Sought(sought) => sought.filter(dns_domain),
            Self::Attributes(query) => query.filter(),
            Self::Sid(sid) => Filter::equals(Attribute::OBJECT_SID, sid.as_bytes()),
        }
    }

    /// Where to search, if not in the whole domain.
    pub(super) fn base(&self) -> Option<&Dn> {
        match self {
            Self::Sought(_) | Self::Sid(_) => None,
            Self::Attributes(query) => query.search_base(),
        }
    }

    /// The attributes that must be read for it beside those of every account.
    pub(super) fn chosen(&self) -> &[AttributeName] {
        match self {
            Self::Sought(_) | Self::Sid(_) => &[],
            Self::Attributes(query) => query.attributes(),
        }
    }

    /// Whether an account is the one, by a comparison that is stricter than the directory's.
    pub(super) fn is(&self, account: &Account, entry: &Entry) -> bool {
        match self {
            Self::Sought(sought) => sought.is_met_by(account),
            Self::Attributes(query) => query.is_met_by(entry),
            Self::Sid(sid) => account.object_sid == **sid,
        }
    }

    /// The attributes to find it with.
    pub(super) const fn attributes(&self) -> &'static [Attribute] {
        match self {
            Self::Sought(sought) => sought.attributes(),
            Self::Attributes(_) | Self::Sid(_) => &[Attribute::OBJECT_GUID],
        }
    }

    /// Why more than one object is found.
    pub(super) fn why_several(&self, found: &[Entry], dns_domain: &str) -> DirectoryError {
        let Self::Sought(sought) = self else { return DirectoryError::Ambiguous };
        match sought.several(found, dns_domain) {
            Several::Ambiguous => DirectoryError::Ambiguous,
            Several::Accounts => DirectoryError::SeveralAccounts,
            Several::Disagree { one, other } => DirectoryError::Disagreement { one, other },
        }
    }
}
